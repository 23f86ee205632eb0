#include "unit.h"

#include "row/compare.h"

#define BEYOND 99 /* no number, or not to be compared */

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void compares_decimals(void **state)
{
    static const struct row {
        const char *a, *b;
        int order;
    } rows[] = {
        {"1", "1", 0},
        {"1", "2", -1},
        {"10", "9", 1},
        {"1.0", "1", 0},
        {"1.50", "1.5", 0},
        {"1.05", "1.5", -1},
        {"007", "7", 0},
        {"0", "0.000", 0},
        {"-0", "0", 0},
        {"-0.0", "0e5", 0},
        {"-1", "1", -1},
        {"-2", "-1", -1},
        {"-0.5", "0", -1},
        {"0", "0.0001", -1},
        {".5", "0.5", 0},
        {"5.", "5", 0},
        {"+5", "5", 0},
        {" 5 ", "5", 0},
        {"1e3", "1000", 0},
        {"1E+3", "1000.0", 0},
        {"12e-1", "1.2", 0},
        {"0.001e3", "1", 0},
        {"123e-5", "0.00123", 0},
        {"1e-400", "0", 1},
        {"1e400", "1e399", 1},
        {"9007199254740993", "9007199254740992", 1},
        {"1234567890123456789.0123456789", "1234567890123456789.0123456788", 1},
        {"99999999999999999999999999999999999999999", "1e41", -1},
        {"NaN", "NaN", 0},
        {"NaN", "Infinity", 1},
        {"infinity", "1e131000", 1},
        {"inf", "Infinity", 0},
        {"-Infinity", "-1e131000", -1},
        {"-inf", "inf", -1},
        {"abc", "1", BEYOND},
        {"", "1", BEYOND},
        {"-", "1", BEYOND},
        {".", "1", BEYOND},
        {"1.2.3", "1", BEYOND},
        {"1e", "1", BEYOND},
        {"1e+", "1", BEYOND},
        {"1e99999999999", "1", BEYOND},
        {"0x10", "1", BEYOND},
        {"1 2", "1", BEYOND},
        {"--1", "1", BEYOND},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct decimal a = decimal_parse(str_c(r->a)), b = decimal_parse(str_c(r->b));

            if (r->order == BEYOND) {
                CHECK(a.kind == DECIMAL_NONE, r->a);
                continue;
            }
            CHECK(a.kind != DECIMAL_NONE && b.kind != DECIMAL_NONE, r->a);
            CHECK(sign(decimal_cmp(&a, &b)) == r->order, r->a);
            CHECK(sign(decimal_cmp(&b, &a)) == -r->order, r->b);
        }
}

