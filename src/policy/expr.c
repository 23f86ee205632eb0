#include "policy/expr.h"

static const struct datum unsure = {.state = DATUM_UNSURE};

/* Flags that stick to whatever an expression is part of. */
static unsigned sticky(unsigned a, unsigned b)
{
    return (a | b) & (OUTCOME_RAISES | OUTCOME_UNSURE);
}

static unsigned both(unsigned a, unsigned b)
{
    const unsigned not_false = OUTCOME_TRUE | OUTCOME_NULL;
    unsigned out = sticky(a, b) | (a & b & OUTCOME_TRUE) | ((a | b) & OUTCOME_FALSE);

    if (((a & OUTCOME_NULL) && (b & not_false)) || ((b & OUTCOME_NULL) && (a & not_false)))
        out |= OUTCOME_NULL;
    return out;
}

/* AND. What would fail may not be tried at all behind a NULL: at the top of a condition PostgreSQL
 * stops at the first part that is not true. */
static unsigned conjoin(unsigned a, unsigned b)
{
    unsigned out = both(a, b);

    if (((a & OUTCOME_NULL) && (b & OUTCOME_RAISES)) ||
        ((b & OUTCOME_NULL) && (a & OUTCOME_RAISES)))
        out |= OUTCOME_NULL;
    return out;
}

static unsigned invert(unsigned a)
{
    unsigned out = a & ~(unsigned)(OUTCOME_TRUE | OUTCOME_FALSE);

    if (a & OUTCOME_TRUE)
        out |= OUTCOME_FALSE;
    if (a & OUTCOME_FALSE)
        out |= OUTCOME_TRUE;
    return out;
}

static unsigned either(unsigned a, unsigned b)
{
    return invert(both(invert(a), invert(b)));
}

static unsigned evaluate_all(const struct expr *expr, const struct expr_values *values,
                             unsigned start, unsigned (*join)(unsigned a, unsigned b))
{
    unsigned out = start;

    for (size_t i = 0; i < expr->arg_count; i++)
        out = join(out, expr_evaluate(expr->args[i], values));
    return out;
}

static unsigned first_not_null(unsigned a, unsigned b)
{
    return a & OUTCOME_NULL ? (a & ~(unsigned)OUTCOME_NULL) | b : a | sticky(a, b);
}

static unsigned test(enum truth_test test, unsigned a)
{
    static const unsigned char positive[] = {
        [TEST_TRUE] = OUTCOME_TRUE,    [TEST_NOT_TRUE] = OUTCOME_FALSE | OUTCOME_NULL,
        [TEST_FALSE] = OUTCOME_FALSE,  [TEST_NOT_FALSE] = OUTCOME_TRUE | OUTCOME_NULL,
        [TEST_UNKNOWN] = OUTCOME_NULL, [TEST_NOT_UNKNOWN] = OUTCOME_TRUE | OUTCOME_FALSE,
    };
    const unsigned values = OUTCOME_TRUE | OUTCOME_FALSE | OUTCOME_NULL;
    unsigned out = sticky(a, 0);

    if (a & positive[test])
        out |= OUTCOME_TRUE;
    if (a & values & ~positive[test])
        out |= OUTCOME_FALSE;
    return out;
}

static const struct datum *value_of(const struct side *side, const struct expr_values *values)
{
    switch (side->source) {
    case FROM_CONSTANT:
        return &side->value;
    case FROM_ROW:
        return &values->row[side->slot];
    case FROM_SESSION:
        return values->session ? &values->session[side->slot] : &unsure;
    }
    return &unsure;
}

/* What DATUM_ODD may be. */
static const struct datum odd[] = {{.state = DATUM_NULL},
                                   {.number = {.kind = DECIMAL_NAN}},
                                   {.number = {.kind = DECIMAL_INFINITY}},
                                   {.number = {.kind = DECIMAL_MINUS_INFINITY}}};

typedef unsigned compare_fn(const struct expr *expr, const struct datum *a, const struct datum *b);

/* All that may come of it. */
static unsigned compare_odd(compare_fn *compare, const struct expr *expr, const struct datum *a,
                            const struct datum *b)
{
    unsigned out = 0;

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        out |= a->state == DATUM_ODD ? compare(expr, &odd[i], b) : compare(expr, a, &odd[i]);
    return out;
}

static unsigned truth(bool value)
{
    return value ? OUTCOME_TRUE : OUTCOME_FALSE;
}

static bool holds(enum comparison comparison, int order)
{
    switch (comparison) {
    case IS_EQUAL:
        return order == 0;
    case IS_UNEQUAL:
        return order != 0;
    case IS_LESS:
        return order < 0;
    case IS_LESS_OR_EQUAL:
        return order <= 0;
    case IS_MORE:
        return order > 0;
    case IS_MORE_OR_EQUAL:
        return order >= 0;
    }
    return false;
}

