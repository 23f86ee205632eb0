#include "fixture.h"

#include "cli/audit.h"
#include "cli/table.h"

static void shows_no_control_characters(void **state)
{
    static const struct {
        const char *says, *text, *shown;
    } rows[] = {
        {"a text as it is", "a \xc3\xa4 \xf0\x9f\x98\x80", "a \xc3\xa4 \xf0\x9f\x98\x80"},
        {"an escape of the terminal", "\033[2J\r\n\x7f", "?[2J???"},
        {"one of the second set",
         "\xc2\x9b"
         "2J\xc2\xa0",
         "?2J\xc2\xa0"},
        {"half a character at the end", "\xc2", "\xc2"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 1024);
        table_add_shown(&out, str_c(rows[i].text));
        check_text(rows[i].says, buf_str(&out), rows[i].shown);
        buf_fini(&out);
    }
}

static void writes_csv(void **state)
{
    static const struct {
        const char *says, *text, *field;
    } rows[] = {
        {"a plain field", "abc", "abc"},
        {"NULL is nothing", NULL, ""},
        {"the empty text is not NULL", "", "\"\""},
        {"a comma", "a,b", "\"a,b\""},
        {"quotes are doubled", "say \"x\"", "\"say \"\"x\"\"\""},
        {"a line break", "a\nb", "\"a\nb\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 1024);
        audit_add_csv(&out, rows[i].text);
        check_text(rows[i].says, buf_str(&out), rows[i].field);
        buf_fini(&out);
    }
}

static void check_version(const char *says, const char *json, bool colour, const char *wanted)
{
    json_t *version = json_loads(json, 0, NULL);
    struct buf out;

    assert_non_null(version);
    buf_init(&out, 4096);
    audit_add_version(&out, version, colour);
    check_text(says, buf_str(&out), wanted);
    buf_fini(&out);
    json_decref(version);
}

#define UPDATE                                                                                     \
    "{\"version\":2,\"time\":\"T\",\"action\":\"update\",\"user_id\":null,\"address\":\"::1\","    \
    "\"old_key\":\"1\",\"new_key\":\"2\",\"diff\":{\"a\":{\"old\":\"null\",\"new\":\"[1.00]\"}}}"

static void writes_versions(void **state)
{
    (void)state;
    check_version("what is not known is left out, another key is said", UPDATE, false,
                  "version 2  T  update  from ::1  key 1 to 2\n  - a: null\n  + a: [1.00]\n");
    check_version("in colour", UPDATE, true,
                  "version 2  T  update  from ::1  key 1 to 2\n\033[31m  - a: null\033[0m\n"
                  "\033[32m  + a: [1.00]\033[0m\n");
    check_version("a column's name cannot command the terminal",
                  "{\"version\":1,\"diff\":{\"\\u001b[2J\":{\"new\":\"\\\"\\u009b\\\"\"}}}", false,
                  "version 1\n  + ?[2J: \"?\"\n");
}

static void writes_steps(void **state)
{
    static const struct {
        const char *says, *json, *wanted;
    } rows[] = {
        {"a statement",
         "{\"place\":1,\"action\":\"insert\",\"table\":\"public.t\",\"key\":\"1\","
         "\"time\":\"T\",\"xid\":5,\"statement\":\"delete\"}",
         "\n-- 1. insert of public.t 1 at T, xid 5\ndelete;\n"},
        {"a conflict keeps its statement",
         "{\"place\":2,\"xid\":5,\"statement\":\"x\",\"conflict\":\"gone\",\"remark\":\"r\"}",
         "\n-- 2., xid 5\n-- CONFLICT: gone\n-- note: r\nx;\n"},
        {"a key cannot end its comment",
         "{\"place\":3,\"xid\":5,\"key\":\"1\\ndrop table t;\",\"problem\":\"p\\n;\"}",
         "\n-- 3. 1?drop table t;, xid 5\n-- CANNOT BE UNDONE: p?;\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *step = json_loads(rows[i].json, 0, NULL);
        struct buf out;

        assert_non_null(step);
        buf_init(&out, 4096);
        audit_add_step(&out, step);
        check_text(rows[i].says, buf_str(&out), rows[i].wanted);
        buf_fini(&out);
        json_decref(step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_no_control_characters),
        cmocka_unit_test(writes_csv),
        cmocka_unit_test(writes_versions),
        cmocka_unit_test(writes_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
