/* A template of a notification, filled in from a row with every form of value. */
#include "fuzz.h"

#include "base/json.h"
#include "row/template.h"

#define MAX_OUT ((size_t)64 << 20)

static bool has_braces(struct str text)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.data[i] == '{' && text.data[i + 1] == '{')
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct column columns[] = {
        {STR("text"), 25, VALUE_ESCAPED, STR("a\\\"b\\\\c\\n\xc3\xa4")},
        {STR("plain"), 25, VALUE_TEXT, STR("x\"y\\z\n")},
        {STR("n"), 20, VALUE_LITERAL, STR("42")},
        {STR("none"), 25, VALUE_NULL, STR("")},
    };
    const struct columns row = {columns, sizeof(columns) / sizeof(columns[0])};
    const struct change change = {.kind = CHANGE_UPDATE,
                                  .schema = STR("ap\"p"),
                                  .table = STR("t"),
                                  .record = row,
                                  .identity = row,
                                  .commit_lsn = 0x1A2B3C4};
    struct str text = input_text(data, size);
    struct template *template;
    struct err err;
    struct buf out, json;

    if (template_parse(text, &template, &err) != OK) {
        REQUIRE(template == NULL, text);
        return 0;
    }
    buf_init(&out, MAX_OUT);
    buf_init(&json, MAX_OUT);
    template_render(&out, template, &change);
    REQUIRE(has_braces(text) || str_eq(text, buf_str(&out)), text);
    /* inside of a string literal, what is filled in cannot end it */
    buf_add_char(&json, '"');
    json_add_escaped(&json, text);
    buf_add_char(&json, '"');
    template_free(template);
    if (!memchr(text.data ? text.data : "", '\0', text.len) &&
        template_parse(buf_str(&json), &template, &err) == OK) {
        buf_clear(&out);
        template_render_json(&out, template, &change);
        REQUIRE(json_is_jsonb(buf_str(&out)), buf_str(&out));
        template_free(template);
    }
    buf_fini(&json);
    buf_fini(&out);
    return 0;
}
