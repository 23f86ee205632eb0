#include "unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "token/token.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define NOW 1000

static void add_base64url(struct buf *out, const void *data, size_t len)
{
    struct buf text;

    buf_init(&text, 1 << 20);
    base64_encode(&text, data, len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c != '=')
            buf_add_char(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    buf_fini(&text);
}

static void sign(struct buf *out, const char *header, const char *claims, const char *secret)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    buf_init(out, 1 << 20);
    add_base64url(out, header, strlen(header));
    buf_add_char(out, '.');
    add_base64url(out, claims, strlen(claims));
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out->data, out->len, mac,
         &len);
    buf_add_char(out, '.');
    add_base64url(out, mac, len);
}

#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static const struct {
    const char *sentence;
    const char *header;
    const char *claims;
    const char *secret;
    enum token_fault fault;
    const char *message;
} signed_cases[] = {
    {"a good token is taken", HS256, "{\"role\":\"anon\",\"exp\":2000}", SECRET, TOKEN_VALID, ""},
    {"typ is optional", "{\"alg\":\"HS256\"}", "{\"role\":\"anon\",\"exp\":2000}", SECRET,
     TOKEN_VALID, ""},
    {"a time may have a fraction", HS256, "{\"role\":\"anon\",\"exp\":2000.5}", SECRET, TOKEN_VALID,
     ""},
    {"another secret", HS256, "{\"role\":\"anon\",\"exp\":2000}", "x" SECRET, TOKEN_UNTRUSTED,
     "JwtSignatureError: Failed to validate JWT signature"},
    {"alg none, though signed", "{\"alg\":\"none\"}", "{\"role\":\"anon\",\"exp\":2000}", SECRET,
     TOKEN_MALFORMED, NULL},
    {"alg of another kind of key", "{\"alg\":\"RS256\"}", "{\"role\":\"anon\",\"exp\":2000}",
     SECRET, TOKEN_UNTRUSTED, NULL},
    {"alg of the same kind, which was not agreed on", "{\"alg\":\"HS512\"}",
     "{\"role\":\"anon\",\"exp\":2000}", SECRET, TOKEN_UNTRUSTED, NULL},
    {"expired", HS256, "{\"role\":\"anon\",\"exp\":990}", SECRET, TOKEN_EXPIRED,
     "InvalidJWTToken: Token has expired 10 seconds ago"},
    {"expired this very second", HS256, "{\"role\":\"anon\",\"exp\":1000}", SECRET, TOKEN_EXPIRED,
     NULL},
    {"not yet valid", HS256, "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1001}", SECRET,
     TOKEN_TOO_EARLY, NULL},
    {"valid from now", HS256, "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1000}", SECRET, TOKEN_VALID,
     ""},
    {"no exp", HS256, "{\"role\":\"anon\"}", SECRET, TOKEN_INCOMPLETE,
     "InvalidJWTToken: Fields `role` and `exp` are required in JWT"},
    {"exp is text", HS256, "{\"role\":\"anon\",\"exp\":\"2000\"}", SECRET, TOKEN_INCOMPLETE, NULL},
    {"no role", HS256, "{\"exp\":2000}", SECRET, TOKEN_INCOMPLETE,
     "InvalidJWTToken: Fields `role` and `exp` are required in JWT"},
    {"an empty role", HS256, "{\"role\":\"\",\"exp\":2000}", SECRET, TOKEN_INCOMPLETE, NULL},
    {"a role that PostgreSQL would cut", HS256,
     "{\"role\":\"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\",\"exp\":2000}",
     SECRET, TOKEN_INCOMPLETE, NULL},
    {"claims that are no object", HS256, "[1]", SECRET, TOKEN_MALFORMED,
     "MalformedJWT: The token provided is not a valid JWT"},
    {"claims that are no JSON", HS256, "role=anon", SECRET, TOKEN_MALFORMED, NULL},
    {"claims that jsonb does not take", HS256, "{\"role\":\"anon\",\"exp\":2000,\"x\":\"\\u0000\"}",
     SECRET, TOKEN_MALFORMED, NULL},
};

