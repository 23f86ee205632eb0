/* Sides of comparisons: columns, constants, and what makes one value of others. Settings and claims
 * are in compile_claim.c, lists in compile_list.c. */
#include "policy/compile_term.h"
#include "policy/constant.h"
#include "policy/known.h"

static bool has_word(const char *words, struct str word)
{
    struct str rest = str_c(words), one;

    while (rest.len > 0) {
        str_split(rest, ' ', &one, &rest);
        if (str_eq(one, word))
            return true;
    }
    return false;
}

bool compile_knows(const struct tree *node, const char *fields)
{
    for (const struct tree *field = node->first; field; field = field->next)
        if (!tree_is_default(field) && !has_word(fields, field->label) &&
            !has_word("location list_start list_end stmt_location stmt_len", field->label))
            return false;
    return true;
}

bool compile_number_is(const struct tree *node, const char *label, int64_t wanted)
{
    int64_t value;

    return tree_number(tree_field(node, label), &value) && value == wanted;
}

const struct tree *compile_unwrap(const struct tree *sublink)
{
    const struct tree *query = tree_field(sublink, "subselect");
    const struct tree *from = tree_field(query, "jointree");
    const struct tree *target = tree_only(tree_field(query, "targetList"));

    if (!compile_number_is(sublink, "subLinkType", 4) || /* EXPR_SUBLINK */
        !compile_knows(sublink, "subLinkType subselect") || !tree_is(query, "QUERY") ||
        !compile_number_is(query, "commandType", 1) ||
        !compile_knows(query, "commandType canSetTag hasSubLinks jointree targetList") ||
        !tree_is(from, "FROMEXPR") || !compile_knows(from, "") || !tree_is(target, "TARGETENTRY") ||
        !compile_knows(target, "expr resno resname"))
        return NULL;
    return tree_field(target, "expr");
}

static enum datum_class class_of(const struct compiler *c, uint32_t type)
{
    return facts_is_enum(c->facts, type) ? CLASS_LABEL : datum_class_of(type);
}

bool compile_type_of(const struct tree *node, const char *label, uint32_t *out)
{
    int64_t oid;

    if (!tree_number(tree_field(node, label), &oid) || oid <= 0 || oid > UINT32_MAX)
        return false;
    *out = (uint32_t)oid;
    return true;
}

struct scalar *compile_scalar(struct compiler *c, enum scalar_kind kind, uint32_t type)
{
    struct scalar *scalar = arena_alloc(&c->policy->arena, sizeof(*scalar));

    scalar->kind = kind;
    scalar->type = type;
    scalar->class = class_of(c, type);
    return scalar;
}

struct scalar *compile_cast_of(struct compiler *c, const struct scalar *from, uint32_t type)
{
    struct scalar *cast = compile_scalar(c, SCALAR_CAST, type);

    cast->left = from;
    return cast;
}

bool compile_is_scalar(struct term *out, const struct scalar *scalar)
{
    *out = (struct term){.type = scalar->type, .class = scalar->class, .scalar = scalar};
    return true;
}

static void take_labels(struct compiler *c, struct row_slot *slot)
{
    struct str *labels =
        arena_array(&c->policy->arena, c->facts->label_count, sizeof(*slot->labels));

    slot->labels = labels;
    for (size_t i = 0; i < c->facts->label_count; i++)
        if (c->facts->labels[i].type == slot->type)
            labels[slot->label_count++] = arena_str(&c->policy->arena, c->facts->labels[i].text);
}

static bool compile_column(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct policy_column *column;
    int64_t number;
    uint32_t type;

    if (!compile_number_is(node, "varno", 1) || !compile_number_is(node, "varlevelsup", 0) ||
        !compile_knows(node, "varno varattno vartype vartypmod varcollid varnosyn varattnosyn") ||
        !tree_number(tree_field(node, "varattno"), &number) ||
        !compile_type_of(node, "vartype", &type))
        return false;
    column = number > 0 ? facts_column(c->facts, number) : NULL;
    if (!column || column->type != type)
        return false;
    *out = (struct term){.type = type, .class = class_of(c, type)};
    out->slot = (struct row_slot){
        .column = arena_str(&c->policy->arena, column->name), .type = type, .class = out->class};
    if (out->class == CLASS_LABEL)
        take_labels(c, &out->slot);
    return true;
}

bool compile_constant(struct compiler *c, const struct tree *node, struct term *out)
{
    struct constant constant;
    struct scalar *scalar;

    if (!compile_knows(node, "consttype consttypmod constcollid constlen constbyval constisnull "
                             "constvalue") ||
        !constant_read(&c->policy->arena, c->facts, node, &constant) || constant.is_array)
        return false;
    scalar = compile_scalar(c, SCALAR_CONSTANT, constant.type);
    scalar->value = constant.value;
    return compile_is_scalar(out, scalar);
}

bool compile_as_text(struct term *term)
{
    term->type = TYPE_OID_TEXT;
    term->class = term->slot.class = CLASS_TEXT;
    return true;
}

/* varchar to text, a domain to what it is over: nothing happens to the value. */
static bool compile_relabel(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct policy_column *column = NULL;
    const struct tree *arg = tree_field(node, "arg");
    int64_t number;
    uint32_t type;

    if (!compile_knows(node, "arg resulttype resulttypmod resultcollid relabelformat") ||
        !compile_type_of(node, "resulttype", &type) || !compile_term(c, arg, out))
        return false;
    if (tree_is(arg, "VAR") && tree_number(tree_field(arg, "varattno"), &number))
        column = facts_column(c->facts, number);
    if (column && column->base == type && datum_class_of(type) != CLASS_NONE)
        out->class = out->slot.class = datum_class_of(type);
    else if (out->class != CLASS_TEXT || datum_class_of(type) != CLASS_TEXT)
        return false;
    out->type = type;
    return true;
}

