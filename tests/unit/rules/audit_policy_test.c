#include "fixture.h"

#include "rules/audit_policy.h"

static enum result parse(const char *json, struct audit_policy **out, struct err *err)
{
    struct rule_row *row;
    enum result result;

    if (rule_row_parse(str_c(json), &row, err) != OK)
        fail_msg("%s: %s", json, err->message);
    result = audit_policy_parse(row, out, err);
    rule_row_free(row);
    return result;
}

static const struct {
    const char *says;
    const char *table_name;
    const char *resource;
    unsigned fit;
} fits[] = {
    {"a table by its name", "public.notes", "public.notes", 3},
    {"another table", "public.notes", "public.note", 0},
    {"the table of that name in another schema", "public.notes", "app.notes", 0},
    {"every table of a schema", "public.*", "public.notes", 2},
    {"but not of one whose name begins so", "public.*", "public2.notes", 0},
    {"every table", "*", "app.things", 1},
    {"case matters, as in PostgreSQL", "public.Notes", "public.notes", 0},
    {"a star elsewhere is no pattern", "public.no*", "public.notes", 0},
};

static void test_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fits); i++) {
        struct audit_policy policy = {.table_name = (char *)(uintptr_t)fits[i].table_name};
        unsigned fit = audit_policy_fit(&policy, str_c(fits[i].resource));

        if (fit != fits[i].fit)
            fail_msg("%s: %u", fits[i].says, fit);
    }
}

static void test_parse(void **state)
{
    struct audit_policy *policy;
    struct err err = {0};

    (void)state;
    assert_int_equal(
        parse("{\"table_name\":\"public.notes\",\"is_enabled\":false,"
              "\"redact\":[\"pin\"],\"ignore\":[\"seen_at\",\"x\"],\"hash\":[\"phone\"],"
              "\"hash_secret\":\"s\",\"only_if_changed\":true}",
              &policy, &err),
        OK);
    assert_string_equal(policy->table_name, "public.notes");
    assert_false(policy->is_enabled);
    assert_int_equal(policy->redact.count, 1);
    assert_int_equal(policy->ignore.count, 2);
    assert_int_equal(policy->hash.count, 1);
    assert_string_equal(policy->hash_secret, "s");
    assert_true(policy->only_if_changed);
    audit_policy_free(policy);

    assert_int_equal(parse("{\"table_name\":\"*\"}", &policy, &err), OK);
    assert_true(policy->is_enabled);
    assert_int_equal(policy->redact.count + policy->ignore.count + policy->hash.count, 0);
    assert_string_equal(policy->hash_secret, "");
    assert_false(policy->only_if_changed);
    audit_policy_free(policy);
}

static void test_refused(void **state)
{
    static const struct {
        const char *json;
        const char *message;
    } rows[] = {
        {"{\"table_name\":\"*\",\"redact\":\"pin\"}", "column redact: expected a list of texts"},
        {"{\"table_name\":\"*\",\"hash\":7}", "column hash: expected a list of texts"},
        {"{\"table_name\":\"*\",\"ignore\":[null]}", "column ignore: element 1 is no text"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct audit_policy *policy;
        struct err err = {0};

        assert_int_equal(parse(rows[i].json, &policy, &err), FAILED);
        assert_null(policy);
        assert_string_equal(err.message, rows[i].message);
        audit_policy_free(policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
