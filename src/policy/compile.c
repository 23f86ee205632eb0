/* Conditions: what is true, false or unknown. */
#include "policy/compile.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/known.h"

static struct expr *new_expr(struct compiler *c, enum expr_kind kind)
{
    struct expr *expr = arena_alloc(&c->policy->arena, sizeof(*expr));

    expr->kind = kind;
    expr->key = EXPR_NO_KEY;
    return expr;
}

static struct expr *opaque(struct compiler *c)
{
    c->policy->clear = false;
    return new_expr(c, EXPR_OPAQUE);
}

static size_t add_row_slot(struct policy *policy, const struct row_slot *slot)
{
    for (size_t i = 0; i < policy->row_count; i++)
        if (str_eq(policy->row[i].column, slot->column) && policy->row[i].class == slot->class)
            return i;
    if (policy->row_count == policy->row_cap) {
        policy->row_cap = policy->row_cap ? policy->row_cap * 2 : 8;
        policy->row = mem_grow(policy->row, policy->row_cap, sizeof(*policy->row));
    }
    policy->row[policy->row_count] = *slot;
    return policy->row_count++;
}

static size_t add_session_slot(struct policy *policy, const struct scalar *scalar)
{
    if (policy->session_count == policy->session_cap) {
        policy->session_cap = policy->session_cap ? policy->session_cap * 2 : 8;
        policy->session = mem_grow(policy->session, policy->session_cap, sizeof(*policy->session));
    }
    policy->session[policy->session_count] = scalar;
    return policy->session_count++;
}

static struct side side_of(struct compiler *c, const struct term *term)
{
    if (!term->scalar)
        return (struct side){.source = FROM_ROW, .slot = add_row_slot(c->policy, &term->slot)};
    if (term->scalar->kind == SCALAR_CONSTANT)
        return (struct side){.source = FROM_CONSTANT, .value = term->scalar->value};
    return (struct side){.source = FROM_SESSION, .slot = add_session_slot(c->policy, term->scalar)};
}

/* `column = claim`, in either order. */
static void make_key(struct compiler *c, struct expr *expr)
{
    struct policy *policy = c->policy;
    const struct side *left = &expr->left, *right = &expr->right[0];
    const struct side *row = left->source == FROM_ROW ? left : right;
    const struct side *session = left->source == FROM_SESSION ? left : right;

    if (expr->comparison != IS_EQUAL || row->source != FROM_ROW ||
        session->source != FROM_SESSION || policy->key_count == POLICY_MAX_KEYS)
        return;
    expr->key = policy->key_count;
    policy->keys[policy->key_count++] = (struct policy_key){row->slot, session->slot, expr->class};
}

/* The operator of a node, if it is one of ours and the collation leaves equality to bytes. */
static bool find_operator(struct compiler *c, const struct tree *node, struct known_operator *out)
{
    int64_t oid, collation;

    if (!tree_number(tree_field(node, "opno"), &oid) || !known_operator(oid, out) ||
        !tree_number(tree_field(node, "inputcollid"), &collation))
        return false;
    return out->class != CLASS_TEXT || facts_is_deterministic(c->facts, collation);
}

static bool is_null_constant(const struct term *term)
{
    return term->scalar && term->scalar->kind == SCALAR_CONSTANT &&
           term->scalar->value.state == DATUM_NULL;
}

static struct expr *constant(struct compiler *c, unsigned outcome)
{
    struct expr *expr = new_expr(c, EXPR_CONSTANT);

    expr->outcome = outcome;
    return expr;
}

static struct expr *compile_compare(struct compiler *c, const struct tree *node)
{
    const struct tree *args = tree_field(node, "args");
    struct known_operator operator;
    struct term left, right;
    struct expr *expr;

    if (!compile_knows(node, COMPILE_OPERATOR_FIELDS) || tree_count(args) != 2 ||
        !find_operator(c, node, &operator) || !compile_term(c, args->first, &left) ||
        !compile_term(c, args->first->next, &right) ||
        left.class != operator.class || right.class != operator.class)
        return opaque(c);
    /* the planner knows what becomes of a NULL; the other side is never evaluated */
    if (tree_is(node, "OPEXPR") && (is_null_constant(&left) || is_null_constant(&right)))
        return constant(c, OUTCOME_NULL);
    expr = new_expr(c, tree_is(node, "DISTINCTEXPR") ? EXPR_DISTINCT : EXPR_COMPARE);
    expr->comparison = operator.comparison;
    expr->class = operator.class;
    expr->left = side_of(c, &left);
    expr->right_count = 1;
    expr->right = arena_alloc(&c->policy->arena, sizeof(*expr->right));
    expr->right[0] = side_of(c, &right);
    if (expr->kind == EXPR_COMPARE)
        make_key(c, expr);
    return expr;
}

