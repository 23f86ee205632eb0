#include "unit.h"

#include "base/json.h"
#include "row/template.h"

static const struct column now[] = {
    {STR("name"), 25, VALUE_ESCAPED, STR("a \\\"b\\\"\\n")},
    {STR("plain"), 25, VALUE_TEXT, STR("x \"y\"\\")},
    {STR("size"), 20, VALUE_LITERAL, STR("9007199254740993")},
    {STR("nothing"), 25, VALUE_NULL, {0}},
    {STR("na.me"), 25, VALUE_TEXT, STR("dotted")},
};
static const struct column before[] = {
    {STR("name"), 25, VALUE_ESCAPED, STR("old")}, {STR("plain"), 25, VALUE_TEXT, STR("old")},
    {STR("size"), 20, VALUE_LITERAL, STR("1")},   {STR("nothing"), 25, VALUE_NULL, {0}},
    {STR("na.me"), 25, VALUE_TEXT, STR("old")},   {STR("toast"), 25, VALUE_TEXT, STR("long")},
};
static const struct change update = {.kind = CHANGE_UPDATE,
                                     .schema = STR("public"),
                                     .table = STR("files"),
                                     .commit_lsn = 0x100000002,
                                     .record = {now, COUNT(now)},
                                     .identity = {before, COUNT(before)}};
static const struct change gone = {.kind = CHANGE_DELETE,
                                   .schema = STR("my \"app\""),
                                   .table = STR("files"),
                                   .identity = {before, COUNT(before)}};

static void renders(void **state)
{
    static const struct row {
        const char *says;
        const struct change *change;
        const char *text, *plain, *json;
    } rows[] = {
        {"no text", &update, "", "", ""},
        {"no placeholder", &update, "hello", "hello", "hello"},
        {"a value", &update, "{{new.name}}", "a \"b\"\n", "a \\\"b\\\"\\n"},
        {"text around it", &update, "<{{new.size}}>", "<9007199254740993>", "<9007199254740993>"},
        {"white space inside", &update, "{{  new.size\t}}", "9007199254740993", "9007199254740993"},
        {"plain text is escaped for JSON", &update, "{{new.plain}}", "x \"y\"\\",
         "x \\\"y\\\"\\\\"},
        {"one after the other", &update, "{{old.name}}{{new.size}}", "old9007199254740993",
         "old9007199254740993"},
        {"NULL gives nothing", &update, "[{{new.nothing}}]", "[]", "[]"},
        {"so does an unknown column", &update, "[{{new.nosuch}}]", "[]", "[]"},
        {"a TOASTed value that did not change", &update, "{{new.toast}}", "long", "long"},
        {"a dot in the name", &update, "{{new.na.me}}", "dotted", "dotted"},
        {"the table", &update, "{{schema}}/{{table}}", "public/files", "public/files"},
        {"the event", &update, "{{event}}", "files.update", "files.update"},
        {"the position", &update, "{{commit_lsn}}", "1/2", "1/2"},
        {"the event outside public", &gone, "{{event}}", "my \"app\".files.delete",
         "my \\\"app\\\".files.delete"},
        {"after a DELETE there is no new row", &gone, "[{{new.name}}]", "[]", "[]"},
        {"but an old one", &gone, "{{old.name}}", "old", "old"},
        {"single braces are text", &update, "{a} }} {", "{a} }} {", "{a} }} {"},
        {"in a document of JSON", &update, "{\"a\":{\"b\":\"{{new.name}}\"}}",
         "{\"a\":{\"b\":\"a \"b\"\n\"}}", "{\"a\":{\"b\":\"a \\\"b\\\"\\n\"}}"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct template *t;
            struct buf out;

            buf_init(&out, 1000);
            if (template_parse(str_c(r->text), &t, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            template_render(&out, t, r->change);
            CHECK_STR(buf_str(&out), str_c(r->plain), r->says);
            buf_clear(&out);
            template_render_json(&out, t, r->change);
            CHECK_STR(buf_str(&out), str_c(r->json), r->says);
            template_free(t);
            buf_fini(&out);
        }
}

static void refuses(void **state)
{
    static const struct row {
        const char *says, *text, *error;
    } rows[] = {
        {"not closed", "a {{new.name", "\"{{new.name\" in the template is not closed"},
        {"closed by one brace", "a {{new.name}", "not closed"},
        {"an unknown word", "{{user}}",
         "unknown placeholder {{user}} in the template; allowed: {{new"},
        {"an unknown row", "{{row.name}}", "unknown placeholder {{row.name}}"},
        {"no column", "{{new.}}", "unknown placeholder {{new.}}"},
        {"no dot", "{{new}}", "unknown placeholder {{new}}"},
        {"nothing", "{{ }}", "unknown placeholder {{}}"},
        {"code", "{{#if new.x}}", "unknown placeholder"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct template *t;

            CHECK(template_parse(str_c(r->text), &t, &err) == FAILED, r->says);
            CHECK(t == NULL, r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
        }
}

static void has_limits(void **state)
{
    char *text = malloc(TEMPLATE_MAX_BYTES + 1);
    struct template *t;
    struct err err;

    (void)state;
    memset(text, 'a', TEMPLATE_MAX_BYTES + 1);
    CHECK(template_parse(str_from(text, TEMPLATE_MAX_BYTES), &t, &err) == OK, "the longest");
    template_free(t);
    CHECK(template_parse(str_from(text, TEMPLATE_MAX_BYTES + 1), &t, &err) == FAILED, "one more");
    CHECK(t == NULL, "nothing is left");
    template_free(NULL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders),
        cmocka_unit_test(refuses),
        cmocka_unit_test(has_limits),
    };

    return cmocka_run_group_tests_name("row/template", tests, NULL, NULL);
}
