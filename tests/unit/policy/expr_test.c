#include "policy/expr.h"
#include "unit.h"

enum {
    T = OUTCOME_TRUE,
    F = OUTCOME_FALSE,
    N = OUTCOME_NULL,
    R = OUTCOME_RAISES,
    U = OUTCOME_UNSURE
};

static unsigned evaluate_pair(enum expr_kind kind, unsigned a, unsigned b)
{
    struct expr left = {.kind = EXPR_CONSTANT, .outcome = a};
    struct expr right = {.kind = EXPR_CONSTANT, .outcome = b};
    struct expr *args[] = {&left, &right};
    const struct expr expr = {.kind = kind, .args = args, .arg_count = 2};

    return expr_evaluate(&expr, &(struct expr_values){0});
}

/* What SQL makes of two single values. */
static unsigned sql(enum expr_kind kind, unsigned a, unsigned b)
{
    switch (kind) {
    case EXPR_AND:
        return a == F || b == F ? F : a == N || b == N ? N : T;
    case EXPR_OR:
        return a == T || b == T ? T : a == N || b == N ? N : F;
    default:
        return a == N ? b : a; /* coalesce */
    }
}

/* A set of outcomes joined with another gives just what their members give with each other. */
static void test_sets(void **state)
{
    static const enum expr_kind kinds[] = {EXPR_AND, EXPR_OR, EXPR_COALESCE};
    static const unsigned values[] = {T, F, N};

    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (unsigned a = 1; a < 8; a++)
            for (unsigned b = 1; b < 8; b++) {
                unsigned wanted = 0;

                for (size_t i = 0; i < 3; i++)
                    for (size_t j = 0; j < 3; j++)
                        if (a & values[i] && b & values[j])
                            wanted |= sql(kinds[k], values[i], values[j]);
                if (evaluate_pair(kinds[k], a, b) != wanted)
                    fail_msg("kind %d of %u and %u: %u, wanted %u", (int)kinds[k], a, b,
                             evaluate_pair(kinds[k], a, b), wanted);
            }
}

/* Doubt and errors stay, unless they cannot matter, and are never taken for true. */
static void test_doubt(void **state)
{
    static const struct {
        const char *says;
        enum expr_kind kind;
        unsigned a, b, wanted;
    } rows[] = {
        {"false and an error is not true", EXPR_AND, F, R, F | R},
        {"true and an error is an error", EXPR_AND, T, R, R},
        {"NULL and an error: it may not be tried", EXPR_AND, N, R, N | R},
        {"an error and NULL", EXPR_AND, R, N, N | R},
        {"NULL or an error is an error", EXPR_OR, N, R, R},
        {"true or an error may be either", EXPR_OR, T, R, T | R},
        {"false or an error is an error", EXPR_OR, F, R, R},
        {"false and anything is not true", EXPR_AND, F, OUTCOME_ANY, F | U},
        {"NULL and anything is not true", EXPR_AND, N, OUTCOME_ANY, F | N | U},
        {"true or anything is true, but there is doubt", EXPR_OR, T, OUTCOME_ANY, T | U},
        {"an error or anything", EXPR_OR, R, OUTCOME_ANY, T | R | U},
        {"what comes behind a value may be evaluated", EXPR_COALESCE, T, R, T | R},
        {"behind NULL comes an error", EXPR_COALESCE, N, R, R},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned got = evaluate_pair(rows[i].kind, rows[i].a, rows[i].b);

        if (got != rows[i].wanted)
            fail_msg("%s: %u, wanted %u", rows[i].says, got, rows[i].wanted);
        if (rows[i].kind != EXPR_COALESCE)
            assert_int_equal(evaluate_pair(rows[i].kind, rows[i].b, rows[i].a), got);
    }
}

static unsigned evaluate_one(enum expr_kind kind, enum truth_test test, unsigned a)
{
    struct expr inner = {.kind = EXPR_CONSTANT, .outcome = a};
    struct expr *args[] = {&inner};
    const struct expr expr = {.kind = kind, .test = test, .args = args, .arg_count = 1};

    return expr_evaluate(&expr, &(struct expr_values){0});
}