static bool cast_constant(struct compiler *c, uint32_t type, struct term *out)
{
    struct scalar *cast = compile_scalar(c, SCALAR_CONSTANT, type);

    cast->value = out->scalar->value;
    if (cast->value.state == DATUM_KNOWN)
        cast->value = datum_cast(type, cast->class, cast->value.text);
    return (cast->value.state == DATUM_KNOWN || cast->value.state == DATUM_NULL) &&
           compile_is_scalar(out, cast);
}

static bool is_empty_text(const struct scalar *scalar)
{
    return scalar->kind == SCALAR_CONSTANT && scalar->value.state == DATUM_KNOWN &&
           scalar->value.text.len == 0;
}

/* Of columns, to text: uuid, integers, enums, whose text is the stream's. Of texts, to a type that
 * is ours; the text of the claims also to json. */
static bool compile_cast(struct compiler *c, const struct tree *node, struct term *out)
{
    uint32_t type;

    if (!compile_knows(node, "arg resulttype resultcollid coerceformat") ||
        !compile_type_of(node, "resulttype", &type) ||
        !compile_term(c, tree_field(node, "arg"), out))
        return false;
    if (!out->scalar)
        return type == TYPE_OID_TEXT &&
               (out->class == CLASS_UUID || out->class == CLASS_LABEL ||
                (out->class == CLASS_NUMBER && out->type != TYPE_OID_NUMERIC)) &&
               out->type == out->slot.type && compile_as_text(out);
    if (out->class != CLASS_TEXT)
        return false;
    if (type == TYPE_OID_JSON || type == TYPE_OID_JSONB) {
        const struct scalar *from = out->scalar;

        if (from->kind == SCALAR_NULLIF && is_empty_text(from->right))
            from = from->left; /* the claims are never empty */
        return from->kind == SCALAR_SETTING &&
               compile_is_scalar(out, compile_scalar(c, SCALAR_CLAIMS, type));
    }
    if (out->scalar->kind == SCALAR_CONSTANT)
        return cast_constant(c, type, out);
    switch (datum_class_of(type)) {
    case CLASS_BOOL:
    case CLASS_NUMBER:
    case CLASS_UUID:
        return compile_is_scalar(out, compile_cast_of(c, out->scalar, type));
    case CLASS_NONE:
    case CLASS_TEXT:
    case CLASS_LABEL:
    case CLASS_DATE:
    case CLASS_TIMESTAMP:
    case CLASS_TIMESTAMPTZ:
        break;
    }
    return false;
}

static bool join_scalars(struct compiler *c, enum scalar_kind kind, const struct tree *args,
                         uint32_t type, struct term *out)
{
    const struct scalar *joined = NULL;

    for (const struct tree *arg = args ? args->first : NULL; arg; arg = arg->next) {
        struct scalar *pair;

        if (!compile_term(c, arg, out) || !out->scalar || out->class == CLASS_NONE ||
            (joined && joined->class != out->class))
            return false;
        if (joined) {
            pair = compile_scalar(c, kind, type);
            pair->left = joined;
            pair->right = out->scalar;
            joined = pair;
        } else {
            joined = out->scalar;
        }
    }
    return joined && compile_is_scalar(out, joined);
}

static bool compile_coalesce(struct compiler *c, const struct tree *node, struct term *out)
{
    uint32_t type;

    return compile_knows(node, "coalescetype coalescecollid args") &&
           compile_type_of(node, "coalescetype", &type) &&
           join_scalars(c, SCALAR_COALESCE, tree_field(node, "args"), type, out);
}

static bool compile_nullif(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct tree *args = tree_field(node, "args");
    struct known_operator operator;
    int64_t oid, collation = 0;
    uint32_t type;

    if (!compile_knows(node, COMPILE_OPERATOR_FIELDS) || tree_count(args) != 2 ||
        !compile_type_of(node, "opresulttype", &type) ||
        !tree_number(tree_field(node, "opno"), &oid) ||
        !known_operator(oid, &operator) ||
        operator.comparison !=
        IS_EQUAL || !tree_number(tree_field(node, "inputcollid"), &collation) ||
        !join_scalars(c, SCALAR_NULLIF, args, type, out))
        return false;
    return out->class == operator.class &&(operator.class != CLASS_TEXT ||
                                           facts_is_deterministic(c->facts, collation));
}

/* A subselect reads no table, so all columns in it are those of another level, and refused. */
static bool compile_inside(struct compiler *c, const struct tree *node, struct term *out)
{
    return compile_term(c, compile_unwrap(node), out);
}

bool compile_term(struct compiler *c, const struct tree *node, struct term *out)
{
    static const struct {
        const char *node;
        bool (*compile)(struct compiler *c, const struct tree *node, struct term *out);
    } kinds[] = {
        {"VAR", compile_column},
        {"CONST", compile_constant},
        {"FUNCEXPR", compile_function},
        {"OPEXPR", compile_step},
        {"RELABELTYPE", compile_relabel},
        {"COERCEVIAIO", compile_cast},
        {"COALESCEEXPR", compile_coalesce},
        {"COALESCE", compile_coalesce},
        {"NULLIFEXPR", compile_nullif},
        {"SUBLINK", compile_inside},
    };

    if (tree_is(node, "COLLATEEXPR"))
        return compile_knows(node, "arg collOid") && compile_term(c, tree_field(node, "arg"), out);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (tree_is(node, kinds[i].node))
            return kinds[i].compile(c, node, out);
    return false;
}
