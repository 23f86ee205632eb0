#include "realtime/router.h"
#include "unit.h"

static void nothing(const struct request *request, struct answer *out)
{
    (void)request;
    (void)out;
}

static const struct route routes[] = {
    {.path = "/", .methods = METHOD_READ, .handle = nothing},
    {.path = "/a", .methods = METHOD_POST, .cors = true, .handle = nothing},
    {.path = "/a", .methods = METHOD_GET, .handle = nothing},
    {.path = "/a/*/events/*", .methods = METHOD_POST, .cors = true, .handle = nothing},
    {.path = "/*/*/*/*/*", .methods = METHOD_GET, .handle = nothing},
    {.path = "/rest/*/**", .methods = METHOD_POST, .handle = nothing},
};

static void test_finding(void **state)
{
    static const struct {
        const char *says;
        enum method method;
        const char *path;
        int route; /* -1: none */
        unsigned status;
        const char *allow;
    } rows[] = {
        {"the root", METHOD_GET, "/", 0, 0, NULL},
        {"HEAD is as good as GET", METHOD_HEAD, "/", 0, 0, NULL},
        {"no such path", METHOD_GET, "/b", -1, 404, ""},
        {"nor with any method", METHOD_OPTIONS, "/b", -1, 404, ""},
        {"two routes share a path", METHOD_POST, "/a", 1, 0, NULL},
        {"by method", METHOD_GET, "/a", 2, 0, NULL},
        {"which the others are told", METHOD_OTHER, "/a", -1, 405, "GET, POST, OPTIONS"},
        {"a preflight", METHOD_OPTIONS, "/a", -1, 204, "GET, POST, OPTIONS"},
        {"not where pages may not ask", METHOD_OPTIONS, "/", -1, 405, "GET, HEAD"},
        {"segments", METHOD_POST, "/a/room/events/shout", 3, 0, NULL},
        {"an empty one is none", METHOD_POST, "/a//events/shout", -1, 404, ""},
        {"nor is one too few", METHOD_POST, "/a/room/events", -1, 404, ""},
        {"nor one too many", METHOD_POST, "/a/room/events/shout/x", -1, 404, ""},
        {"a slash at the end", METHOD_POST, "/a/", -1, 404, ""},
        {"a path without one", METHOD_GET, "", -1, 404, ""},
        {"more parts than there is room for", METHOD_GET, "/1/2/3/4/5", -1, 404, ""},
        {"the rest of a path", METHOD_POST, "/rest/a/b//c", 5, 0, NULL},
        {"is never empty", METHOD_POST, "/rest/a/", -1, 404, ""},
        {"a star is no star in a path", METHOD_POST, "/a/*/events/*", 3, 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str parts[ROUTE_PARTS];
        char allow[ALLOW_TEXT];
        unsigned status;
        const struct route *route = router_find(routes, COUNT(routes), rows[i].method,
                                                str_c(rows[i].path), parts, &status, allow);

        CHECK(route == (rows[i].route < 0 ? NULL : &routes[rows[i].route]), rows[i].says);
        if (!route) {
            CHECK(status == rows[i].status, rows[i].says);
            CHECK_STR(str_c(allow), str_c(rows[i].allow), rows[i].says);
        }
    }
}

static void test_parts(void **state)
{
    struct str parts[ROUTE_PARTS];
    char allow[ALLOW_TEXT];
    unsigned status;

    (void)state;
    assert_ptr_equal(router_find(routes, COUNT(routes), METHOD_POST,
                                 STR("/a/my room/events/sh\xc3\xb6ut"), parts, &status, allow),
                     &routes[3]);
    CHECK_STR(parts[0], STR("my room"), "the first");
    CHECK_STR(parts[1], STR("sh\xc3\xb6ut"), "the second");
    CHECK(parts[2].len == 0 && parts[3].len == 0, "and no more");
}

static void test_accepts(void **state)
{
    static const struct {
        const char *says, *type;
        bool taken;
    } rows[] = {
        {"itself", "application/json", true},
        {"with parameters", "application/json; charset=utf-8", true},
        {"in any case", "Application/JSON", true},
        {"not another", "text/plain", false},
        {"nor one that begins like it", "application/json-patch+json", false},
        {"nor none", "", false},
    };
    const struct route any = {.path = "/"}, json = {.path = "/", .accepts = MEDIA_JSON};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CHECK(route_accepts(&json, str_c(rows[i].type)) == rows[i].taken, rows[i].says);
        CHECK(route_accepts(&any, str_c(rows[i].type)), rows[i].says);
    }
}

static void test_query(void **state)
{
    static const struct {
        const char *query, *name, *value; /* NULL: there is none */
    } rows[] = {
        {"private=true", "private", "true"},
        {"a=1&private=x=y&b", "private", "x=y"},
        {"a=1&b", "b", ""},
        {"a=1&b", "c", NULL},
        {"", "", NULL},
        {"privates=1", "private", NULL},
        {"a=1&a=2", "a", "1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str value;

        CHECK(query_get(str_c(rows[i].query), str_c(rows[i].name), &value) ==
                  (rows[i].value != NULL),
              rows[i].query);
        CHECK_STR(value, str_c(rows[i].value), rows[i].query);
    }
}

static void expect_body(struct answer *answer, const char *want)
{
    CHECK_STR(str_from((char *)frame_payload(answer->body), answer->body->len), str_c(want), want);
}

static void test_answers(void **state)
{
    struct answer answer = {0};

    (void)state;
    answer_with(&answer, 200, MEDIA_TEXT, STR("x"));
    answer_error(&answer, 401, "InvalidApiKey: No \"such\" key: none");
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer.type, MEDIA_JSON);
    expect_body(&answer, "{\"error\":\"InvalidApiKey\",\"message\":\"No \\\"such\\\" key: none\"}");
    answer_error(&answer, 500, "odd");
    expect_body(&answer, "{\"error\":\"Error\",\"message\":\"odd\"}");
    answer_empty(&answer, 202);
    assert_null(answer.body);
    answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_accepts), cmocka_unit_test(test_query),
        cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
