/* Sides of comparisons: columns, constants, claims. */
#include <string.h>

#include "policy/compile.h"
#include "policy/constant.h"
#include "policy/known.h"

#define TYPE_OID_TEXT_ARRAY 1009
#define MAX_PATH 16

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

static bool number_is(const struct tree *node, const char *label, int64_t wanted)
{
    int64_t value;

    return tree_number(tree_field(node, label), &value) && value == wanted;
}

const struct tree *compile_unwrap(const struct tree *sublink)
{
    const struct tree *query = tree_field(sublink, "subselect");
    const struct tree *from = tree_field(query, "jointree");
    const struct tree *target = tree_only(tree_field(query, "targetList"));

    if (!number_is(sublink, "subLinkType", 4) || /* EXPR_SUBLINK */
        !compile_knows(sublink, "subLinkType subselect") || !tree_is(query, "QUERY") ||
        !number_is(query, "commandType", 1) ||
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

static bool type_of(const struct tree *node, const char *label, uint32_t *out)
{
    int64_t oid;

    if (!tree_number(tree_field(node, label), &oid) || oid <= 0 || oid > UINT32_MAX)
        return false;
    *out = (uint32_t)oid;
    return true;
}

static struct scalar *new_scalar(struct compiler *c, enum scalar_kind kind, uint32_t type)
{
    struct scalar *scalar = arena_alloc(&c->policy->arena, sizeof(*scalar));

    scalar->kind = kind;
    scalar->type = type;
    scalar->class = class_of(c, type);
    return scalar;
}

static bool is_scalar(struct term *out, const struct scalar *scalar)
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

    if (!number_is(node, "varno", 1) || !number_is(node, "varlevelsup", 0) ||
        !compile_knows(node, "varno varattno vartype vartypmod varcollid varnosyn varattnosyn") ||
        !tree_number(tree_field(node, "varattno"), &number) || !type_of(node, "vartype", &type))
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

static bool compile_constant(struct compiler *c, const struct tree *node, struct term *out)
{
    struct constant constant;
    struct scalar *scalar;

    if (!compile_knows(node, "consttype consttypmod constcollid constlen constbyval constisnull "
                             "constvalue") ||
        !constant_read(&c->policy->arena, c->facts, node, &constant) || constant.is_array)
        return false;
    scalar = new_scalar(c, SCALAR_CONSTANT, constant.type);
    scalar->value = constant.value;
    return is_scalar(out, scalar);
}

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
        return is_scalar(out, new_scalar(c, SCALAR_SETTING, TYPE_OID_TEXT));
    for (size_t i = 0; or_null && i < sizeof(never_set) / sizeof(never_set[0]); i++) {
        if (!str_eq(name, str_c(never_set[i])))
            continue;
        scalar = new_scalar(c, SCALAR_CONSTANT, TYPE_OID_TEXT);
        scalar->value.state = DATUM_NULL;
        return is_scalar(out, scalar);
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
    struct scalar *field = new_scalar(c, SCALAR_FIELD, type);

    field->left = document;
    field->path = path;
    field->path_len = path_len;
    field->as_text = type == TYPE_OID_TEXT;
    return field;
}

static struct scalar *new_cast(struct compiler *c, const struct scalar *from, uint32_t type)
{
    struct scalar *cast = new_scalar(c, SCALAR_CAST, type);

    cast->left = from;
    return cast;
}

static bool compile_claim(struct compiler *c, const struct policy_function *function,
                          struct str claim, bool or_null, struct term *out)
{
    struct str *path = arena_alloc(&c->policy->arena, sizeof(*path));
    struct scalar *scalar, *or_not;

    *path = claim;
    scalar = new_field(c, new_scalar(c, SCALAR_CLAIMS, TYPE_OID_JSONB), TYPE_OID_TEXT, path, 1);
    if (or_null) {
        or_not = new_scalar(c, SCALAR_NULLIF, TYPE_OID_TEXT);
        or_not->left = scalar;
        or_not->right = scalar = new_scalar(c, SCALAR_CONSTANT, TYPE_OID_TEXT);
        scalar->value.text = STR("");
        scalar = or_not;
    }
    if (function->result != TYPE_OID_TEXT)
        scalar = new_cast(c, scalar, function->result);
    return is_scalar(out, scalar);
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
        return is_scalar(out, new_scalar(c, SCALAR_CLAIMS, TYPE_OID_JSONB));
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
        !type_of(node, "funcresulttype", &type))
        return false;
    out->type = type;
    return true;
}

static bool read_as_text(struct term *term)
{
    term->type = TYPE_OID_TEXT;
    term->class = term->slot.class = CLASS_TEXT;
    return true;
}

static bool compile_function(struct compiler *c, const struct tree *node, struct term *out)
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
               read_as_text(out);
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

/* auth.jwt() ->> 'org' */
static bool compile_step(struct compiler *c, const struct tree *node, struct term *out)
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
    return is_scalar(
        out, new_field(c, out->scalar, step.as_text ? TYPE_OID_TEXT : out->type, path, path_len));
}

