#include "fixture.h"

#include "rules/rule_row.h"

static struct rule_row *parse(const char *json)
{
    struct rule_row *row;
    struct err err = {0};

    if (rule_row_parse(str_c(json), &row, &err) != OK)
        fail_msg("%s: %s", json, err.message);
    return row;
}

static void test_refused(void **state)
{
    static const struct {
        const char *says;
        struct str json;
    } rows[] = {
        {"nothing", STR("")},
        {"no JSON", STR("{")},
        {"a list", STR("[]")},
        {"two keys of one name: which one was meant?", STR("{\"a\":1,\"a\":2}")},
        {"something behind it", STR("{} x")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rule_row *row;
        struct err err = {0};

        if (rule_row_parse(rows[i].json, &row, &err) == OK)
            fail_msg("taken: %s", rows[i].says);
        assert_null(row);
        assert_non_null(strstr(err.message, "the row is no JSON"));
        rule_row_free(row);
    }
}

static void test_values(void **state)
{
    struct rule_row *row = parse("{\"text\":\"a\\\"b\",\"null\":null,\"yes\":true,\"no\":false,"
                                 "\"number\":1,\"json\":{\"b\":[1, 2.50]}}");
    char *json;

    (void)state;
    check_text("text, unescaped", rule_row_text(row, "text"), "a\"b");
    check_text("NULL is the empty text", rule_row_text(row, "null"), "");
    check_text("a number is no text", rule_row_text(row, "number"), "");
    check_text("a column that is not there", rule_row_text(row, "none"), "");
    assert_true(rule_row_bool(row, "yes", false));
    assert_false(rule_row_bool(row, "no", true));
    assert_true(rule_row_bool(row, "null", true)); /* the column's default */
    assert_true(rule_row_bool(row, "none", true));
    assert_false(rule_row_bool(row, "number", false));
    json = rule_row_json(row, "json");
    assert_string_equal(json, "{\"b\":[1,2.5]}");
    free(json);
    assert_null(rule_row_json(row, "null"));
    assert_null(rule_row_json(row, "none"));
    rule_row_free(row);
}

static void test_lists(void **state)
{
    static const struct {
        const char *says;
        const char *json;
        bool good;
        size_t count;
    } rows[] = {
        {"two patterns", "{\"l\":[\"a\",\"b\"]}", true, 2},
        {"an empty list", "{\"l\":[]}", true, 0},
        {"NULL is an empty list", "{\"l\":null}", true, 0},
        {"so is a column that is not there", "{}", true, 0},
        {"a text is no list", "{\"l\":\"a\"}", false, 0},
        {"an element that is NULL", "{\"l\":[\"a\",null]}", false, 0},
        {"an element that is a number", "{\"l\":[1]}", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rule_row *row = parse(rows[i].json);
        struct rule_list list;
        struct err err = {0};
        bool good = rule_row_list(row, "l", &list, &err) == OK;

        if (good != rows[i].good || list.count != rows[i].count)
            fail_msg("%s: %s", rows[i].says, err.message);
        if (!good)
            assert_non_null(strstr(err.message, "column l: "));
        if (list.count == 2) {
            assert_true(rule_list_has(&list, STR("b")));
            assert_false(rule_list_has(&list, STR("c")));
        }
        rule_list_fini(&list);
        rule_row_free(row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
