#include "facts.h"
#include "policy/constant.h"

/* The bytes are what PostgreSQL 15 on x86_64 wrote for these values. */
static void test_values(void **state)
{
    static const struct {
        const char *says, *node;
        enum datum_class class;
        const char *value; /* NULL: not understood */
    } rows[] = {
        {"true", N_TRUE, CLASS_BOOL, "true"},
        {"false", N_FALSE, CLASS_BOOL, "false"},
        {"an integer", N_CONST(23, 4, "5 0 0 0 0 0 0 0"), CLASS_NUMBER, "5"},
        {"a negative one", N_CONST(23, 4, "-1 -1 -1 -1 -1 -1 -1 -1"), CLASS_NUMBER, "-1"},
        {"the smallest", N_CONST(23, 4, "0 0 0 -128 -1 -1 -1 -1"), CLASS_NUMBER, "-2147483648"},
        {"a smallint", N_CONST(21, 2, "-2 -1 -1 -1 -1 -1 -1 -1"), CLASS_NUMBER, "-2"},
        {"a bigint", N_CONST(20, 8, "0 -14 5 42 1 0 0 0"), CLASS_NUMBER, "5000000000"},
        {"the largest", N_CONST(20, 8, "-1 -1 -1 -1 -1 -1 -1 127"), CLASS_NUMBER,
         "9223372036854775807"},
        {"a numeric", N_CONST(1700, 10, "40 0 0 0 0 -127 1 0 -120 19"), CLASS_NUMBER, "1.50"},
        {"a negative numeric with a large weight", N_CONST(1700, 8, "32 0 0 0 5 -96 1 0"),
         CLASS_NUMBER, "-1e20"},
        {"a small numeric", N_CONST(1700, 8, "32 0 0 0 127 -126 1 0"), CLASS_NUMBER, "0.0001"},
        {"zero", N_CONST(1700, 6, "24 0 0 0 0 -128"), CLASS_NUMBER, "0"},
        {"a numeric in the long form", N_CONST(1700, 10, "40 0 0 0 0 0 -24 3 1 0"), CLASS_NUMBER,
         "1e4000"},
        {"a negative one", N_CONST(1700, 10, "40 0 0 0 0 64 -24 3 1 0"), CLASS_NUMBER, "-1e4000"},
        {"NaN", N_CONST(1700, 6, "24 0 0 0 0 -64"), CLASS_NUMBER, "NaN"},
        {"infinity", N_CONST(1700, 6, "24 0 0 0 0 -48"), CLASS_NUMBER, "Infinity"},
        {"minus infinity", N_CONST(1700, 6, "24 0 0 0 0 -16"), CLASS_NUMBER, "-Infinity"},
        {"a text", N_TEXT_A, CLASS_TEXT, "a"},
        {"the empty text", N_TEXT_EMPTY, CLASS_TEXT, ""},
        {"a text with a letter beyond ASCII", N_CONST(25, 6, "24 0 0 0 -61 -92"), CLASS_TEXT,
         "\u00e4"},
        {"a varchar", N_CONST(1043, 5, "20 0 0 0 97"), CLASS_TEXT, "a"},
        {"a uuid", N_UUID_1, CLASS_UUID, UUID_1},
        {"a label", N_CONST(16389, 4, "7 64 0 0 0 0 0 0"), CLASS_LABEL, "ok"},
        {"an instant", N_CONST(1184, 8, "0 96 -62 -122 7 62 2 0"), CLASS_TIMESTAMPTZ,
         "2020-01-01 00:00:00+00"},
        {"the end of time", N_CONST(1184, 8, "-1 -1 -1 -1 -1 -1 -1 127"), CLASS_TIMESTAMPTZ,
         "infinity"},
        {"a timestamp", N_CONST(1114, 8, "0 8 114 -110 -46 90 2 0"), CLASS_TIMESTAMP,
         "2021-01-01 10:00:00"},
        {"a date", N_CONST(1082, 4, "-119 28 0 0 0 0 0 0"), CLASS_DATE, "2020-01-01"},
        {"the first date", N_CONST(1082, 4, "0 0 0 -128 -1 -1 -1 -1"), CLASS_DATE, "-infinity"},
        {"a label that is gone", N_CONST(16389, 4, "99 64 0 0 0 0 0 0"), CLASS_LABEL, NULL},
        {"a type that is not ours", N_CONST(700, 4, "0 0 0 0 0 0 0 0"), CLASS_NONE, NULL},
        {"too few bytes", N_CONST(20, 8, "0 0 0 0"), CLASS_NUMBER, NULL},
        {"a uuid that is cut", N_CONST(2950, 16, "1 2 3"), CLASS_UUID, NULL},
        {"a text that says it is longer", N_CONST(25, 5, "24 0 0 0 97"), CLASS_TEXT, NULL},
        {"a text that says it is shorter than its header", N_CONST(25, 5, "8 0 0 0 97"), CLASS_TEXT,
         NULL},
        {"a header of one byte", N_CONST(25, 2, "5 97"), CLASS_TEXT, NULL},
        {"a header of another byte order", N_CONST(25, 5, "0 0 0 5 97"), CLASS_TEXT, NULL},
        {"a numeric without a head", N_CONST(1700, 4, "16 0 0 0"), CLASS_NUMBER, NULL},
        {"a long numeric without a weight", N_CONST(1700, 6, "24 0 0 0 64 0"), CLASS_NUMBER, NULL},
        {"no bytes", N_CONST(23, 4, ""), CLASS_NUMBER, NULL},
        {"bytes that are none", N_CONST(23, 4, "300 0 0 0"), CLASS_NUMBER, NULL},
        {"words", N_CONST(23, 4, "a b c d"), CLASS_NUMBER, NULL},
        {"a date beyond what we count", N_CONST(1082, 4, "31 -1 -1 127 0 0 0 0"), CLASS_DATE, NULL},
        {"a time beyond what we count", N_CONST(1184, 8, "-2 -1 -1 -1 -1 -1 -1 127"),
         CLASS_TIMESTAMPTZ, NULL},
    };
    const struct policy_facts facts = fixture_facts(NULL, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct constant constant;
        struct arena arena;
        struct datum wanted;
        bool read;

        arena_init(&arena);
        read = constant_read(&arena, &facts, tree_parse(&arena, str_c(rows[i].node)), &constant);
        CHECK(read == (rows[i].value != NULL), rows[i].says);
        if (read) {
            wanted = datum_read(rows[i].class, str_c(rows[i].value));
            CHECK(constant.class == rows[i].class && !constant.is_array && !constant.is_null,
                  rows[i].says);
            CHECK(constant.value.state == DATUM_KNOWN &&
                      datum_compare(constant.class, &constant.value, &wanted) == 0,
                  rows[i].says);
        }
        arena_fini(&arena);
    }
}