static void test_single(void **state)
{
    static const struct {
        enum expr_kind kind;
        enum truth_test test;
        unsigned of_true, of_false, of_null;
    } rows[] = {
        {EXPR_NOT, TEST_TRUE, F, T, N},         {EXPR_TEST, TEST_TRUE, T, F, F},
        {EXPR_TEST, TEST_NOT_TRUE, F, T, T},    {EXPR_TEST, TEST_FALSE, F, T, F},
        {EXPR_TEST, TEST_NOT_FALSE, T, F, T},   {EXPR_TEST, TEST_UNKNOWN, F, F, T},
        {EXPR_TEST, TEST_NOT_UNKNOWN, T, T, F},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (unsigned a = 1; a < 8; a++) {
            unsigned wanted = (a & T ? rows[i].of_true : 0) | (a & F ? rows[i].of_false : 0) |
                              (a & N ? rows[i].of_null : 0);

            assert_int_equal(evaluate_one(rows[i].kind, rows[i].test, a), wanted);
            assert_int_equal(evaluate_one(rows[i].kind, rows[i].test, a | U), wanted | U);
            assert_int_equal(evaluate_one(rows[i].kind, rows[i].test, R), R);
        }
}

static struct datum text(const char *value)
{
    return (struct datum){.text = str_c(value)};
}

static const struct datum null_datum = {.state = DATUM_NULL}, unsure = {.state = DATUM_UNSURE},
                          raises = {.state = DATUM_RAISES}, odd = {.state = DATUM_ODD};

static void test_comparisons(void **state)
{
    const struct datum a = text("a"), b = text("b");
    const struct {
        const char *says;
        enum expr_kind kind;
        enum comparison comparison;
        struct datum left, right;
        unsigned wanted;
    } rows[] = {
        {"equal", EXPR_COMPARE, IS_EQUAL, a, a, T},
        {"not equal", EXPR_COMPARE, IS_EQUAL, a, b, F},
        {"unequal", EXPR_COMPARE, IS_UNEQUAL, a, b, T},
        {"NULL", EXPR_COMPARE, IS_EQUAL, null_datum, a, N},
        {"NULL is not unequal either", EXPR_COMPARE, IS_UNEQUAL, a, null_datum, N},
        {"NULL and NULL", EXPR_COMPARE, IS_EQUAL, null_datum, null_datum, N},
        {"doubt", EXPR_COMPARE, IS_EQUAL, a, unsure, OUTCOME_ANY},
        {"NULL and doubt", EXPR_COMPARE, IS_EQUAL, null_datum, unsure, N | U},
        {"NULL or NaN beside NULL", EXPR_COMPARE, IS_EQUAL, odd, null_datum, N},
        {"NULL or NaN beside doubt", EXPR_COMPARE, IS_EQUAL, odd, unsure, OUTCOME_ANY},
        {"NULL or NaN beside an error", EXPR_COMPARE, IS_EQUAL, odd, raises, R},
        {"one and another that may be NULL or NaN", EXPR_COMPARE, IS_EQUAL, odd, odd, T | F | N},
        {"they may be distinct", EXPR_DISTINCT, IS_EQUAL, odd, odd, T | F},
        {"it may be NULL", EXPR_IS_NULL, IS_EQUAL, odd, null_datum, T | F},
        {"an error, even beside NULL", EXPR_COMPARE, IS_EQUAL, null_datum, raises, R},
        {"an error, even beside doubt", EXPR_COMPARE, IS_EQUAL, raises, unsure, R},
        {"distinct", EXPR_DISTINCT, IS_EQUAL, a, b, T},
        {"not distinct", EXPR_DISTINCT, IS_EQUAL, a, a, F},
        {"distinct from NULL", EXPR_DISTINCT, IS_EQUAL, null_datum, a, T},
        {"NULL is not distinct from NULL", EXPR_DISTINCT, IS_EQUAL, null_datum, null_datum, F},
        {"doubt is never NULL", EXPR_DISTINCT, IS_EQUAL, unsure, null_datum, T | F | U},
        {"an error", EXPR_DISTINCT, IS_EQUAL, unsure, raises, R},
        {"a value is not NULL", EXPR_IS_NULL, IS_EQUAL, a, a, F},
        {"NULL is", EXPR_IS_NULL, IS_EQUAL, null_datum, a, T},
        {"doubt may be", EXPR_IS_NULL, IS_EQUAL, unsure, a, T | F | U},
        {"an error is one", EXPR_IS_NULL, IS_EQUAL, raises, a, R},
        {"a boolean that is NULL", EXPR_VALUE, IS_EQUAL, null_datum, a, N},
        {"a boolean in doubt", EXPR_VALUE, IS_EQUAL, unsure, a, OUTCOME_ANY},
        {"a boolean that fails", EXPR_VALUE, IS_EQUAL, raises, a, R},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct side right = {.source = FROM_CONSTANT, .value = rows[i].right};
        const struct expr expr = {.kind = rows[i].kind,
                                  .comparison = rows[i].comparison,
                                  .class =
                                      rows[i].left.state == DATUM_ODD ? CLASS_NUMBER : CLASS_TEXT,
                                  .left = {.source = FROM_CONSTANT, .value = rows[i].left},
                                  .right = &right,
                                  .right_count = 1,
                                  .key = EXPR_NO_KEY};
        unsigned got = expr_evaluate(&expr, &(struct expr_values){0});

        if (got != rows[i].wanted)
            fail_msg("%s: %u, wanted %u", rows[i].says, got, rows[i].wanted);
    }
}

static void test_lists(void **state)
{
    const struct datum a = text("a"), b = text("b");
    const struct {
        const char *says;
        enum expr_kind kind;
        enum comparison comparison;
        struct datum left, list[2];
        size_t count;
        bool null_list;
        unsigned wanted;
    } rows[] = {
        {"in", EXPR_ANY, IS_EQUAL, a, {b, a}, 2, false, T},
        {"not in it", EXPR_ANY, IS_EQUAL, a, {b, b}, 2, false, F},
        {"in, beside a NULL", EXPR_ANY, IS_EQUAL, a, {null_datum, a}, 2, false, T},
        {"perhaps in", EXPR_ANY, IS_EQUAL, a, {b, null_datum}, 2, false, N},
        {"NULL is in nothing", EXPR_ANY, IS_EQUAL, null_datum, {a, b}, 2, false, N},
        {"in nothing", EXPR_ANY, IS_EQUAL, a, {a}, 0, false, F},
        {"NULL in nothing", EXPR_ANY, IS_EQUAL, null_datum, {a}, 0, false, F},
        {"no list", EXPR_ANY, IS_EQUAL, a, {a}, 0, true, N},
        {"not in", EXPR_ALL, IS_UNEQUAL, a, {b, b}, 2, false, T},
        {"not not in", EXPR_ALL, IS_UNEQUAL, a, {b, a}, 2, false, F},
        {"perhaps not in", EXPR_ALL, IS_UNEQUAL, a, {b, null_datum}, 2, false, N},
        {"not in nothing", EXPR_ALL, IS_UNEQUAL, null_datum, {a}, 0, false, T},
        {"a member that fails", EXPR_ANY, IS_EQUAL, a, {a, raises}, 2, false, R},
        {"the left side fails, whatever is in the list",
         EXPR_ANY,
         IS_EQUAL,
         raises,
         {a},
         0,
         false,
         R},
        {"doubt beside what is equal", EXPR_ANY, IS_EQUAL, a, {a, unsure}, 2, false, T | U},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct side right[2] = {{.source = FROM_CONSTANT, .value = rows[i].list[0]},
                                {.source = FROM_CONSTANT, .value = rows[i].list[1]}};
        const struct expr expr = {.kind = rows[i].kind,
                                  .comparison = rows[i].comparison,
                                  .class = CLASS_TEXT,
                                  .left = {.source = FROM_CONSTANT, .value = rows[i].left},
                                  .right = right,
                                  .right_count = rows[i].count,
                                  .null_list = rows[i].null_list};
        unsigned got = expr_evaluate(&expr, &(struct expr_values){0});

        if (got != rows[i].wanted)
            fail_msg("%s: %u, wanted %u", rows[i].says, got, rows[i].wanted);
    }
}

/* Of a session of which only is known that it is not filed under the row's value. */
static void test_keys(void **state)
{
    const struct datum row[] = {text("a")};
    struct side right = {.source = FROM_SESSION, .slot = 0};
    const struct expr expr = {.kind = EXPR_COMPARE,
                              .class = CLASS_TEXT,
                              .left = {.source = FROM_ROW, .slot = 0},
                              .right = &right,
                              .right_count = 1,
                              .key = 1};

    (void)state;
    assert_true(expr_evaluate(&expr, &(struct expr_values){row, NULL, 0}) & T);
    assert_true(expr_evaluate(&expr, &(struct expr_values){row, NULL, 1}) & T);
    assert_false(expr_evaluate(&expr, &(struct expr_values){row, NULL, 2}) & T);
    assert_int_equal(expr_evaluate(&expr, &(struct expr_values){row, row, 0}), T);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),   cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_single), cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_lists),  cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
