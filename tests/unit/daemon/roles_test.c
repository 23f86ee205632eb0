#include "unit.h"

#include "daemon/roles.h"

static const struct {
    const char *says, *text;
    unsigned roles; /* 0: refused */
} rows[] = {
    {"all", "all", ROLE_ALL},
    {"one", "dispatch", ROLE_DISPATCH},
    {"another", "pipeline", ROLE_PIPELINE},
    {"two, with a space", "dispatch, jobs", ROLE_DISPATCH | ROLE_JOBS},
    {"all of them by name", "jobs,dispatch,pipeline", ROLE_ALL},
    {"twice the same", "jobs,jobs", ROLE_JOBS},
    {"none", "", 0},
    {"nothing behind a comma", "dispatch,", 0},
    {"one that there is not", "dispatch,realtime", 0},
    {"upper case", "Dispatch", 0},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        unsigned roles;
        enum result result = roles_parse(str_c(rows[i].text), &roles, &err);

        if ((result == OK) != (rows[i].roles != 0) || (result == OK && roles != rows[i].roles))
            fail_msg("%s: %u", rows[i].says, roles);
    }
}

static void test_error(void **state)
{
    struct err err = {0};
    unsigned roles;

    (void)state;
    assert_int_equal(roles_parse(STR("cook,dispatch"), &roles, &err), FAILED);
    assert_string_equal(err.message,
                        "\"cook\" is no role; give all, or some of pipeline,dispatch,jobs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_error),
    };

    return cmocka_run_group_tests_name("daemon/roles", tests, NULL, NULL);
}
