#include "unit.h"

#include "base/encode.h"
#include "token/header.h"

static const struct row {
    const char *sentence;
    const char *json;
    bool good;
    bool known;
    const char *kid; /* NULL: none */
} rows[] = {
    {"the least", "{\"alg\":\"HS256\"}", true, true, NULL},
    {"typ is not looked at", "{\"typ\":[],\"alg\":\"EdDSA\"}", true, true, NULL},
    {"the name of a key", "{\"alg\":\"ES256\",\"kid\":\"a b\"}", true, true, "a b"},
    {"keys that it brings along are not looked at",
     "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"},\"jku\":\"https://x\","
     "\"x5u\":\"https://x\",\"x5c\":[\"AAAA\"]}",
     true, true, NULL},

    {"no signature", "{\"alg\":\"none\"}", true, false, NULL},
    {"no signature, in capitals", "{\"alg\":\"NONE\"}", true, false, NULL},
    {"no signature, in both", "{\"alg\":\"nOnE\"}", true, false, NULL},
    {"no signature, with a blank", "{\"alg\":\"none \"}", true, false, NULL},
    {"no signature, without a name", "{\"alg\":\"\"}", true, false, NULL},
    {"an algorithm in another spelling", "{\"alg\":\"hs256\"}", true, false, NULL},
    {"one that is not taken", "{\"alg\":\"HS512\"}", true, false, NULL},
    {"one of encryption", "{\"alg\":\"RSA-OAEP\"}", true, false, NULL},

    {"no algorithm", "{\"typ\":\"JWT\"}", false, false, NULL},
    {"an algorithm that is no text", "{\"alg\":256}", false, false, NULL},
    {"null", "{\"alg\":null}", false, false, NULL},
    {"algorithms in an array", "{\"alg\":[\"HS256\"]}", false, false, NULL},
    {"two algorithms", "{\"alg\":\"none\",\"alg\":\"HS256\"}", false, false, NULL},
    {"two, one in disguise", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", false, false, NULL},
    {"a name of a key that is no text", "{\"alg\":\"HS256\",\"kid\":1}", false, false, NULL},
    {"an extension that must be understood", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
     false, false, NULL},
    {"an empty list of them", "{\"alg\":\"HS256\",\"crit\":[]}", false, false, NULL},
    {"a payload that is not encoded", "{\"alg\":\"HS256\",\"b64\":false}", false, false, NULL},
    {"a payload that would have to be unpacked", "{\"alg\":\"HS256\",\"zip\":\"DEF\"}", false,
     false, NULL},
    {"no object", "[\"HS256\"]", false, false, NULL},
    {"no JSON", "HS256", false, false, NULL},
    {"half of it", "{\"alg\":\"HS256\"", false, false, NULL},
    {"more than it", "{\"alg\":\"HS256\"}{}", false, false, NULL},
    {"bytes that are not UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xc3\"}", false, false, NULL},
};

static void reads_headers(void **state)
{
    (void)state;
    for
        EACH(struct row, row, rows)
        {
            struct header header;
            struct buf text;

            buf_init(&text, 4096);
            base64url_encode(&text, (const uint8_t *)row->json, strlen(row->json));
            CHECK(header_read(buf_str(&text), &header) == row->good, row->sentence);
            CHECK(header.known == row->known, row->sentence);
            CHECK_STR(str_c(header.kid), str_c(row->kid), row->sentence);
            header_fini(&header);
            buf_fini(&text);
        }
}

static void bounds_names(void **state)
{
    (void)state;
    for (size_t len = 256; len <= 257; len++) {
        struct header header;
        struct buf json, text;

        buf_init(&json, 4096);
        buf_init(&text, 4096);
        buf_add_c(&json, "{\"alg\":\"HS256\",\"kid\":\"");
        for (size_t i = 0; i < len; i++)
            buf_add_char(&json, 'k');
        buf_add_c(&json, "\"}");
        base64url_encode(&text, (const uint8_t *)json.data, json.len);
        assert_int_equal(header_read(buf_str(&text), &header), len == 256);
        header_fini(&header);
        buf_fini(&json);
        buf_fini(&text);
    }
}

static void refuses_bad_base64(void **state)
{
    struct header header;

    (void)state;
    assert_false(header_read(STR(""), &header));
    assert_false(header_read(STR("e"), &header));
    assert_false(header_read(STR("eyJhbGciOiJIUzI1NiJ9!"), &header));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_headers),
        cmocka_unit_test(bounds_names),
        cmocka_unit_test(refuses_bad_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