static bool all_of_class(const struct term *terms, size_t count, enum datum_class class)
{
    for (size_t i = 0; i < count; i++)
        if (terms[i].class != class)
            return false;
    return true;
}

static struct expr *compile_list(struct compiler *c, const struct tree *node)
{
    const struct tree *args = tree_field(node, "args");
    struct known_operator operator;
    struct term left, *terms;
    struct expr *expr;
    bool null_list;
    size_t count;

    if (!compile_knows(node, "opno opfuncid hashfuncid negfuncid useOr inputcollid args") ||
        tree_count(args) != 2 || !find_operator(c, node, &operator) ||
        !compile_term(c, args->first, &left) ||
        left.class != operator.class || !compile_terms(c, args->first->next, &terms, &count,
                                                       &null_list) ||
        !all_of_class(terms, count, operator.class))
        return opaque(c);
    expr = new_expr(c, tree_word_is(tree_field(node, "useOr"), "true") ? EXPR_ANY : EXPR_ALL);
    expr->comparison = operator.comparison;
    expr->class = operator.class;
    expr->null_list = null_list;
    expr->left = side_of(c, &left);
    expr->right_count = count;
    expr->right = arena_array(&c->policy->arena, count, sizeof(*expr->right));
    for (size_t i = 0; i < count; i++)
        expr->right[i] = side_of(c, &terms[i]);
    return expr;
}

static struct expr *compile_args(struct compiler *c, const struct tree *args, enum expr_kind kind)
{
    struct expr *expr = new_expr(c, kind);

    expr->args = arena_array(&c->policy->arena, tree_count(args), sizeof(*expr->args));
    for (const struct tree *arg = tree_count(args) ? args->first : NULL; arg; arg = arg->next)
        expr->args[expr->arg_count++] = compile_condition(c, arg);
    return expr;
}

static struct expr *compile_bool(struct compiler *c, const struct tree *node)
{
    const struct tree *args = tree_field(node, "args"), *op = tree_field(node, "boolop");

    if (!compile_knows(node, "boolop args") || tree_count(args) == 0)
        return opaque(c);
    if (tree_word_is(op, "and"))
        return compile_args(c, args, EXPR_AND);
    if (tree_word_is(op, "or"))
        return compile_args(c, args, EXPR_OR);
    if (tree_word_is(op, "not") && tree_count(args) == 1)
        return compile_args(c, args, EXPR_NOT);
    return opaque(c);
}

static struct expr *compile_value(struct compiler *c, const struct tree *node)
{
    struct expr *expr;
    struct term term;

    if (!compile_term(c, node, &term) || term.class != CLASS_BOOL)
        return opaque(c);
    expr = new_expr(c, EXPR_VALUE);
    expr->left = side_of(c, &term);
    return expr;
}

static struct expr *compile_coalesce(struct compiler *c, const struct tree *node)
{
    int64_t type;

    if (!tree_number(tree_field(node, "coalescetype"), &type) || type != TYPE_OID_BOOL ||
        !compile_knows(node, "coalescetype coalescecollid args"))
        return opaque(c);
    return compile_args(c, tree_field(node, "args"), EXPR_COALESCE);
}

static struct expr *negated(struct compiler *c, struct expr *inner)
{
    struct expr *expr = new_expr(c, EXPR_NOT);

    expr->args = arena_alloc(&c->policy->arena, sizeof(*expr->args));
    expr->args[expr->arg_count++] = inner;
    return expr;
}

/* Also of types that are not ours; but a whole row has rules of its own, and json that is NULL in a
 * token is none in SQL. */
static struct expr *compile_null_test(struct compiler *c, const struct tree *node)
{
    struct expr *expr;
    struct term term;
    int64_t test;

    if (!compile_knows(node, "arg nulltesttype") ||
        !tree_number(tree_field(node, "nulltesttype"), &test) || test < 0 || test > 1 ||
        !compile_term(c, tree_field(node, "arg"), &term) ||
        (term.scalar && term.class == CLASS_NONE))
        return opaque(c);
    expr = new_expr(c, EXPR_IS_NULL);
    expr->left = side_of(c, &term);
    return test == 0 ? expr : negated(c, expr);
}

static struct expr *compile_truth_test(struct compiler *c, const struct tree *node)
{
    struct expr *expr;
    int64_t test;

