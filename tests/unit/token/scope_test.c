#include "token/scope.h"
#include "unit.h"

#define USES (SCOPE_REALTIME | SCOPE_BROADCAST | SCOPE_TOKEN | SCOPE_ADMIN)

static void test_parse(void **state)
{
    static const struct {
        const char *says, *json;
        bool sane;
        unsigned set;
    } rows[] = {
        {"no scope at all is still a key", "[]", true, SCOPE_KEY},
        {"one", "[\"realtime\"]", true, SCOPE_KEY | SCOPE_REALTIME},
        {"several", "[\"admin\",\"token\",\"broadcast\"]", true,
         SCOPE_KEY | SCOPE_ADMIN | SCOPE_TOKEN | SCOPE_BROADCAST},
        {"words of the application mean nothing here", "[\"memories:read\",\"admin:jobs\",\"\"]",
         true, SCOPE_KEY},
        {"letter by letter", "[\"Realtime\",\"realtime \",\"real\"]", true, SCOPE_KEY},
        {"a role is no use", "[\"service_role\"]", true, SCOPE_KEY | SCOPE_IS_SERVICE_ROLE},
        {"a star is every use", "[\"*\"]", true, SCOPE_KEY | USES | SCOPE_IS_EVERYTHING},
        {"a null among them", "[null]", false, SCOPE_KEY},
        {"no list", "\"realtime\"", false, SCOPE_KEY},
        {"no JSON", "{realtime}", false, SCOPE_KEY},
        {"nothing", "", false, SCOPE_KEY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned set = 0;

        CHECK(scopes_parse(str_c(rows[i].json), &set) == rows[i].sane, rows[i].says);
        CHECK(!rows[i].sane || set == rows[i].set, rows[i].says);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(scope_name(SCOPE_REALTIME), "realtime");
    assert_string_equal(scope_name(SCOPE_BROADCAST), "broadcast");
    assert_string_equal(scope_name(SCOPE_TOKEN), "token");
    assert_string_equal(scope_name(SCOPE_ADMIN), "admin");
    assert_string_equal(scope_name(SCOPE_KEY), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