static void test_null(void **state)
{
    const struct policy_facts facts = fixture_facts(NULL, 0);
    struct constant constant;
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_true(constant_read(&arena, &facts, tree_parse(&arena, STR(N_NULL(2950))), &constant));
    assert_true(constant.is_null);
    assert_int_equal(constant.value.state, DATUM_NULL);
    assert_true(constant_read(&arena, &facts, tree_parse(&arena, STR(N_NULL(1009))), &constant));
    assert_true(constant.is_null && constant.is_array);
    arena_fini(&arena);
}

static void test_another_machine(void **state)
{
    struct policy_facts facts = fixture_facts(NULL, 0);
    struct constant constant;
    struct arena arena;

    (void)state;
    facts.little_endian = false;
    arena_init(&arena);
    assert_false(constant_read(&arena, &facts, tree_parse(&arena, STR(N_TRUE)), &constant));
    arena_fini(&arena);
}

static void test_arrays(void **state)
{
    static const struct {
        const char *says, *node;
        size_t count;       /* SIZE_MAX: not understood */
        const char *values; /* one letter each, - is NULL */
    } rows[] = {
        {"texts",
         N_CONST(1009, 40,
                 "-96 0 0 0 1 0 0 0 0 0 0 0 25 0 0 0 2 0 0 0 1 0 0 0 20 0 0 0 97 0 0 0 "
                 "20 0 0 0 98 0 0 0"),
         2, "ab"},
        {"texts and a NULL",
         N_CONST(1009, 48,
                 "-64 0 0 0 1 0 0 0 32 0 0 0 25 0 0 0 3 0 0 0 1 0 0 0 5 0 0 0 0 0 0 0 "
                 "20 0 0 0 97 0 0 0 20 0 0 0 98 0 0 0"),
         3, "a-b"},
        {"integers",
         N_CONST(1007, 32, "-128 0 0 0 1 0 0 0 0 0 0 0 23 0 0 0 2 0 0 0 1 0 0 0 1 0 0 0 2 0 0 0"),
         2, "12"},
        {"nothing", N_CONST(1009, 16, "64 0 0 0 0 0 0 0 0 0 0 0 25 0 0 0"), 0, ""},
        {"two dimensions",
         N_CONST(1007, 36,
                 "-112 0 0 0 2 0 0 0 0 0 0 0 23 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 "
                 "0 0"),
         SIZE_MAX, ""},
        {"another type inside",
         N_CONST(1007, 28, "112 0 0 0 1 0 0 0 0 0 0 0 25 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0"), SIZE_MAX,
         ""},
        {"more elements than bytes",
         N_CONST(1007, 28, "112 0 0 0 1 0 0 0 0 0 0 0 23 0 0 0 9 0 0 0 1 0 0 0 1 0 0 0"), SIZE_MAX,
         ""},
        {"a negative length",
         N_CONST(1007, 28, "112 0 0 0 1 0 0 0 0 0 0 0 23 0 0 0 -1 -1 -1 -1 1 0 0 0 1 0 0 0"),
         SIZE_MAX, ""},
        {"data that begin before the map of NULLs ends",
         N_CONST(1007, 28, "112 0 0 0 1 0 0 0 24 0 0 0 23 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0"), SIZE_MAX,
         ""},
        {"data that begin behind the end",
         N_CONST(1007, 28, "112 0 0 0 1 0 0 0 99 0 0 0 23 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0"), SIZE_MAX,
         ""},
        {"cut", N_CONST(1007, 20, "80 0 0 0 1 0 0 0 0 0 0 0 23 0 0 0 1 0 0 0"), SIZE_MAX, ""},
    };
    const struct policy_facts facts = fixture_facts(NULL, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct constant constant;
        struct arena arena;
        bool read;

        arena_init(&arena);
        read = constant_read(&arena, &facts, tree_parse(&arena, str_c(rows[i].node)), &constant);
        CHECK(read == (rows[i].count != SIZE_MAX), rows[i].says);
        CHECK(!read || constant.element_count == rows[i].count, rows[i].says);
        for (size_t k = 0; read && k < rows[i].count; k++) {
            struct datum wanted = datum_read(constant.class, str_from(rows[i].values + k, 1));
            struct datum *got = &constant.elements[k];

            if (rows[i].values[k] == '-')
                CHECK(got->state == DATUM_NULL, rows[i].says);
            else
                CHECK(got->state == DATUM_KNOWN && datum_compare(constant.class, got, &wanted) == 0,
                      rows[i].says);
        }
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_another_machine),
        cmocka_unit_test(test_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