/* varchar to text, a domain to what it is over: nothing happens to the value. */
static bool compile_relabel(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct policy_column *column = NULL;
    const struct tree *arg = tree_field(node, "arg");
    int64_t number;
    uint32_t type;

    if (!compile_knows(node, "arg resulttype resulttypmod resultcollid relabelformat") ||
        !type_of(node, "resulttype", &type) || !compile_term(c, arg, out))
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
    struct scalar *cast = new_scalar(c, SCALAR_CONSTANT, type);

    cast->value = out->scalar->value;
    if (cast->value.state == DATUM_KNOWN)
        cast->value = datum_cast(type, cast->class, cast->value.text);
    return (cast->value.state == DATUM_KNOWN || cast->value.state == DATUM_NULL) &&
           is_scalar(out, cast);
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
        !type_of(node, "resulttype", &type) || !compile_term(c, tree_field(node, "arg"), out))
        return false;
    if (!out->scalar)
        return type == TYPE_OID_TEXT &&
               (out->class == CLASS_UUID || out->class == CLASS_LABEL ||
                (out->class == CLASS_NUMBER && out->type != TYPE_OID_NUMERIC)) &&
               out->type == out->slot.type && read_as_text(out);
    if (out->class != CLASS_TEXT)
        return false;
    if (type == TYPE_OID_JSON || type == TYPE_OID_JSONB) {
        const struct scalar *from = out->scalar;

        if (from->kind == SCALAR_NULLIF && is_empty_text(from->right))
            from = from->left; /* the claims are never empty */
        return from->kind == SCALAR_SETTING && is_scalar(out, new_scalar(c, SCALAR_CLAIMS, type));
    }
    if (out->scalar->kind == SCALAR_CONSTANT)
        return cast_constant(c, type, out);
    switch (datum_class_of(type)) {
    case CLASS_BOOL:
    case CLASS_NUMBER:
    case CLASS_UUID:
        return is_scalar(out, new_cast(c, out->scalar, type));
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
            pair = new_scalar(c, kind, type);
            pair->left = joined;
            pair->right = out->scalar;
            joined = pair;
        } else {
            joined = out->scalar;
        }
    }
    return joined && is_scalar(out, joined);
}

static bool compile_coalesce(struct compiler *c, const struct tree *node, struct term *out)
{
    uint32_t type;

    return compile_knows(node, "coalescetype coalescecollid args") &&
           type_of(node, "coalescetype", &type) &&
           join_scalars(c, SCALAR_COALESCE, tree_field(node, "args"), type, out);
}

static bool compile_nullif(struct compiler *c, const struct tree *node, struct term *out)
{
    const struct tree *args = tree_field(node, "args");
    struct known_operator operator;
    int64_t oid, collation = 0;
    uint32_t type;

    if (!compile_knows(node, COMPILE_OPERATOR_FIELDS) || tree_count(args) != 2 ||
        !type_of(node, "opresulttype", &type) || !tree_number(tree_field(node, "opno"), &oid) ||
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
        struct scalar *scalar = new_scalar(c, SCALAR_CONSTANT, 0);

        scalar->class = constant.class;
        scalar->value = constant.elements[i];
        is_scalar(&(*out)[i], scalar);
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
               number_is(element, "resulttype", TYPE_OID_TEXT);
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
