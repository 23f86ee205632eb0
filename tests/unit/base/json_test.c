#include "unit.h"

#include "base/json.h"

static void escapes(void **state)
{
    static const struct row {
        const char *says;
        struct str plain, escaped;
    } rows[] = {
        {"nothing", {"", 0}, {"", 0}},
        {"plain text", STR("abc"), STR("abc")},
        {"quote and backslash", STR("\"\\"), STR("\\\"\\\\")},
        {"a slash stays", STR("/"), STR("/")},
        {"short escapes", STR("\b\f\n\r\t"), STR("\\b\\f\\n\\r\\t")},
        {"other control characters", STR("\x01\x1f"), STR("\\u0001\\u001f")},
        {"NUL", {"\0", 1}, STR("\\u0000")},
        {"UTF-8 and DEL pass", STR("\xc3\xa9\x7f\xf0\x9f\x98\x80"),
         STR("\xc3\xa9\x7f\xf0\x9f\x98\x80")},
        {"in the middle", STR("a\nb\nc"), STR("a\\nb\\nc")},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for
        EACH(struct row, r, rows)
        {
            buf_clear(&out);
            json_add_escaped(&out, r->plain);
            CHECK_STR(buf_str(&out), r->escaped, r->says);
        }
    buf_clear(&out);
    json_add_string(&out, (struct str){0});
    CHECK_STR(buf_str(&out), STR("\"\""), "no view at all is an empty string");
    buf_fini(&out);
}

static void unescapes(void **state)
{
    static const struct row {
        const char *says, *inside;
        const char *plain; /* NULL: refused */
    } rows[] = {
        {"nothing", "", ""},
        {"plain text", "abc", "abc"},
        {"every short escape", "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"one byte", "\\u0041", "A"},
        {"two bytes, upper-case digits", "\\u00E9", "\xc3\xa9"},
        {"three bytes", "\\u20ac", "\xe2\x82\xac"},
        {"a pair", "\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"the last code point", "\\udbff\\udfff", "\xf4\x8f\xbf\xbf"},
        {"text around", "a\\u0042c", "aBc"},
        {"a high half alone", "\\ud83d", NULL},
        {"a high half and text", "\\ud83dabcdef", NULL},
        {"two high halves", "\\ud83d\\ud83d", NULL},
        {"a low half alone", "\\ude00", NULL},
        {"NUL", "\\u0000", NULL},
        {"digits missing", "\\u12", NULL},
        {"no digits", "\\uzzzz", NULL},
        {"an unknown letter", "\\x", NULL},
        {"a backslash at the end", "a\\", NULL},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for
        EACH(struct row, r, rows)
        {
            buf_clear(&out);
            CHECK(json_unescape(&out, str_c(r->inside)) == (r->plain != NULL), r->says);
            if (r->plain)
                CHECK_STR(buf_str(&out), str_c(r->plain), r->says);
        }
    buf_clear(&out);
    CHECK(json_unescape(&out, (struct str){0}), "no view at all");
    buf_fini(&out);
}

static void reads_strings(void **state)
{
    static const struct row {
        const char *says, *value;
        const char *plain; /* NULL: refused */
    } rows[] = {
        {"a text", "\"a\\\"b\"", "a\"b"},    {"an empty one", "\"\"", ""},
        {"another behind it", "\"c\"", "c"}, {"a number", "12", NULL},
        {"a quote alone", "\"", NULL},       {"nothing", "", NULL},
        {"a bad escape", "\"\\x\"", NULL},
    };
    struct str got[COUNT(rows)];
    struct buf room;

    (void)state;
    buf_init(&room, 1000);
    buf_reserve(&room, 1000);
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK(json_read_string(&room, str_c(rows[i].value), &got[i]) == (rows[i].plain != NULL),
              rows[i].says);
    for (size_t i = 0; i < COUNT(rows); i++) /* all of them still stand there */
        if (rows[i].plain)
            CHECK_STR(got[i], str_c(rows[i].plain), rows[i].says);
    buf_fini(&room);
}

static void finds_the_end_of_strings(void **state)
{
    static const struct row {
        const char *says, *text;
        int end; /* -1: none */
    } rows[] = {
        {"empty", "\"\"", 2},
        {"text behind", "\"ab\",1", 4},
        {"an escaped quote", "\"a\\\"b\"", 6},
        {"an escaped backslash before the end", "\"a\\\\\"", 5},
        {"escaped backslash and quote", "\"\\\\\\\"\"", 6},
        {"not closed", "\"ab", -1},
        {"closed by an escaped quote only", "\"ab\\\"", -1},
        {"no string", "ab\"", -1},
        {"nothing", "", -1},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            const char *end = json_string_end(r->text, r->text + strlen(r->text));

            CHECK(end ? r->end == end - r->text : r->end == -1, r->says);
        }
}

static void knows_numbers(void **state)
{
    static const struct row {
        const char *s;
        bool good;
    } rows[] = {
        {"0", true},
        {"-0", true},
        {"12", true},
        {"0.5", true},
        {"-1.25e+10", true},
        {"1E5", true},
        {"1e-5", true},
        {"", false},
        {"-", false},
        {"01", false},
        {"+1", false},
        {".5", false},
        {"1.", false},
        {"1e", false},
        {"1e+", false},
        {"0x1", false},
        {"1 ", false},
        {"NaN", false},
        {"--1", false},
        {"1.2.3", false},
        {"123456789012345678901234567890.000000000000000000000001", true},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(json_is_number(str_c(r->s)) == r->good, r->s);
}

static void knows_what_jsonb_takes(void **state)
{
    static const struct row {
        const char *says, *text;
        bool good;
    } rows[] = {
        {"an object", "{\"a\": [1, 2, {\"b\": null}], \"c\": \"x\"}", true},
        {"white space everywhere", " \t\r\n{ \"a\" : 1 , \"b\" : [ ] } ", true},
        {"empty containers", "[{},[],{}]", true},
        {"scalars", "\"x\"", true},
        {"true", "true", true},
        {"false", "false", true},
        {"null", "null", true},
        {"a number", "-1.5e3", true},
        {"nothing", "", false},
        {"only space", "  ", false},
        {"two values", "1 2", false},
        {"a comma at the end of an array", "[1,]", false},
        {"of an object", "{\"a\":1,}", false},
        {"no comma", "[1 2]", false},
        {"no colon", "{\"a\" 1}", false},
        {"no value", "{\"a\":}", false},
        {"a key that is no string", "{1:2}", false},
        {"not closed", "[1", false},
        {"closed by the other", "[1}", false},
        {"closed twice", "[1]]", false},
        {"a word cut short", "tru", false},
        {"a word too long", "nulls", false},
        {"capitals", "True", false},
        {"a control character in a string", "\"a\nb\"", false},
        {"NUL in a string", "\"\\u0000\"", false},
        {"NUL in a key", "{\"\\u0000\":1}", false},
        {"a lone surrogate", "\"\\ud800\"", false},
        {"a lone low one", "\"\\udc00\"", false},
        {"a pair", "\"\\ud83d\\ude00\"", true},
        {"an unknown escape", "\"\\x\"", false},
        {"a string not closed", "\"abc", false},
        {"a string closed by an escape", "\"abc\\\"", false},
        {"an exponent beyond numeric", "1e200000", false},
        {"an exponent of many digits", "1e99999999999999999999", false},
        {"a large one within", "1e1000", true},
        {"a comma alone", ",", false},
        {"a brace at the very end", "{", false},
        {"a comma at the very end", "{\"a\":1,", false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(json_is_jsonb(str_c(r->text)) == r->good, r->says);
}

/* numeric takes 16383 digits behind the point: one more, and the server refuses the whole batch. */
static void knows_the_scale_of_numeric(void **state)
{
    static const struct row {
        const char *says;
        int digits; /* behind the point */
        const char *exponent;
        bool good;
    } rows[] = {
        {"many digits", 15000, "", true},
        {"many digits and an exponent that is not negative", 15000, "e10", true},
        {"the last that fits", 6383, "e-10000", true},
        {"one too many", 6384, "e-10000", false},
        {"capital E", 6384, "E-10000", false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct buf text;

            buf_init(&text, 20000);
            buf_add_c(&text, "1.");
            for (int i = 0; i < r->digits; i++)
                buf_add_char(&text, '1');
            buf_add_c(&text, r->exponent);
            CHECK(json_is_jsonb(buf_str(&text)) == r->good, r->says);
            buf_fini(&text);
        }
}

static void knows_depth(void **state)
{
    char text[1024];

    (void)state;
    memset(text, '[', 256);
    memset(text + 256, ']', 256);
    CHECK(json_is_jsonb(str_from(text, 512)), "256 levels");
    memset(text, '[', 257);
    memset(text + 257, ']', 257);
    CHECK(!json_is_jsonb(str_from(text, 514)), "257 levels");
}

/* Wider than jsonb, except for bytes that are no text. */
static void knows_what_is_valid(void **state)
{
    static const struct row {
        const char *says, *text;
        bool good;
    } rows[] = {
        {"an object", "{\"a\": [1, 2, {\"b\": null}], \"c\": \"x\"}", true},
        {"NUL in a string", "\"\\u0000\"", true},
        {"a lone surrogate", "\"\\ud800x\"", true},
        {"a number beyond numeric", "1e200000", true},
        {"UTF-8", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", true},
        {"no UTF-8", "\"\xff\"", false},
        {"nothing", "", false},
        {"two values", "{}{}", false},
        {"hexadecimal digits missing", "\"\\u12\"", false},
        {"no digits", "\"\\u12g4\"", false},
        {"an unknown escape", "\"\\x\"", false},
        {"a number that is none", "01", false},
        {"not closed", "{\"a\":1", false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(json_is_valid(str_c(r->text)) == r->good, r->says);
}

static void goes_over_elements(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *elements; /* each in <>, a member as <key=value> */
    } rows[] = {
        {"an array", "[1,\"a\",null,true]", "<1><\"a\"><null><true>"},
        {"nested", "[[1,[2]],{\"a\":[]},-1e5]", "<[1,[2]]><{\"a\":[]}><-1e5>"},
        {"an object", "{\"a\":1,\"b\":{\"c\":2}}", "<a=1><b={\"c\":2}>"},
        {"a key that is escaped", "{\"a\\\"b\":\"c\\\"}\"}", "<a\\\"b=\"c\\\"}\">"},
        {"brackets in strings", "[\"]\",{\"}\":\"{\"}]", "<\"]\"><{\"}\":\"{\"}>"},
        {"white space", " { \"a\" : 1 , \"b\"\t:\r\n[ 1 , 2 ] } ", "<a=1><b=[ 1 , 2 ]>"},
        {"an empty array", "[]", ""},
        {"an empty object", " { } ", ""},
        {"an empty key and an empty value", "{\"\":\"\"}", "<=\"\">"},
        {"a text", "\"[1]\"", ""},
        {"a number", "12", ""},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct json_cursor cursor = json_enter(str_c(r->text));
            struct str key, value;
            struct buf got;

            buf_init(&got, 1000);
            CHECK(json_is_valid(str_c(r->text)), r->says);
            while (json_next(&cursor, &key, &value))
                buf_addf(&got, cursor.is_object ? "<%.*s=%.*s>" : "<%.*s%.*s>", STR_ARG(key),
                         STR_ARG(value));
            CHECK_STR(buf_str(&got), str_c(r->elements), r->says);
            buf_fini(&got);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(unescapes),
        cmocka_unit_test(reads_strings),
        cmocka_unit_test(finds_the_end_of_strings),
        cmocka_unit_test(knows_numbers),
        cmocka_unit_test(knows_what_jsonb_takes),
        cmocka_unit_test(knows_the_scale_of_numeric),
        cmocka_unit_test(knows_depth),
        cmocka_unit_test(knows_what_is_valid),
        cmocka_unit_test(goes_over_elements),
    };

    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
