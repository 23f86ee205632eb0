#include "access.h"
#include "fixture.h"
#include "realtime/policies.h"
#include "realtime/session.h"

#include <jansson.h>

static struct binding *follow(struct hub *hub, const struct session *session, const char *schema,
                              const char *table)
{
    json_t *object = json_pack("{s:s,s:s}", "schema", schema, "table", table);
    struct binding *out;
    struct err err;

    if (binding_read(object, &out, &err) != OK)
        fail_msg("%s", err.message);
    json_decref(object);
    hub_add(hub, out, session);
    return out;
}

static void leave(struct hub *hub, struct binding *binding)
{
    hub_remove(hub, binding);
    binding_free(binding);
}

static const struct session anon = {.role = (char *)(uintptr_t) "anon"};
static const struct session user = {.role = (char *)(uintptr_t) "authenticated"};

/* What is known is shown by its print, and comes back only if it is another by now. */
static void test_rounds(void **state)
{
    struct hub *hub = hub_new();
    struct binding *bindings[] = {follow(hub, &anon, "public", "t"),
                                  follow(hub, &user, "public", "t"), follow(hub, &user, "*", "*"),
                                  follow(hub, &anon, "a\"b", "c")};
    struct policies *policies = policies_new();
    struct table_access *first;

    (void)state;
    policies_begin(policies);
    assert_true(policies_want(policies, hub, STR("public"), STR("t")));
    assert_true(policies_want(policies, hub, STR("public"), STR("t")));
    assert_true(policies_want(policies, hub, STR("a\"b"), STR("c")));
    check_text("nothing is known yet", policies_question(policies),
               "[{\"schema\":\"public\",\"table\":\"t\",\"roles\":[[\"anon\",null],"
               "[\"authenticated\",null]]},{\"schema\":\"a\\\"b\",\"table\":\"c\",\"roles\":["
               "[\"anon\",null],[\"authenticated\",null]]}]");
    assert_null(policies_find(policies, STR("public"), STR("t"), STR("anon")));
    policies_learn(policies, 0, STR("p0"), STR(FACTS_ALL));
    policies_learn(policies, 1, STR("p1"), STR(FACTS_NONE));
    policies_learn(policies, 99, STR("p1"), STR(FACTS_NONE)); /* nobody asked */
    first = policies_find(policies, STR("public"), STR("t"), STR("anon"));
    assert_int_equal(first->kind, ACCESS_ALL);
    assert_int_equal(policies_find(policies, STR("public"), STR("t"), STR("authenticated"))->kind,
                     ACCESS_NONE);
    assert_null(policies_find(policies, STR("a\"b"), STR("c"), STR("anon")));
    assert_null(policies_find(policies, STR("public"), STR("t"), STR("nobody")));
    assert_null(policies_find(policies, STR("public"), STR("u"), STR("anon")));

    policies_begin(policies);
    assert_null(policies_find(policies, STR("public"), STR("t"), STR("anon")));
    policies_want(policies, hub, STR("public"), STR("t"));
    check_text("shown by the print", policies_question(policies),
               "[{\"schema\":\"public\",\"table\":\"t\",\"roles\":[[\"anon\",\"p0\"],"
               "[\"authenticated\",\"p1\"]]}]");
    policies_learn(policies, 1, STR("p2"), STR(FACTS_ALL));
    assert_ptr_equal(policies_find(policies, STR("public"), STR("t"), STR("anon")), first);
    assert_int_equal(policies_find(policies, STR("public"), STR("t"), STR("authenticated"))->kind,
                     ACCESS_ALL);
    for (size_t i = 0; i < COUNT(bindings); i++)
        leave(hub, bindings[i]);
    policies_free(policies);
    hub_free(hub);
}

/* Without an answer nothing is known of what was asked, and the next question shows no print. */
static void test_doubt(void **state)
{
    struct hub *hub = hub_new();
    struct binding *binding = follow(hub, &anon, "public", "t");
    struct policies *policies = policies_new();

    (void)state;
    for (int i = 0; i < 2; i++) {
        policies_begin(policies);
        policies_want(policies, hub, STR("public"), STR("t"));
        check_text("no print", policies_question(policies),
                   "[{\"schema\":\"public\",\"table\":\"t\",\"roles\":[[\"anon\",null]]}]");
        policies_learn(policies, 0, STR("p0"), STR(FACTS_ALL));
        policies_doubt(policies);
        assert_null(policies_find(policies, STR("public"), STR("t"), STR("anon")));
    }
    leave(hub, binding);
    policies_free(policies);
    hub_free(hub);
}

/* A question has an end, and so has what is kept. */
static void test_bounds(void **state)
{
    struct hub *hub = hub_new();
    struct binding *binding = follow(hub, &anon, "*", "*");
    struct policies *policies = policies_new();
    size_t most = 0;
    char table[32];

    (void)state;
    for (int round = 0, i = 0; round < 20; round++) {
        size_t count = 0;

        policies_begin(policies);
        for (;; i++, count++) {
            snprintf(table, sizeof(table), "t%d", i);
            if (!policies_want(policies, hub, STR("public"), str_c(table)))
                break;
        }
        most = count > most ? count : most;
        assert_true(count > 0);
        policies_learn(policies, 0, STR("p"), STR(FACTS_ALL));
    }
    assert_true(most <= 256);
    leave(hub, binding);
    policies_free(policies);
    hub_free(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
