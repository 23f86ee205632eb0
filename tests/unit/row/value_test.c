#include "fixture.h"

#include "base/json.h"
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

static struct column column_of(uint32_t type, enum value_form form, struct str text)
{
    return (struct column){.name = STR("c"), .type = type, .form = form, .value = text};
}

static void check_json(const char *says, const struct column *column, enum value_style style,
                       const char *wanted)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    value_add_json(&out, types, column, style);
    check_text(says, buf_str(&out), wanted);
    if (!json_is_jsonb(buf_str(&out)))
        fail_msg("%s: jsonb would refuse %s", says, wanted);
    buf_fini(&out);
}

/* The text is PostgreSQL's own. Each goes in as VALUE_TEXT, and escaped as VALUE_ESCAPED. */
static const struct text_row {
    const char *says;
    uint32_t type;
    const char *text;
    const char *json;
    const char *realtime; /* NULL: the same */
} text_rows[] = {
    {"text is a string", OID_TEXT, "plain", "\"plain\"", NULL},
    {"empty text is an empty string, not null", OID_TEXT, "", "\"\"", NULL},
    {"quotes, backslashes and control characters are escaped once", OID_TEXT, "a\"b\\c\n\t\x01",
     "\"a\\\"b\\\\c\\n\\t\\u0001\"", NULL},
    {"umlauts and emoji stay the bytes they are", OID_TEXT, "Jürgen \xf0\x9f\x98\x80",
     "\"Jürgen \xf0\x9f\x98\x80\"", NULL},
    {"the word null in a text is no NULL", OID_TEXT, "null", "\"null\"", NULL},
    {"a number in a text column stays text", OID_TEXT, "42", "\"42\"", NULL},
    {"a type made after the catalog was read is shown as its text", OID_UNKNOWN, "{1,2}",
     "\"{1,2}\"", NULL},
    {"a uuid is a string", OID_UUID, "7d9f0b7e-1111-4222-8333-444455556666",
     "\"7d9f0b7e-1111-4222-8333-444455556666\"", NULL},
    {"a date is a string", OID_DATE, "2026-11-23", "\"2026-11-23\"", NULL},

    {"an integer is a number", OID_INT4, "-7", "-7", NULL},
    {"a bigint keeps its last digit", OID_INT8, "9223372036854775807", "9223372036854775807", NULL},
    {"40 digits stay 40 digits", OID_NUMERIC, "1234567890123456789012345678901234567890",
     "1234567890123456789012345678901234567890", NULL},
    {"zeros behind the point are kept", OID_NUMERIC, "100.00", "100.00", NULL},
    {"NaN is a string, as in to_jsonb", OID_NUMERIC, "NaN", "\"NaN\"", NULL},
    {"Infinity likewise", OID_FLOAT8, "-Infinity", "\"-Infinity\"", NULL},
    {"a float's exponent passes", OID_FLOAT8, "1e+308", "1e+308", NULL},
    {"a number that jsonb cannot hold breaks no batch", OID_NUMERIC, "1e999999", "\"1e999999\"",
     NULL},
    {"a domain is read as its base type", OID_PRICE, "9.90", "9.90", NULL},
    {"true, as a domain over bool has it", OID_BOOL, "t", "true", NULL},
    {"false", OID_BOOL, "f", "false", NULL},
    {"true in full", OID_BOOL, "true", "true", NULL},

    {"a timestamp gets its T", OID_TIMESTAMP, "2026-11-23 03:48:41.5", "\"2026-11-23T03:48:41.5\"",
     NULL},
    {"and with a zone its minutes", OID_TIMESTAMPTZ, "2026-11-23 03:48:41.036208+00",
     "\"2026-11-23T03:48:41.036208+00:00\"", NULL},
    {"Caesar's death keeps its BC behind the zone", OID_TIMESTAMPTZ, "0044-03-15 12:00:00+00 BC",
     "\"0044-03-15T12:00:00+00:00 BC\"", NULL},
    {"and without a zone", OID_TIMESTAMP, "0044-03-15 12:00:00 BC", "\"0044-03-15T12:00:00 BC\"",
     NULL},
    {"infinity is no date with a T", OID_TIMESTAMPTZ, "infinity", "\"infinity\"", NULL},
    {"nor is -infinity", OID_TIMESTAMP, "-infinity", "\"-infinity\"", NULL},
    {"the year 12345 has five digits", OID_TIMESTAMP, "12345-01-01 00:00:00",
     "\"12345-01-01T00:00:00\"", NULL},

    {"bytea of the stream comes without \\x", OID_BYTEA, "00ff", "\"\\\\x00ff\"", "\"00ff\""},
    {"of the database with it", OID_BYTEA, "\\x00ff", "\"\\\\x00ff\"", "\"00ff\""},
    {"no bytes at all", OID_BYTEA, "", "\"\\\\x\"", "\"\""},

    {"json is what it says", OID_JSONB, "{\"a\": [1, 2.50, null]}", "{\"a\": [1, 2.50, null]}",
     NULL},
    {"json null is null", OID_JSON, "null", "null", NULL},
    {"escapes in json stay", OID_JSONB, "{\"k\": \"\\u00e4\\\\\"}", "{\"k\": \"\\u00e4\\\\\"}",
     NULL},
    {"json takes \\u0000, jsonb does not: it becomes a string", OID_JSON, "{\"a\": \"\\u0000\"}",
     "\"{\\\"a\\\": \\\"\\\\u0000\\\"}\"", NULL},
    {"half of a surrogate pair likewise", OID_JSON, "\"\\ud83d\"", "\"\\\"\\\\ud83d\\\"\"", NULL},
    {"a whole pair passes", OID_JSON, "\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\"", NULL},
    {"a number in json that numeric cannot hold likewise", OID_JSON, "[1e20000]", "\"[1e20000]\"",
     NULL},

    {"an array", OID_INT4_ARRAY, "{1,2,3}", "[1,2,3]", NULL},
    {"a vector, which is written without braces", OID_INT2VECTOR, "1 -2 3", "[1,-2,3]", NULL},
    {"an empty one", OID_INT2VECTOR, "", "[]", NULL},
    {"an empty array", OID_INT4_ARRAY, "{}", "[]", NULL},
    {"arrays in arrays", OID_INT4_ARRAY, "{{1,2},{3,NULL}}", "[[1,2],[3,null]]", NULL},
    {"three dimensions", OID_INT4_ARRAY, "{{{1},{2}}}", "[[[1],[2]]]", NULL},
    {"NULL and the text NULL are told apart", OID_TEXT_ARRAY, "{NULL,\"NULL\",null}",
     "[null,\"NULL\",null]", NULL},
    {"quoted elements with commas, braces, quotes and backslashes", OID_TEXT_ARRAY,
     "{\"a,b\",\"{c}\",\"d\\\"e\",\"f\\\\g\",\"\"}", "[\"a,b\",\"{c}\",\"d\\\"e\",\"f\\\\g\",\"\"]",
     NULL},
    {"bounds are not shown, as in to_jsonb", OID_INT4_ARRAY, "[0:2]={1,2,3}", "[1,2,3]", NULL},
    {"nor those of two dimensions", OID_INT4_ARRAY, "[-1:0][2:2]={{1},{2}}", "[[1],[2]]", NULL},
    {"boxes stand between semicolons", OID_BOX_ARRAY, "{(1,1),(0,0);(3,3),(2,2)}",
     "[\"(1,1),(0,0)\",\"(3,3),(2,2)\"]", NULL},
    {"booleans in arrays are letters", OID_BOOL_ARRAY, "{t,f,NULL}", "[true,false,null]", NULL},
    {"NaN in an array", OID_NUMERIC_ARRAY, "{1.50,NaN}", "[1.50,\"NaN\"]", NULL},
    {"bytea in an array keeps or loses its \\x by the style", OID_BYTEA_ARRAY,
     "{\"\\\\x00ff\",NULL}", "[\"\\\\x00ff\",null]", "[\"00ff\",null]"},
    {"timestamps in an array", OID_TIMESTAMP_ARRAY, "{\"2026-11-23 03:48:41\",infinity}",
     "[\"2026-11-23T03:48:41\",\"infinity\"]", NULL},
    {"json in an array", OID_JSON_ARRAY, "{\"{\\\"a\\\": 1}\",null,\"null\"}",
     "[{\"a\": 1},null,null]", NULL},
    {"json that jsonb refuses, in an array", OID_JSON_ARRAY, "{\"\\\"\\\\u0000\\\"\"}",
     "[\"\\\"\\\\u0000\\\"\"]", NULL},

    {"an array that is not closed is its text", OID_INT4_ARRAY, "{1,2", "\"{1,2\"", NULL},
    {"with something behind it", OID_INT4_ARRAY, "{1}x", "\"{1}x\"", NULL},
    {"with a comma too many", OID_INT4_ARRAY, "{1,}", "\"{1,}\"", NULL},
    {"with nothing before the comma", OID_INT4_ARRAY, "{,1}", "\"{,1}\"", NULL},
    {"with a quote that is not closed", OID_TEXT_ARRAY, "{\"a}", "\"{\\\"a}\"", NULL},
    {"with bounds alone", OID_INT4_ARRAY, "[1:2]", "\"[1:2]\"", NULL},
    {"of a type that was something else before", OID_INT4_ARRAY, "hello", "\"hello\"", NULL},
    {"empty text", OID_INT4_ARRAY, "", "\"\"", NULL},
    {"a brace alone", OID_INT4_ARRAY, "{", "\"{\"", NULL},

    {"a composite is an object with its fields' names", OID_PAIR, "(1,\"a b\")",
     "{\"a\":1,\"b\":\"a b\"}", NULL},
    {"a field without anything is NULL", OID_PAIR, "(,)", "{\"a\":null,\"b\":null}", NULL},
    {"an empty text in it is quoted", OID_PAIR, "(1,\"\")", "{\"a\":1,\"b\":\"\"}", NULL},
    {"quotes are doubled, backslashes too", OID_PAIR, "(1,\"say \"\"x\"\" \\\\ , )\")",
     "{\"a\":1,\"b\":\"say \\\"x\\\" \\\\ , )\"}", NULL},
    {"NULL is four letters there", OID_PAIR, "(1,NULL)", "{\"a\":1,\"b\":\"NULL\"}", NULL},
    {"a composite in a composite, with an array and a time", OID_NEST,
     "(\"(1,\"\"x,y\"\")\",\"{1,2}\",\"2026-11-23 03:48:41+00\")",
     "{\"pair\":{\"a\":1,\"b\":\"x,y\"},\"list\":[1,2],\"at\":\"2026-11-23T03:48:41+00:00\"}",
     NULL},
    {"an array of composites", OID_PAIR_ARRAY, "{\"(1,\\\"a \\\\\\\"b\\\")\",NULL,\"(2,)\"}",
     "[{\"a\":1,\"b\":\"a \\\"b\"},null,{\"a\":2,\"b\":null}]", NULL},
    {"a composite without fields", OID_EMPTY, "()", "{}", NULL},
    {"one with a field more than we know is its text", OID_PAIR, "(1,a,2)", "\"(1,a,2)\"", NULL},
    {"with one less", OID_PAIR, "(1)", "\"(1)\"", NULL},
    {"closed in the middle", OID_PAIR, "(1)a)", "\"(1)a)\"", NULL},
    {"not closed", OID_PAIR, "(1,a", "\"(1,a\"", NULL},
    {"a field where there is none", OID_EMPTY, "(1)", "\"(1)\"", NULL},
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(text_rows); i++) {
        const struct text_row *row = &text_rows[i];
        const struct column column = column_of(row->type, VALUE_TEXT, str_c(row->text));

        check_json(row->says, &column, VALUE_AS_JSONB, row->json);
        check_json(row->says, &column, VALUE_AS_REALTIME,
                   row->realtime ? row->realtime : row->json);
    }
}

