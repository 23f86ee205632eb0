#include "fixture.h"

#include "replay/text.h"
#include "row/value.h"

static struct types *types;

static int set_up(void **state)
{
    (void)state;
    types = fixture_types();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    types_unref(types);
    return 0;
}

/* Texts as PostgreSQL prints them, and what jsonb makes of the value. Tried on a server. */
static const struct row {
    const char *says;
    uint32_t type;
    const char *json;
    const char *text;
} rows[] = {
    {"text", OID_TEXT, "\"a \\\"b\\\" \\\\ \\n \\u0001 \xc3\xa9\"", "a \"b\" \\ \n \x01 \xc3\xa9"},
    {"empty text", OID_TEXT, "\"\"", ""},
    {"a type that nobody knows is text", OID_UNKNOWN, "\"x\"", "x"},
    {"an integer", OID_INT8, "-9223372036854775808", "-9223372036854775808"},
    {"a numeric keeps its zeros", OID_NUMERIC, "1.500", "1.500"},
    {"a numeric has no exponent", OID_NUMERIC, "100000000000000000000", "100000000000000000000"},
    {"NaN", OID_NUMERIC, "\"NaN\"", "NaN"},
    {"a float", OID_FLOAT8, "0.1", "0.1"},
    {"the longest float without an exponent", OID_FLOAT8, "999999999999999", "999999999999999"},
    {"a large float", OID_FLOAT8, "1000000000000000", "1e+15"},
    {"a large float with digits", OID_FLOAT8, "-123456789012345680", "-1.2345678901234568e+17"},
    {"a float with three digits of exponent", OID_FLOAT8,
     "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "000000000",
     "1e+100"},
    {"the smallest float without an exponent", OID_FLOAT8, "0.0001", "0.0001"},
    {"a small float", OID_FLOAT8, "0.00001234", "1.234e-05"},
    {"a small float with one digit", OID_FLOAT8, "0.00001", "1e-05"},
    {"a float of digits on both sides", OID_FLOAT8, "123456.789", "123456.789"},
    {"zero", OID_FLOAT8, "0", "0"},
    {"zero with a point", OID_FLOAT8, "0.00", "0.00"},
    {"a short float has an exponent earlier", OID_FLOAT4, "1000000", "1e+06"},
    {"and a numeric has not", OID_NUMERIC, "1000000", "1000000"},
    {"json keeps its form", OID_JSONB, "{\"a\": [1, 2.50]}", "{\"a\": [1, 2.50]}"},
    {"a json text", OID_JSON, "\"x\"", "\"x\""},
    {"a timestamp", OID_TIMESTAMP, "\"2026-11-23T03:48:41.036208\"", "2026-11-23 03:48:41.036208"},
    {"a timestamp with a zone", OID_TIMESTAMPTZ, "\"2026-11-23T03:48:41+00:00\"",
     "2026-11-23 03:48:41+00"},
    {"a timestamp without one that ends as a zone does", OID_TIMESTAMP, "\"2026-11-23T03:00:00\"",
     "2026-11-23 03:00:00"},
    {"before Christ", OID_TIMESTAMPTZ, "\"0044-03-15T12:00:00+00:00 BC\"",
     "0044-03-15 12:00:00+00 BC"},
    {"infinity", OID_TIMESTAMPTZ, "\"-infinity\"", "-infinity"},
    {"bytea", OID_BYTEA, "\"\\\\x00ff\"", "\\x00ff"},
    {"an empty array", OID_INT4_ARRAY, "[]", "{}"},
    {"an array", OID_INT4_ARRAY, "[1, null, 3]", "{1,NULL,3}"},
    {"two dimensions", OID_INT4_ARRAY, "[[1, 2], [3, null]]", "{{1,2},{3,NULL}}"},
    {"elements that are quoted", OID_TEXT_ARRAY,
     "[\"\", \"NULL\", \"null\", null, \"a b\", \"a\\\"b\", \"a\\\\b\", \"{}\", \"a,b\", \"x\"]",
     "{\"\",\"NULL\",\"null\",NULL,\"a b\",\"a\\\"b\",\"a\\\\b\",\"{}\",\"a,b\",x}"},
    {"booleans in an array are letters", OID_BOOL_ARRAY, "[true, false, null]", "{t,f,NULL}"},
    {"bytea in an array", OID_BYTEA_ARRAY, "[\"\\\\x00ff\"]", "{\"\\\\x00ff\"}"},
    {"timestamps in an array", OID_TIMESTAMP_ARRAY, "[\"2026-11-23T03:48:41\", \"infinity\"]",
     "{\"2026-11-23 03:48:41\",infinity}"},
    {"json in an array", OID_JSON_ARRAY, "[{\"a\": [1, \"b\"]}, [1], \"x\"]",
     "{\"{\\\"a\\\": [1, \\\"b\\\"]}\",[1],\"\\\"x\\\"\"}"},
    {"another delimiter", OID_BOX_ARRAY, "[\"(2,2),(1,1)\", \"(4,4),(3,3)\"]",
     "{(2,2),(1,1);(4,4),(3,3)}"},
    {"a composite", OID_PAIR, "{\"a\": 1, \"b\": \"x\"}", "(1,x)"},
    {"its fields in the catalog's order", OID_PAIR, "{\"b\": \"x\", \"a\": 1}", "(1,x)"},
    {"its NULLs and empty texts", OID_PAIR, "{\"a\": null, \"b\": \"\"}", "(,\"\")"},
    {"its quotes are doubled", OID_PAIR, "{\"a\": 1, \"b\": \"a \\\"b\\\" \\\\ (,)\"}",
     "(1,\"a \"\"b\"\" \\\\ (,)\")"},
    {"no fields", OID_EMPTY, "{}", "()"},
    {"nested", OID_NEST,
     "{\"pair\": {\"a\": 1, \"b\": \"x y\"}, \"list\": [1, 2], \"at\": "
     "\"2026-11-23T03:48:41+00:00\"}",
     "(\"(1,\"\"x y\"\")\",\"{1,2}\",\"2026-11-23 03:48:41+00\")"},
    {"composites in an array", OID_PAIR_ARRAY, "[{\"a\": 1, \"b\": null}, null]",
     "{\"(1,)\",NULL}"},
    {"an array's text that was none stays", OID_INT4_ARRAY, "\"1 2 3\"", "1 2 3"},
    {"what does not fit stays", OID_INT4, "{\"a\": 1}", "{\"a\": 1}"},
};

