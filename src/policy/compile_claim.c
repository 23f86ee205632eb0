/* Sides of comparisons that come from who is asking: settings, claims, and steps into them. */
#include "policy/compile_term.h"
#include "policy/constant.h"
#include "policy/known.h"

#define TYPE_OID_TEXT_ARRAY 1009
#define MAX_PATH 16

/* A constant text that is known, for the name of a setting or a claim. */
static bool constant_text(struct compiler *c, const struct tree *node, struct str *out)
{
    struct term term;

    if (!tree_is(node, "CONST") || !compile_constant(c, node, &term) ||
        term.type != TYPE_OID_TEXT || term.scalar->value.state != DATUM_KNOWN)
        return false;
    *out = term.scalar->value.text;
    return true;
}

/* Settings of single claims are not set while we are asked (`plain`), so they are NULL. */
static bool compile_setting(struct compiler *c, const struct tree *args, bool or_null,
                            struct term *out)
{
    static const char *const never_set[] = {"request.jwt.claim.sub", "request.jwt.claim.role",
                                            "request.jwt.claim.email", "request.jwt.claim"};
    struct scalar *scalar;
    struct str name;

    if (!c->facts->plain || !args || !constant_text(c, args->first, &name))
        return false;
    if (str_eq(name, STR("request.jwt.claims")))
        return compile_is_scalar(out, compile_scalar(c, SCALAR_SETTING, TYPE_OID_TEXT));
    for (size_t i = 0; or_null && i < sizeof(never_set) / sizeof(never_set[0]); i++) {
        if (!str_eq(name, str_c(never_set[i])))
            continue;
        scalar = compile_scalar(c, SCALAR_CONSTANT, TYPE_OID_TEXT);
        scalar->value.state = DATUM_NULL;
        return compile_is_scalar(out, scalar);
    }
    return false;
}

/* Its second argument has to be a plain true. */
static bool compile_setting_or_null(struct compiler *c, const struct tree *args, struct term *out)
{
    struct term missing_ok;

    return tree_count(args) == 2 && tree_is(args->first->next, "CONST") &&
           compile_constant(c, args->first->next, &missing_ok) && missing_ok.class == CLASS_BOOL &&
           missing_ok.scalar->value.state == DATUM_KNOWN && missing_ok.scalar->value.boolean &&
           compile_setting(c, args, true, out);
}

static struct scalar *new_field(struct compiler *c, const struct scalar *document, uint32_t type,
                                const struct str *path, size_t path_len)
{
    struct scalar *field = compile_scalar(c, SCALAR_FIELD, type);

    field->left = document;
    field->path = path;
    field->path_len = path_len;
    field->as_text = type == TYPE_OID_TEXT;
    return field;
}

static bool compile_claim(struct compiler *c, const struct policy_function *function,
                          struct str claim, bool or_null, struct term *out)
{
    struct str *path = arena_alloc(&c->policy->arena, sizeof(*path));
    struct scalar *scalar, *or_not;

    *path = claim;
    scalar = new_field(c, compile_scalar(c, SCALAR_CLAIMS, TYPE_OID_JSONB), TYPE_OID_TEXT, path, 1);
    if (or_null) {
        or_not = compile_scalar(c, SCALAR_NULLIF, TYPE_OID_TEXT);
        or_not->left = scalar;
        or_not->right = scalar = compile_scalar(c, SCALAR_CONSTANT, TYPE_OID_TEXT);
        scalar->value.text = STR("");
        scalar = or_not;
    }
    if (function->result != TYPE_OID_TEXT)
        scalar = compile_cast_of(c, scalar, function->result);
    return compile_is_scalar(out, scalar);
}

static bool compile_own_function(struct compiler *c, int64_t oid, struct term *out)
{
    const struct policy_function *function = facts_function(c->facts, oid);
    enum known_function is;
    struct str claim;

    if (!function || !c->facts->plain)
        return false;
    is = known_function(function->source, function->result, &claim);
    switch (is) {
    case KNOWN_CLAIMS:
        return compile_is_scalar(out, compile_scalar(c, SCALAR_CLAIMS, TYPE_OID_JSONB));
    case KNOWN_CLAIM:
    case KNOWN_CLAIM_OR_NULL:
        return compile_claim(c, function, claim, is == KNOWN_CLAIM_OR_NULL, out);
    case KNOWN_NO_FUNCTION:
        break;
    }
    return false;
}

/* The same value in a wider type. */
static bool compile_widening(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct tree *arg = tree_only(tree_field(node, "args"));
    uint32_t type;

    if (!compile_term(c, arg, out) || out->class != CLASS_NUMBER ||
        !compile_type_of(node, "funcresulttype", &type))
        return false;
    out->type = type;
    return true;
}

bool compile_function(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct tree *args = tree_field(node, "args");
    int64_t oid;

    if (!compile_knows(node, "funcid funcresulttype funcformat funccollid inputcollid args") ||
        !tree_number(tree_field(node, "funcid"), &oid))
        return false;
    if (oid == KNOWN_CURRENT_SETTING)
        return tree_count(args) == 1 && compile_setting(c, args, false, out);
    if (oid == KNOWN_CURRENT_SETTING_OR_NULL)
        return compile_setting_or_null(c, args, out);
    if (known_widening(oid))
        return compile_widening(c, node, out);
    if (oid == KNOWN_BOOL_TO_TEXT)
        return compile_term(c, tree_only(args), out) && !out->scalar && out->class == CLASS_BOOL &&
               compile_as_text(out);
    return tree_count(args) == 0 && compile_own_function(c, oid, out);
}

/* A path is an array of texts, none of them NULL. */
static bool constant_path(struct compiler *c, const struct tree *node, const struct str **path,
                          size_t *len)
{
    struct constant constant;
    struct str *steps;

    if (!tree_is(node, "CONST") || !constant_read(&c->policy->arena, c->facts, node, &constant) ||
        !constant.is_array || constant.type != TYPE_OID_TEXT_ARRAY || constant.is_null ||
        constant.element_count > MAX_PATH || constant.element_count == 0)
        return false;
    steps = arena_array(&c->policy->arena, constant.element_count, sizeof(*steps));
    for (*len = 0; *len < constant.element_count; ++*len) {
        if (constant.elements[*len].state != DATUM_KNOWN)
            return false;
        steps[*len] = constant.elements[*len].text;
    }
    *path = steps;
    return true;
}

bool compile_step(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct tree *args = tree_field(node, "args");
    const struct str *path;
    struct known_step step;
    struct str *key;
    size_t path_len = 1;
    int64_t oid;

    if (!compile_knows(node, COMPILE_OPERATOR_FIELDS) ||
        !tree_number(tree_field(node, "opno"), &oid) || !known_step(oid, &step) ||
        tree_count(args) != 2 || !compile_term(c, args->first, out) || !out->scalar ||
        (out->type != TYPE_OID_JSON && out->type != TYPE_OID_JSONB))
        return false;
    path = key = arena_alloc(&c->policy->arena, sizeof(*key));
    if (step.path ? !constant_path(c, args->first->next, &path, &path_len)
                  : !constant_text(c, args->first->next, key))
        return false;
    return compile_is_scalar(
        out, new_field(c, out->scalar, step.as_text ? TYPE_OID_TEXT : out->type, path, path_len));
}