static void test_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(text_rows); i++) {
        const struct text_row *row = &text_rows[i];
        struct column column;
        struct buf escaped;

        buf_init(&escaped, 1 << 16);
        json_add_escaped(&escaped, str_c(row->text));
        column = column_of(row->type, VALUE_ESCAPED, buf_str(&escaped));
        check_json(row->says, &column, VALUE_AS_JSONB, row->json);
        check_json(row->says, &column, VALUE_AS_REALTIME,
                   row->realtime ? row->realtime : row->json);
        buf_fini(&escaped);
    }
}

static const struct {
    const char *says;
    uint32_t type;
    enum value_form form;
    struct str text;
    const char *json;
} other_rows[] = {
    {"NULL is null, whatever the type", OID_TEXT, VALUE_NULL, STR(""), "null"},
    {"also of an array", OID_INT4_ARRAY, VALUE_NULL, STR(""), "null"},
    {"also of an unknown type", OID_UNKNOWN, VALUE_NULL, STR(""), "null"},
    {"a bare number of the stream", OID_INT8, VALUE_LITERAL, STR("9007199254740993"),
     "9007199254740993"},
    {"a bare boolean", OID_BOOL, VALUE_LITERAL, STR("true"), "true"},
    {"a bare number of a type that we do not know stays one", OID_UNKNOWN, VALUE_LITERAL,
     STR("1.0"), "1.0"},
    {"an oid comes bare, and to_jsonb makes it a string", OID_OID, VALUE_LITERAL, STR("16384"),
     "\"16384\""},
    {"a literal that jsonb refuses breaks no batch", OID_NUMERIC, VALUE_LITERAL, STR("1e-999999"),
     "\"1e-999999\""},
    {"an escape of the stream is not escaped again", OID_TEXT, VALUE_ESCAPED, STR("a\\u00e4\\/\\n"),
     "\"a\\u00e4\\/\\n\""},
    {"\\u0000 inside a string value is kept as its letters", OID_TEXT, VALUE_ESCAPED,
     STR("a\\u0000b"), "\"a\\\\u0000b\""},
    {"an escape that JSON does not know likewise", OID_TEXT, VALUE_ESCAPED, STR("12345678\\q"),
     "\"12345678\\\\q\""},
    {"half a surrogate pair likewise", OID_TEXT, VALUE_ESCAPED, STR("\\ud83d!"), "\"\\\\ud83d!\""},
    {"a bare control character is escaped", OID_TEXT, VALUE_ESCAPED, STR("1234567\n9"),
     "\"1234567\\n9\""},
    {"also at the end of a long text", OID_TEXT, VALUE_ESCAPED, STR("12345678901234567\x1f"),
     "\"12345678901234567\\u001f\""},
    {"a bad escape in a value that is more than text", OID_INT4_ARRAY, VALUE_ESCAPED,
     STR("{1,\\u0000}"), "\"{1,\\\\u0000}\""},
    {"an array with escapes in it", OID_TEXT_ARRAY, VALUE_ESCAPED, STR("{\\\"a\\\\\\\\b\\\",c}"),
     "[\"a\\\\b\",\"c\"]"},
};

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(other_rows); i++) {
        const struct column column =
            column_of(other_rows[i].type, other_rows[i].form, other_rows[i].text);

        check_json(other_rows[i].says, &column, VALUE_AS_JSONB, other_rows[i].json);
    }
}