static void makes_texts(void **state)
{
    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct buf out;

            buf_init(&out, 65536);
            text_add(&out, types, r->type, str_c(r->json));
            check_text(r->says, buf_str(&out), r->text);
            buf_fini(&out);
        }
}

/* There and back: what the stream's code makes of the text is the JSON again. */
static void comes_back(void **state)
{
    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct column column = {.name = STR("c"), .type = r->type, .form = VALUE_TEXT};
            struct buf text, json, plain;

            if (!text_fits(types, r->type, str_c(r->json)))
                continue;
            buf_init(&text, 65536);
            buf_init(&json, 65536);
            buf_init(&plain, 65536);
            text_add(&text, types, r->type, str_c(r->json));
            column.value = buf_str(&text);
            value_add_json(&json, types, &column, VALUE_AS_JSONB);
            text_add(&plain, types, r->type, buf_str(&json));
            check_text(r->says, buf_str(&plain), r->text);
            buf_fini(&plain);
            buf_fini(&json);
            buf_fini(&text);
        }
}

static void knows_what_fits(void **state)
{
    static const struct fit {
        const char *says;
        uint32_t type;
        const char *json;
        bool fits;
    } fits[] = {
        {"a redacted boolean is none", OID_BOOL, "\"[redacted]\"", false},
        {"a redacted timestamp is none", OID_TIMESTAMPTZ, "\"[redacted]\"", false},
        {"nor one that was left out", OID_TIMESTAMP, "\"[left out: 5 bytes]\"", false},
        {"infinity is a timestamp", OID_TIMESTAMP, "\"infinity\"", true},
        {"a redacted bytea is none", OID_BYTEA, "\"[redacted]\"", false},
        {"NaN is a number", OID_FLOAT8, "\"NaN\"", true},
        {"an object is no number", OID_INT4, "{}", false},
        {"a number is no text", OID_TEXT, "1", false},
        {"an array of something else is none", OID_BOOL_ARRAY, "[true, \"x\"]", false},
        {"nor is its inner dimension", OID_INT4_ARRAY, "[[1], [{}]]", false},
        {"NULLs fit everywhere", OID_BOOL_ARRAY, "[null]", true},
        {"a composite with other fields is none", OID_PAIR, "{\"a\": 1, \"c\": 2}", false},
        {"nor one with more of them", OID_PAIR, "{\"a\": 1, \"b\": \"x\", \"c\": 2}", false},
        {"an array is no composite", OID_PAIR, "[1]", false},
        {"everything is json", OID_JSONB, "[1]", true},
        {"the text of an array may have been no array", OID_INT4_ARRAY, "\"1 2\"", true},
    };

    (void)state;
    for
        EACH(struct fit, f, fits)
    CHECK(text_fits(types, f->type, str_c(f->json)) == f->fits, f->says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_texts),
        cmocka_unit_test(comes_back),
        cmocka_unit_test(knows_what_fits),
    };

    return cmocka_run_group_tests_name("replay/text", tests, set_up, tear_down);
}