    if (!compile_knows(node, "arg booltesttype") ||
        !tree_number(tree_field(node, "booltesttype"), &test) || test < TEST_TRUE ||
        test > TEST_NOT_UNKNOWN)
        return opaque(c);
    expr = new_expr(c, EXPR_TEST);
    expr->test = (enum truth_test)test;
    expr->args = arena_alloc(&c->policy->arena, sizeof(*expr->args));
    expr->args[expr->arg_count++] = compile_condition(c, tree_field(node, "arg"));
    return expr;
}

static struct expr *compile_inside(struct compiler *c, const struct tree *node)
{
    const struct tree *inside = compile_unwrap(node);

    return inside ? compile_condition(c, inside) : opaque(c);
}

struct expr *compile_condition(struct compiler *c, const struct tree *node)
{
    static const struct {
        const char *node;
        struct expr *(*compile)(struct compiler *c, const struct tree *node);
    } kinds[] = {
        {"BOOLEXPR", compile_bool},        {"OPEXPR", compile_compare},
        {"DISTINCTEXPR", compile_compare}, {"SCALARARRAYOPEXPR", compile_list},
        {"NULLTEST", compile_null_test},   {"BOOLEANTEST", compile_truth_test},
        {"COALESCE", compile_coalesce},    {"COALESCEEXPR", compile_coalesce},
        {"SUBLINK", compile_inside},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (tree_is(node, kinds[i].node))
            return kinds[i].compile(c, node);
    return compile_value(c, node);
}

/* Parsed trees are for this only: what stays is in the policy's arena. */
static struct expr *compile_clause(struct compiler *c, const struct policy_clause *clause)
{
    struct arena trees;
    const struct tree *tree;
    struct expr *expr;

    arena_init(&trees);
    tree = tree_parse(&trees, clause->qual);
    expr = tree ? compile_condition(c, tree) : opaque(c);
    arena_fini(&trees);
    return expr;
}

static struct expr *join(struct compiler *c, enum expr_kind kind, struct expr **args, size_t count)
{
    struct expr *expr = new_expr(c, kind);

    expr->args = arena_array(&c->policy->arena, count, sizeof(*args));
    memcpy(expr->args, args, count * sizeof(*args));
    expr->arg_count = count;
    return expr;
}

/* One of the permissive clauses and all of the restrictive ones have to hold; without a permissive
 * one nothing does, which is what an empty OR says. */
static struct expr *compile_clauses(struct compiler *c)
{
    size_t count = c->facts->clause_count, one_of = 0, all_of = 1;
    struct expr **permissive = mem_array(count + 1, sizeof(struct expr *));
    struct expr **all = mem_array(count + 1, sizeof(struct expr *));
    struct expr *expr;

    for (size_t i = 0; i < count; i++) {
        const struct policy_clause *clause = &c->facts->clauses[i];

        if (clause->permissive)
            permissive[one_of++] = compile_clause(c, clause);
        else
            all[all_of++] = compile_clause(c, clause);
    }
    all[0] = join(c, EXPR_OR, permissive, one_of);
    expr = join(c, EXPR_AND, all, all_of);
    free(permissive);
    free(all);
    return expr;
}

static void add_column(struct policy *policy, const struct policy_column *column)
{
    for (size_t i = 0; i < policy->column_count; i++)
        if (str_eq(policy->columns[i], column->name))
            return;
    policy->columns[policy->column_count++] = arena_str(&policy->arena, column->name);
}

static bool looks_at(const struct policy_clause *clause, int column)
{
    for (size_t i = 0; i < clause->column_count; i++)
        if (clause->columns[i] == column)
            return true;
    return clause->whole_row;
}

static void collect_columns(struct policy *policy, const struct policy_facts *facts)
{
    policy->columns = arena_array(&policy->arena, facts->column_count, sizeof(*policy->columns));
    for (size_t i = 0; i < facts->column_count; i++)
        for (size_t k = 0; k < facts->clause_count; k++)
            if (looks_at(&facts->clauses[k], facts->columns[i].number))
                add_column(policy, &facts->columns[i]);
}

struct policy *policy_compile(const struct policy_facts *facts)
{
    struct policy *policy = mem_alloc(sizeof(*policy));
    struct compiler c = {.policy = policy, .facts = facts};

    arena_init(&policy->arena);
    policy->clear = true;
    policy->condition = compile_clauses(&c);
    collect_columns(policy, facts);
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    arena_fini(&policy->arena);
    free(policy->row);
    free(policy->session);
    free(policy);
}