/* An array can be nested as deep as its text is long; the stack is not. */
static void test_depth(void **state)
{
    char text[4001] = "";
    struct column column = column_of(OID_INT4_ARRAY, VALUE_TEXT, str_from(text, 4000));
    struct buf out;

    (void)state;
    memset(text, '{', 2000);
    memset(text + 2000, '}', 2000);
    text[4000] = '\0';
    buf_init(&out, 1 << 20);
    value_add_json(&out, types, &column, VALUE_AS_JSONB);
    assert_int_equal(out.len, 4002);
    assert_memory_equal(out.data, "\"{{{", 4);
    buf_fini(&out);
}

static const struct {
    const char *says;
    enum value_form form;
    struct str text;
    const char *plain;
} plain_rows[] = {
    {"NULL is nothing", VALUE_NULL, STR(""), ""},
    {"a literal", VALUE_LITERAL, STR("42"), "42"},
    {"text as it is, backslashes too", VALUE_TEXT, STR("a\\nb"), "a\\nb"},
    {"escapes are undone", VALUE_ESCAPED, STR("a\\\"b\\\\c\\u00e4\\ud83d\\ude00"),
     "a\"b\\cä\xf0\x9f\x98\x80"},
    {"without escapes", VALUE_ESCAPED, STR("abc"), "abc"},
    {"a bad escape leaves the whole as it came, once", VALUE_ESCAPED, STR("ab\\n\\u0000"),
     "ab\\n\\u0000"},
};