static void test_signed(void **state)
{
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));

    (void)state;
    for (size_t i = 0; i < sizeof(signed_cases) / sizeof(signed_cases[0]); i++) {
        struct err err = {0};
        struct token *token;
        struct buf text;
        enum token_fault fault;

        sign(&text, signed_cases[i].header, signed_cases[i].claims, signed_cases[i].secret);
        fault = token_verify(verifier, buf_str(&text), NOW, &token, &err);
        if (fault != signed_cases[i].fault)
            fail_msg("%s: fault %d, %s", signed_cases[i].sentence, (int)fault, err.message);
        if (signed_cases[i].message)
            assert_string_equal(err.message, signed_cases[i].message);
        assert_int_equal(fault == TOKEN_VALID, token != NULL);
        token_free(token);
        buf_fini(&text);
    }
    token_verifier_free(verifier);
}

static void test_contents(void **state)
{
    const char *claims = "{\"sub\":\"u1\", \"role\":\"authenticated\",\"exp\":2000,\"n\":1.10}";
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));
    struct err err = {0};
    struct token *token;
    struct buf text;

    (void)state;
    sign(&text, HS256, claims, SECRET);
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &token, &err), TOKEN_VALID);
    assert_string_equal(token->role, "authenticated");
    assert_string_equal(token->sub, "u1");
    assert_int_equal(token->expires, 2000);
    assert_string_equal(token->claims, claims);
    token_free(token);
    buf_fini(&text);
    token_verifier_free(verifier);
}

static const struct {
    const char *sentence;
    const char *text;
    enum token_fault fault;
} raw_cases[] = {
    {"nothing", "", TOKEN_MALFORMED},
    {"no dots", "abc", TOKEN_MALFORMED},
    {"one dot", "abc.def", TOKEN_MALFORMED},
    {"three dots", "a.b.c.d", TOKEN_MALFORMED},
    {"empty parts", "..", TOKEN_MALFORMED},
    {"an opaque key", "sb_publishable_abc", TOKEN_MALFORMED},
    {"bytes outside of the alphabet", "eyJ h.eyJ.abc", TOKEN_MALFORMED},
    {"a header that is no JSON", "YWJj.eyJ9.YWJj", TOKEN_MALFORMED},
    /* {"alg":"none"}.{"role":"anon","exp":2000}. */
    {"an unsigned token", "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYW5vbiIsImV4cCI6MjAwMH0.",
     TOKEN_UNTRUSTED},
};

static void test_raw(void **state)
{
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));

    (void)state;
    for (size_t i = 0; i < sizeof(raw_cases) / sizeof(raw_cases[0]); i++) {
        struct err err = {0};
        struct token *token;
        enum token_fault fault =
            token_verify(verifier, str_c(raw_cases[i].text), NOW, &token, &err);

        if (fault != raw_cases[i].fault)
            fail_msg("%s: fault %d, %s", raw_cases[i].sentence, (int)fault, err.message);
        assert_null(token);
    }
    token_verifier_free(verifier);
}

static void test_bounds(void **state)
{
    struct token_verifier *none = token_verifier_new(STR(""));
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));
    struct err err = {0};
    struct token *token;
    struct buf text, claims;

    (void)state;
    sign(&text, HS256, "{\"role\":\"anon\",\"exp\":2000}", "");
    assert_int_equal(token_verify(none, buf_str(&text), NOW, &token, &err), TOKEN_UNTRUSTED);
    buf_fini(&text);

    buf_init(&claims, 1 << 20);
    buf_add_c(&claims, "{\"role\":\"anon\",\"exp\":2000,\"x\":\"");
    for (int i = 0; i < TOKEN_MAX_BYTES; i++)
        buf_add_char(&claims, 'x');
    buf_add_c(&claims, "\"}");
    sign(&text, HS256, claims.data, SECRET);
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &token, &err), TOKEN_MALFORMED);
    buf_fini(&text);

    /* One flipped letter anywhere must not pass. */
    sign(&text, HS256, "{\"role\":\"anon\",\"exp\":2000}", SECRET);
    for (size_t i = 0; i + 1 < text.len; i++) {
        char kept = text.data[i];

        text.data[i] = kept == 'A' ? 'B' : 'A';
        assert_int_not_equal(token_verify(verifier, buf_str(&text), NOW, &token, &err),
                             TOKEN_VALID);
        text.data[i] = kept;
    }
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &token, &err), TOKEN_VALID);
    token_free(token);
    buf_fini(&text);
    buf_fini(&claims);
    token_verifier_free(verifier);
    token_verifier_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
