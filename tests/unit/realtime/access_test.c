#include "access.h"

static void test_kinds(void **state)
{
    static const struct {
        const char *says, *facts;
        enum access_kind kind;
        bool rls;
        size_t hidden;
    } rows[] = {
        {"there is no such table", "", ACCESS_NONE, true, 0},
        {"no policies", FACTS_ALL, ACCESS_ALL, false, 0},
        {"no grant", FACTS_NONE, ACCESS_NONE, true, 1},
        {"some columns",
         "{\"rls\":false,\"sent\":[],\"refused\":null,\"readable\":true,\"hidden\":[\"a\",\"b\"],"
         "\"judged\":false}",
         ACCESS_ALL, false, 2},
        {"a role that may not be taken",
         "{\"rls\":true,\"refused\":\"42501 x\",\"readable\":false,"
         "\"hidden\":null,\"judged\":false}",
         ACCESS_ASK, true, 0},
        {"columns that are none",
         "{\"rls\":true,\"sent\":[],\"refused\":null,\"readable\":true,\"hidden\":[1],"
         "\"judged\":false}",
         ACCESS_ASK, true, 0},
        {"nothing said of what is sent",
         "{\"rls\":false,\"refused\":null,\"readable\":true,\"hidden\":null,\"judged\":false}",
         ACCESS_ASK, false, 0},
        {"nothing said", "{}", ACCESS_ASK, true, 0},
        {"no object", "[]", ACCESS_ASK, true, 0},
        {"no JSON", "{", ACCESS_ASK, true, 0},
        {"nothing said of the right",
         "{\"rls\":true,\"refused\":null,\"readable\":null,\"judged\":false}", ACCESS_ASK, true, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct table_access *access = access_read(str_c(rows[i].facts));

        CHECK(access->kind == rows[i].kind, rows[i].says);
        CHECK(access->rls == rows[i].rls, rows[i].says);
        CHECK(access->hidden.count == rows[i].hidden, rows[i].says);
        CHECK(!access->policy, rows[i].says);
        access_unref(access);
    }
}

static void test_judged(void **state)
{
    struct table_access *access = judged_access(N_OWN);

    (void)state;
    assert_int_equal(access->kind, ACCESS_JUDGED);
    assert_true(names_has(&access->hidden, STR("secret")));
    assert_true(policy_is_clear(access->policy));
    assert_int_equal(policy_key_count(access->policy), 1);
    access_unref(access_ref(access));
    access_unref(access);
}

static void test_sent(void **state)
{
    static const struct {
        const char *sent;
        unsigned bits;
    } rows[] = {
        {"[]", 0},
        {"[\"INSERT\"]", 1u << CHANGE_INSERT},
        {"[\"DELETE\",\"UPDATE\"]", 1u << CHANGE_UPDATE | 1u << CHANGE_DELETE},
        {"[\"TRUNCATE\",1]", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct table_access *access;
        struct buf facts;

        buf_init(&facts, 1024);
        buf_addf(&facts,
                 "{\"rls\":false,\"sent\":%s,\"refused\":null,\"readable\":true,\"hidden\":null,"
                 "\"judged\":false}",
                 rows[i].sent);
        access = access_read(buf_str(&facts));
        assert_int_equal(access->kind, ACCESS_ALL);
        CHECK(access->sent == rows[i].bits, rows[i].sent);
        access_unref(access);
        buf_fini(&facts);
    }
}

/* Constants are bytes in the order of the server's processor. */
static void test_machines(void **state)
{
    static const struct {
        const char *machine;
        bool clear;
    } rows[] = {
        {MACHINE, true},
        {"PostgreSQL 17.2 on aarch64-unknown-linux-gnu, compiled by clang, 64-bit", true},
        {"PostgreSQL 15.3 on s390x-ibm-linux-gnu, compiled by gcc, 64-bit", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *facts = judged_facts(N_TRUE), *at = strstr(facts, MACHINE);
        struct table_access *access;
        struct buf text;

        buf_init(&text, 65536);
        buf_add(&text, facts, (size_t)(at - facts));
        buf_add_c(&text, rows[i].machine);
        buf_add_c(&text, at + sizeof(MACHINE) - 1);
        access = access_read(buf_str(&text));
        CHECK(policy_is_clear(access->policy) == rows[i].clear, rows[i].machine);
        access_unref(access);
        buf_fini(&text);
        free(facts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_judged),
        cmocka_unit_test(test_sent),
        cmocka_unit_test(test_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