static void test_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(plain_rows); i++) {
        const struct column column = column_of(OID_TEXT, plain_rows[i].form, plain_rows[i].text);
        struct buf out;

        buf_init(&out, 1024);
        buf_add_c(&out, "<");
        value_add_text(&out, &column);
        buf_add_c(&out, ">");
        assert_int_equal(out.data[0], '<');
        check_text(plain_rows[i].says, str_from(out.data + 1, out.len - 2), plain_rows[i].plain);
        buf_fini(&out);
    }
}

static void test_same(void **state)
{
    const struct column none = column_of(OID_TEXT, VALUE_NULL, STR(""));
    const struct column empty = column_of(OID_TEXT, VALUE_ESCAPED, STR(""));
    const struct column a = column_of(OID_TEXT, VALUE_ESCAPED, STR("a"));
    const struct column a_again = column_of(OID_TEXT, VALUE_ESCAPED, STR("a"));
    const struct column b = column_of(OID_TEXT, VALUE_ESCAPED, STR("b"));

    (void)state;
    assert_true(value_same(&none, &none));
    assert_false(value_same(&none, &empty));
    assert_false(value_same(&empty, &none));
    assert_true(value_same(&a, &a_again));
    assert_false(value_same(&a, &b));
}

/* A value that does not fit marks the buffer and nothing else happens. */
static void test_full(void **state)
{
    const struct column text = column_of(OID_TEXT, VALUE_ESCAPED, STR("0123456789\\n"));
    const struct column array = column_of(OID_TEXT_ARRAY, VALUE_TEXT, STR("{0123456789,a,b,c}"));

    (void)state;
    for (size_t max = 0; max < 12; max++) {
        struct buf out;

        buf_init(&out, max);
        value_add_json(&out, types, &text, VALUE_AS_JSONB);
        assert_false(buf_ok(&out));
        buf_clear(&out);
        value_add_json(&out, types, &array, VALUE_AS_JSONB);
        assert_false(buf_ok(&out));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),  cmocka_unit_test(test_escaped), cmocka_unit_test(test_others),
        cmocka_unit_test(test_depth), cmocka_unit_test(test_plain),   cmocka_unit_test(test_same),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
