#include "unit.h"

#include "row/schema_change.h"

#define FACTS                                                                                      \
    "{\"xid\": \"4294968067\", \"kind\": \"schema\", \"type\": \"table\", "                        \
    "\"name\": \"public.\\\"Odd \\u00e9\\\"\", \"change\": {\"command\": \"DROP TABLE\"}}"

static void test_facts(void **state)
{
    struct schema_change change;
    struct buf scratch;
    struct err err;

    (void)state;
    buf_init(&scratch, 1 << 20);
    assert_int_equal(schema_change_read(STR(FACTS), &scratch, &change, &err), OK);
    assert_true(change.xid == UINT64_C(4294968067));
    assert_true(str_eq(change.type, STR("table")));
    assert_true(str_eq(change.name, STR("public.\"Odd \xc3\xa9\"")));
    assert_true(str_eq(change.change, STR("{\"command\": \"DROP TABLE\"}")));
    buf_fini(&scratch);
}

static void test_refused(void **state)
{
    static const struct {
        const char *says, *facts;
    } rows[] = {
        {"nothing", ""},
        {"no object", "[]"},
        {"cut", "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\",\"change\":{}"},
        {"who is at work, and no change", "{\"xid\":\"1\",\"type\":\"t\",\"change\":{}}"},
        {"another kind", "{\"xid\":\"1\",\"kind\":\"x\",\"type\":\"t\",\"change\":{}}"},
        {"no type", "{\"xid\":\"1\",\"kind\":\"schema\",\"change\":{}}"},
        {"no change", "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\"}"},
        {"a change that is no object",
         "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\",\"change\":7}"},
        {"a transaction that is no number",
         "{\"xid\":\"x\",\"kind\":\"schema\",\"type\":\"t\",\"change\":{}}"},
        {"a name that is no string",
         "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\",\"name\":1,\"change\":{}}"},
        {"what jsonb refuses",
         "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\",\"change\":{\"a\":\"\\u0000\"}}"},
    };
    struct schema_change change;
    struct buf scratch;
    struct err err;

    (void)state;
    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (schema_change_read(str_c(rows[i].facts), &scratch, &change, &err) == OK)
            fail_msg("%s: taken", rows[i].says);
    buf_fini(&scratch);
}

static void test_size(void **state)
{
    struct schema_change change;
    struct buf facts, scratch;
    struct err err;

    (void)state;
    buf_init(&facts, 1 << 20);
    buf_init(&scratch, 1 << 20);
    buf_add_c(&facts, "{\"xid\":\"1\",\"kind\":\"schema\",\"type\":\"t\",\"change\":{\"a\":\"");
    while (facts.len + 3 < SCHEMA_CHANGE_MAX)
        buf_add_char(&facts, 'x');
    buf_add_c(&facts, "\"}}");
    assert_int_equal(schema_change_read(buf_str(&facts), &scratch, &change, &err), OK);
    buf_add_char(&facts, ' ');
    assert_int_equal(schema_change_read(buf_str(&facts), &scratch, &change, &err), FAILED);
    buf_fini(&facts);
    buf_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