static void reads_bools(void **state)
{
    static const struct row {
        const char *s;
        bool good, value;
    } rows[] = {
        {"true", true, true}, {"t", true, true},   {"TRUE", true, true},    {"yes", true, true},
        {"on", true, true},   {"1", true, true},   {"false", true, false},  {"f", true, false},
        {"no", true, false},  {"of", true, false}, {"off", true, false},    {"0", true, false},
        {"o", false, false},  {"", false, false},  {"truex", false, false}, {"2", false, false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            bool value = false;

            CHECK(bool_parse(str_c(r->s), &value) == r->good, r->s);
            CHECK(value == r->value, r->s);
        }
}

static void reads_instants(void **state)
{
    static const struct row {
        const char *says, *s;
        bool ignore_zone, good;
        int64_t us;
    } rows[] = {
        {"with a zone", "1970-01-01 01:00:00+01", false, true, 0},
        {"without: UTC", "1970-01-01 00:00:01", false, true, 1000000},
        {"a date", "1970-01-02", false, true, INT64_C(86400000000)},
        {"a zone that the type does not know", "1970-01-01 01:00:00+01", true, true,
         INT64_C(3600000000)},
        {"west", "1970-01-01T01:00:00.5-05", true, true, INT64_C(3600500000)},
        {"infinity", "infinity", false, true, INT64_MAX},
        {"minus infinity", "-Infinity", true, true, INT64_MIN},
        {"no time", "yesterday", false, false, 0},
        {"nothing", "", false, false, 0},
        {"very long", "1970-01-01 00:00:00.00000000000000000000000000000000000000000000000000",
         false, false, 0},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            int64_t us = 0;

            CHECK(instant_parse(str_c(r->s), r->ignore_zone, &us) == r->good, r->says);
            CHECK(!r->good || us == r->us, r->says);
        }
}

static const struct type number = {.kind = TYPE_NUMBER, .name = STR("numeric")};
static const struct type boolean = {.kind = TYPE_BOOL, .name = STR("bool")};
static const struct type timestamptz = {.kind = TYPE_TIMESTAMPTZ, .name = STR("timestamptz")};
static const struct type timestamp = {.kind = TYPE_TIMESTAMP, .name = STR("timestamp")};
static const struct type text = {.kind = TYPE_STRING, .name = STR("text")};
static const struct type uuid = {.kind = TYPE_STRING, .name = STR("uuid")};
static const struct type bpchar = {.kind = TYPE_STRING, .name = STR("bpchar")};

static void compares_by_type(void **state)
{
    static const struct row {
        const char *says;
        const struct type *type;
        const char *value, *operand;
        int order;
    } rows[] = {
        {"numbers by value", &number, "10", "9.50", 1},
        {"a number with a word cannot be compared", &number, "10", "abc", BEYOND},
        {"nor a word with a number", &number, "abc", "10", BEYOND},
        {"booleans by meaning", &boolean, "true", "yes", 0},
        {"false comes first", &boolean, "false", "t", -1},
        {"a boolean with a word", &boolean, "true", "maybe", BEYOND},
        {"instants in different zones", &timestamptz, "2026-01-01 12:00:00+00",
         "2026-01-01T14:00:00+02:00", 0},
        {"instants by time", &timestamptz, "2026-01-02 00:00:00+00", "2026-01-01 23:59:59+00", 1},
        {"before infinity", &timestamptz, "2026-01-02 00:00:00+00", "infinity", -1},
        {"a timestamp does not know the zone", &timestamp, "2026-01-01 12:00:00",
         "2026-01-01T12:00:00+02:00", 0},
        {"what is no instant is compared as text", &timestamptz, "0044-03-15 00:00:00+00 BC",
         "0044-03-15 00:00:00+00 BC", 0},
        {"text by bytes", &text, "B", "a", -1},
        {"text of digits is text", &text, "10", "9", -1},
        {"white space counts in text", &text, "a ", "a", 1},
        {"but not at the end of character(n)", &bpchar, "a   ", "a", 0},
        {"a uuid in capitals", &uuid, "00112233-4455-6677-8899-aabbccddeeff",
         "00112233-4455-6677-8899-AABBCCDDEEFF", 0},
        {"text in capitals", &text, "00112233-4455-6677-8899-aabbccddeeff",
         "00112233-4455-6677-8899-AABBCCDDEEFF", 1},
        {"an unknown type: text", NULL, "b", "a", 1},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct operand operand;
            int order = 0;
            bool compared;

            operand_init(&operand, str_c(r->operand));
            compared = operand_compare(str_c(r->value), false, r->type, &operand, &order);
            CHECK(compared == (r->order != BEYOND), r->says);
            CHECK(!compared || sign(order) == r->order, r->says);
        }
}

static void guesses_literals(void **state)
{
    struct operand operand;
    int order = 1;

    (void)state;
    operand_init(&operand, STR("5.0"));
    CHECK(operand_compare(STR("5"), true, NULL, &operand, &order) && order == 0,
          "a literal of an unknown type is a number");
    operand_init(&operand, STR("t"));
    CHECK(operand_compare(STR("true"), true, NULL, &operand, &order) && order == 0, "or a boolean");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_decimals), cmocka_unit_test(reads_bools),
        cmocka_unit_test(reads_instants),    cmocka_unit_test(compares_by_type),
        cmocka_unit_test(guesses_literals),
    };

    return cmocka_run_group_tests_name("row/compare", tests, NULL, NULL);
}
