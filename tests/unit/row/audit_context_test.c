#include "unit.h"

#include "row/audit_context.h"

static struct buf scratch;

static int set_up(void **state)
{
    (void)state;
    buf_init(&scratch, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&scratch);
    return 0;
}

static void test_fields(void **state)
{
    struct audit_context context;
    struct err err = {0};

    (void)state;
    assert_int_equal(audit_context_read(
                         STR("{\"xid\": \"4294967298\", \"actor\": \"a\", \"role\": \"b\\\"c\\n\", "
                             "\"user_agent\": \"h\\u00e9\", \"application\": \"{\\\"k\\\": 1}\", "
                             "\"read\": true, \"later\": [1, {}]}"),
                         &scratch, &context, &err),
                     OK);
    assert_true(context.xid == UINT64_C(4294967298));
    CHECK_STR(context.actor, STR("a"), "plain text");
    CHECK_STR(context.role, STR("b\"c\n"), "escapes are undone");
    CHECK_STR(context.user_agent, STR("h\xc3\xa9"), "as UTF-8");
    CHECK_STR(context.application, STR("{\"k\": 1}"), "what the application says is text");
    CHECK_STR(context.path, STR(""), "what is not said is empty");
    assert_true(context.is_read);
}

static void test_refused(void **state)
{
    static const struct {
        const char *says, *facts;
    } rows[] = {
        {"nothing", ""},
        {"no object", "[]"},
        {"cut", "{\"actor\":\"a\""},
        {"something behind it", "{}{}"},
        {"a number where text belongs", "{\"actor\":1}"},
        {"a null where text belongs", "{\"role\":null}"},
        {"an xid that is no number", "{\"xid\":\"-1\"}"},
        {"an xid as a number", "{\"xid\":7}"},
        {"a lone surrogate", "{\"actor\":\"\\ud800\"}"},
        {"a NUL", "{\"actor\":\"\\u0000\"}"},
        {"no UTF-8", "{\"actor\":\"\xff\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct audit_context context;
        struct err err = {0};

        if (audit_context_read(str_c(rows[i].facts), &scratch, &context, &err) == OK)
            fail_msg("%s: taken", rows[i].says);
    }
}

static void test_too_large(void **state)
{
    struct audit_context context;
    struct err err = {0};
    struct buf facts;

    (void)state;
    buf_init(&facts, AUDIT_CONTEXT_MAX + 1);
    buf_add_c(&facts, "{\"path\":\"");
    while (facts.len < AUDIT_CONTEXT_MAX - 2)
        buf_add_char(&facts, 'p');
    buf_add_c(&facts, "\"}");
    assert_int_equal(audit_context_read(buf_str(&facts), &scratch, &context, &err), OK);
    buf_add_char(&facts, ' ');
    assert_int_equal(audit_context_read(buf_str(&facts), &scratch, &context, &err), FAILED);
    buf_fini(&facts);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_fields), TEST(test_refused), TEST(test_too_large)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
