/* The right side of `= any (...)`: lists. */
#include "policy/compile_term.h"
#include "policy/constant.h"
#include "policy/known.h"

static bool constant_list(struct compiler *c, const struct tree *node, struct term **out,
                          size_t *count, bool *null_list)
{
    struct constant constant;

    if (!constant_read(&c->policy->arena, c->facts, node, &constant) || !constant.is_array)
        return false;
    *null_list = constant.is_null;
    *count = constant.element_count;
    *out = arena_array(&c->policy->arena, *count, sizeof(**out));
    for (size_t i = 0; i < *count; i++) {
        struct scalar *scalar = compile_scalar(c, SCALAR_CONSTANT, 0);

        scalar->class = constant.class;
        scalar->value = constant.elements[i];
        compile_is_scalar(&(*out)[i], scalar);
    }
    return true;
}

static bool written_list(struct compiler *c, const struct tree *node, struct term **out,
                         size_t *count)
{
    const struct tree *elements = tree_field(node, "elements");
    size_t i = 0;

    if (!compile_knows(node, "array_typeid array_collid element_typeid elements"))
        return false;
    *count = tree_count(elements);
    *out = arena_array(&c->policy->arena, *count, sizeof(**out));
    for (const struct tree *item = *count ? elements->first : NULL; item; item = item->next)
        if (!compile_term(c, item, &(*out)[i++]))
            return false;
    return true;
}

/* What happens to each element of an array: nothing but another name for its type. */
static bool is_harmless(const struct tree *element)
{
    int64_t oid;

    if (tree_is(element, "RELABELTYPE"))
        return tree_is(tree_field(element, "arg"), "CASETESTEXPR") &&
               compile_number_is(element, "resulttype", TYPE_OID_TEXT);
    return tree_is(element, "FUNCEXPR") &&
           tree_is(tree_only(tree_field(element, "args")), "CASETESTEXPR") &&
           tree_number(tree_field(element, "funcid"), &oid) && known_widening(oid);
}

bool compile_terms(struct compiler *c, const struct tree *node, struct term **out, size_t *count,
                   bool *null_list)
{
    *count = 0;
    *null_list = false;
    if (tree_is(node, "ARRAYCOERCEEXPR"))
        return compile_knows(node,
                             "arg elemexpr resulttype resulttypmod resultcollid coerceformat") &&
               is_harmless(tree_field(node, "elemexpr")) &&
               compile_terms(c, tree_field(node, "arg"), out, count, null_list);
    if (tree_is(node, "CONST"))
        return constant_list(c, node, out, count, null_list);
    return tree_is(node, "ARRAYEXPR") && written_list(c, node, out, count);
}
