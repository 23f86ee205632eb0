#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <string.h>

#include "dispatch/headers.h"

static const struct row {
    const char *says;
    const char *json;
    const char *lines; /* joined with |; NULL: refused */
    const char *error;
} rows[] = {
    {"none", "{}", "", NULL},
    {"two", "{\"X-A\":\"1\",\"Authorization\":\"Bearer t\"}", "X-A: 1|Authorization: Bearer t|",
     NULL},
    {"an empty value stays a header", "{\"X-A\":\"\"}", "X-A;|", NULL},
    {"so does one of spaces", "{\"X-A\":\"  \"}", "X-A;|", NULL},
    {"a colon in the value", "{\"X-A\":\"a: b\"}", "X-A: a: b|", NULL},
    {"UTF-8 and tabs pass", "{\"X-A\":\"\u00e9\\tb\"}", "X-A: \u00e9\tb|", NULL},
    {"its own content type", "{\"content-type\":\"application/x\"}", "content-type: application/x|",
     NULL},
    {"a name that only starts like a reserved one", "{\"Hostess\":\"a\",\"Webhook\":\"b\"}",
     "Hostess: a|Webhook: b|", NULL},
    {"a line end in the value", "{\"X-A\":\"topsecret\\r\\nX-B: 2\"}", NULL, "X-A has a control"},
    {"a bare CR", "{\"X-A\":\"topsecret\\rb\"}", NULL, "X-A has a control"},
    {"a bare LF", "{\"X-A\":\"topsecret\\nb\"}", NULL, "X-A has a control"},
    {"a line end in the name", "{\"X-A\\r\\nX-B\":\"topsecret\"}", NULL, "not a header's name"},
    {"a colon in the name", "{\"X-A:\":\"topsecret\"}", NULL, "not a header's name"},
    {"a space in the name", "{\"X A\":\"topsecret\"}", NULL, "not a header's name"},
    {"a pseudo header", "{\":path\":\"topsecret\"}", NULL, "not a header's name"},
    {"no name", "{\"\":\"topsecret\"}", NULL, "not a header's name"},
    {"webhook-id", "{\"Webhook-Id\":\"topsecret\"}", NULL, "must not set Webhook-Id"},
    {"webhook-signature", "{\"webhook-signature\":\"topsecret\"}", NULL, "must not set"},
    {"webhook-anything", "{\"webhook-x\":\"topsecret\"}", NULL, "must not set"},
    {"Host", "{\"Host\":\"topsecret\"}", NULL, "must not set Host"},
    {"Content-Length", "{\"Content-Length\":\"1\"}", NULL, "must not set Content-Length"},
    {"Transfer-Encoding", "{\"TRANSFER-ENCODING\":\"chunked\"}", NULL, "must not set"},
    {"Connection", "{\"Connection\":\"close\"}", NULL, "must not set"},
    {"Proxy-Authorization", "{\"Proxy-Authorization\":\"topsecret\"}", NULL, "must not set"},
    {"a number", "{\"X-A\":1}", NULL, "X-A is not a string"},
    {"null", "{\"X-A\":null}", NULL, "X-A is not a string"},
    {"a number too large for any type", "{\"X-A\":1e999}", NULL, "not a json object"},
    {"an array", "[\"topsecret\"]", NULL, "not a json object"},
    {"no json", "topsecret", NULL, "not a json object"},
    {"nothing", "", NULL, "not a json object"},
};

static void reads_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct err err = {""};
        struct buf block;
        enum result result;

        buf_init(&block, HEADERS_BYTES_MAX);
        result = headers_add_json(&block, str_c(r->json), &err);
        if ((result == OK) != (r->lines != NULL))
            fail_msg("%s: %s", r->says, err.message);
        if (r->error && !strstr(err.message, r->error))
            fail_msg("%s: says %s", r->says, err.message);
        if (strstr(err.message, "topsecret"))
            fail_msg("%s: the error quotes the value", r->says);
        for (size_t at = 0; at < block.len; at++)
            if (block.data[at] == '\0')
                block.data[at] = '|';
        if (r->lines && strcmp(buf_str(&block).data, r->lines) != 0)
            fail_msg("%s: %s", r->says, block.data);
        buf_fini(&block);
    }
}

static void bounds_number_and_size(void **state)
{
    struct err err = {""};
    struct buf json, block;

    (void)state;
    buf_init(&json, 1 << 20);
    buf_init(&block, HEADERS_BYTES_MAX);
    buf_add_char(&json, '{');
    for (int i = 0; i < HEADERS_MAX + 1; i++)
        buf_addf(&json, "%s\"X-%d\":\"v\"", i ? "," : "", i);
    buf_add_char(&json, '}');
    assert_int_equal(headers_add_json(&block, buf_str(&json), &err), FAILED);
    buf_clear(&json);
    buf_addf(&json, "{\"X-A\":\"%0*d\"}", HEADERS_BYTES_MAX, 1);
    assert_int_equal(headers_add_json(&block, buf_str(&json), &err), FAILED);
    buf_fini(&json);
    buf_fini(&block);
}

static void finds_lines(void **state)
{
    struct buf block;
    size_t at = 0;

    (void)state;
    buf_init(&block, 1000);
    assert_null(headers_next(buf_str(&block), &at));
    headers_add(&block, "Content-Type", STR("application/json"));
    headers_add(&block, "X-Empty", STR(""));
    assert_true(headers_have(buf_str(&block), STR("content-type")));
    assert_true(headers_have(buf_str(&block), STR("x-empty")));
    assert_false(headers_have(buf_str(&block), STR("content")));
    assert_string_equal(headers_next(buf_str(&block), &at), "Content-Type: application/json");
    assert_string_equal(headers_next(buf_str(&block), &at), "X-Empty;");
    assert_null(headers_next(buf_str(&block), &at));
    buf_fini(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_json),
        cmocka_unit_test(bounds_number_and_size),
        cmocka_unit_test(finds_lines),
    };

    return cmocka_run_group_tests_name("dispatch/headers", tests, NULL, NULL);
}