/* All our operators are strict: with a NULL the result is one. */
static unsigned compare(const struct expr *expr, const struct datum *a, const struct datum *b)
{
    if (a->state == DATUM_RAISES || b->state == DATUM_RAISES)
        return OUTCOME_RAISES;
    if (a->state == DATUM_ODD || b->state == DATUM_ODD)
        return compare_odd(compare, expr, a, b);
    if (a->state == DATUM_UNSURE || b->state == DATUM_UNSURE)
        return a->state == b->state || a->state == DATUM_KNOWN || b->state == DATUM_KNOWN
                   ? OUTCOME_ANY
                   : OUTCOME_NULL | OUTCOME_UNSURE;
    if (a->state == DATUM_NULL || b->state == DATUM_NULL)
        return OUTCOME_NULL;
    return truth(holds(expr->comparison, datum_compare(expr->class, a, b)));
}

static unsigned compare_one(const struct expr *expr, const struct expr_values *values)
{
    unsigned out = compare(expr, value_of(&expr->left, values), value_of(&expr->right[0], values));

    if (expr->key != EXPR_NO_KEY && values->unequal_keys & 1u << expr->key)
        out &= ~(unsigned)OUTCOME_TRUE;
    return out;
}

static unsigned is_distinct(const struct expr *expr, const struct datum *a, const struct datum *b)
{
    if (a->state == DATUM_RAISES || b->state == DATUM_RAISES)
        return OUTCOME_RAISES;
    if (a->state == DATUM_ODD || b->state == DATUM_ODD)
        return compare_odd(is_distinct, expr, a, b);
    if (a->state == DATUM_UNSURE || b->state == DATUM_UNSURE)
        return OUTCOME_TRUE | OUTCOME_FALSE | OUTCOME_UNSURE;
    if (a->state == DATUM_NULL || b->state == DATUM_NULL)
        return truth(a->state != b->state);
    return truth(datum_compare(expr->class, a, b) != 0);
}

/* The list is made before anything is compared, so a member that raises does so in any case. Of an
 * empty list the left side does not matter (ExecEvalScalarArrayOp()), but it is evaluated. */
static unsigned compare_list(const struct expr *expr, const struct expr_values *values)
{
    bool any = expr->kind == EXPR_ANY;
    const struct datum *left = value_of(&expr->left, values);
    unsigned out = any ? OUTCOME_FALSE : OUTCOME_TRUE, raises = 0;

    if (left->state == DATUM_RAISES)
        return OUTCOME_RAISES;
    if (expr->null_list)
        return OUTCOME_NULL;
    for (size_t i = 0; i < expr->right_count; i++) {
        unsigned one = compare(expr, left, value_of(&expr->right[i], values));

        raises |= one & OUTCOME_RAISES;
        out = any ? either(out, one) : both(out, one);
    }
    return raises ? OUTCOME_RAISES : out;
}

static unsigned is_null(const struct datum *value)
{
    switch (value->state) {
    case DATUM_KNOWN:
        return OUTCOME_FALSE;
    case DATUM_NULL:
        return OUTCOME_TRUE;
    case DATUM_RAISES:
        return OUTCOME_RAISES;
    case DATUM_ODD:
        return OUTCOME_TRUE | OUTCOME_FALSE;
    case DATUM_UNSURE:
        break;
    }
    return OUTCOME_TRUE | OUTCOME_FALSE | OUTCOME_UNSURE;
}

static unsigned truth_of(const struct datum *value)
{
    switch (value->state) {
    case DATUM_KNOWN:
        return truth(value->boolean);
    case DATUM_NULL:
        return OUTCOME_NULL;
    case DATUM_RAISES:
        return OUTCOME_RAISES;
    case DATUM_UNSURE:
    case DATUM_ODD:
        break;
    }
    return OUTCOME_ANY;
}

unsigned expr_evaluate(const struct expr *expr, const struct expr_values *values)
{
    switch (expr->kind) {
    case EXPR_OPAQUE:
        return OUTCOME_ANY;
    case EXPR_CONSTANT:
        return expr->outcome;
    case EXPR_AND:
        return evaluate_all(expr, values, OUTCOME_TRUE, conjoin);
    case EXPR_OR:
        return evaluate_all(expr, values, OUTCOME_FALSE, either);
    case EXPR_COALESCE:
        return evaluate_all(expr, values, OUTCOME_NULL, first_not_null);
    case EXPR_NOT:
        return invert(expr_evaluate(expr->args[0], values));
    case EXPR_TEST:
        return test(expr->test, expr_evaluate(expr->args[0], values));
    case EXPR_VALUE:
        return truth_of(value_of(&expr->left, values));
    case EXPR_COMPARE:
        return compare_one(expr, values);
    case EXPR_DISTINCT:
        return is_distinct(expr, value_of(&expr->left, values), value_of(&expr->right[0], values));
    case EXPR_ANY:
    case EXPR_ALL:
        return compare_list(expr, values);
    case EXPR_IS_NULL:
        return is_null(value_of(&expr->left, values));
    }
    return OUTCOME_ANY;
}
