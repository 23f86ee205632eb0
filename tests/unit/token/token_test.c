#include "unit.h"

#include "world.h"

static const struct {
    const char *sentence;
    const char *text;
    enum token_fault fault;
} raw_rows[] = {
    {"nothing", "", TOKEN_MALFORMED},
    {"no dots", "abc", TOKEN_MALFORMED},
    {"one dot", "abc.def", TOKEN_MALFORMED},
    {"three dots", "a.b.c.d", TOKEN_MALFORMED},
    {"empty parts", "..", TOKEN_MALFORMED},
    {"an opaque key", "sb_publishable_abc", TOKEN_MALFORMED},
    {"bytes outside of the alphabet", "eyJ h.eyJ.abc", TOKEN_MALFORMED},
    {"the other alphabet of base64", "eyJhbGciOiJIUzI1NiJ9.e30.+/+/", TOKEN_MALFORMED},
    {"padding", "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", TOKEN_MALFORMED},
    {"letters that look the same", "\xd0\xb5yJhbGciOiJIUzI1NiJ9.e30.AAAA", TOKEN_MALFORMED},
    {"a header that is no JSON", "YWJj.eyJ9.YWJj", TOKEN_MALFORMED},
    {"a header of a length that no base64 has", "eyJhb.e30.AAAA", TOKEN_MALFORMED},
    {"JSON instead of base64", "{\"alg\":\"none\"}.{}.", TOKEN_MALFORMED},
    {"the JSON form of a signature", "{\"payload\":\"e30\",\"signatures\":[]}", TOKEN_MALFORMED},
    {"an encrypted token has five parts", "eyJhbGciOiJkaXIifQ.a.b.c.d", TOKEN_MALFORMED},
    /* {"alg":"none"} */
    {"an unsigned token", "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYW5vbiIsImV4cCI6MjAwMH0.",
     TOKEN_UNTRUSTED},
    {"an unsigned token with a signature",
     "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYW5vbiIsImV4cCI6MjAwMH0.AAAA", TOKEN_UNTRUSTED},
    /* {"alg":"HS256"} */
    {"a signature left out", "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiIsImV4cCI6MjAwMH0.",
     TOKEN_UNTRUSTED},
};

static void test_raw(void **state)
{
    const struct world *w = *state;

    for (size_t i = 0; i < COUNT(raw_rows); i++)
        CHECK(verify(w, str_c(raw_rows[i].text)) == raw_rows[i].fault, raw_rows[i].sentence);
}

static void test_bounds(void **state)
{
    static const size_t sizes[] = {11000, 12500, 1 << 20};
    const struct world *w = *state;
    struct token_verifier *none = token_verifier_new(STR(""));
    struct err err = {0};
    struct token *token;
    struct buf text, claims;

    signing_token_hmac(&text, HS256, CLAIMS, EVP_sha256(), STR(""));
    assert_int_equal(token_verify(none, buf_str(&text), NOW, &token, &err), TOKEN_UNTRUSTED);
    buf_fini(&text);
    token_verifier_free(none);

    for (size_t i = 0; i < COUNT(sizes); i++) {
        buf_init(&claims, 1 << 21);
        buf_add_c(&claims, "{\"role\":\"anon\",\"exp\":2000,\"x\":\"");
        while (claims.len < sizes[i])
            buf_add_char(&claims, 'x');
        buf_add_c(&claims, "\"}");
        signing_token_hmac(&text, HS256, buf_str(&claims), EVP_sha256(), STR(SECRET));
        assert_int_equal(verify(w, buf_str(&text)),
                         text.len > TOKEN_MAX_BYTES ? TOKEN_MALFORMED : TOKEN_VALID);
        buf_fini(&text);
        buf_fini(&claims);
    }
}

/* Tokens are not unpacked: a few bytes would become megabytes, before the signature is looked at.
 */
static void test_no_zip(void **state)
{
    const struct world *w = *state;
    /* {"alg":"HS256","zip":"DEF"}; 64 kB of blanks, deflated, would follow */
    char bomb[] =
        "eyJhbGciOiJIUzI1NiIsInppcCI6IkRFRiJ9.7cEBDQAAAMKg909tDjegAAAAAAAAAAAAvg0hAAAB.AAAA";

    assert_int_equal(verify(w, str_c(bomb)), TOKEN_MALFORMED);
}

/* Of keys without a name a few are tried, not as many as a set may hold. */
static void test_tries(void **state)
{
    const struct world *w = *state;
    struct token_verifier *verifier = token_verifier_new(STR(""));
    struct buf set, text;
    struct token *token;
    struct jwks *jwks;
    struct err err;

    signing_token(&text, "{\"alg\":\"EdDSA\"}", CLAIMS, w->keys[ED], NULL, false);
    for (size_t before = 3; before <= 4; before++) {
        buf_init(&set, 65536);
        buf_add_c(&set, "{\"keys\":[");
        for (size_t i = 0; i < before; i++) {
            signing_add_jwk(&set, w->keys[ED_B], "");
            buf_add_char(&set, ',');
        }
        signing_add_jwk(&set, w->keys[ED], "");
        buf_add_c(&set, "]}");
        assert_int_equal(jwks_read(buf_str(&set), JWKS_OF_URL, &jwks, &err), OK);
        token_verifier_set_keys(verifier, JWKS_OF_URL, jwks);
        assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &token, &err),
                         before == 3 ? TOKEN_VALID : TOKEN_UNTRUSTED);
        token_free(token);
        buf_fini(&set);
    }
    buf_fini(&text);
    token_verifier_free(verifier);
}

/* A shared secret that stands in a file beside, or instead of, that of the settings. */
static void test_secret_of_file(void **state)
{
    const char *set = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":"
                      "\"YW5vdGhlci1zZWNyZXQtb2YtYXQtbGVhc3QtMzItYnl0ZXMtdG9v\"}]}";
    struct world *w = *state;
    struct buf text;
    struct jwks *jwks;
    struct err err;

    signing_token_hmac(&text, "{\"alg\":\"HS256\",\"kid\":\"s\"}", CLAIMS, EVP_sha256(),
                       STR(OTHER_SECRET));
    assert_int_equal(verify(w, buf_str(&text)), TOKEN_UNTRUSTED);
    assert_int_equal(jwks_read(str_c(set), JWKS_OF_FILE, &jwks, &err), OK);
    token_verifier_set_keys(w->verifier, JWKS_OF_FILE, jwks);
    assert_int_equal(verify(w, buf_str(&text)), TOKEN_VALID);
    buf_fini(&text);
    signing_token_hmac(&text, HS256, CLAIMS, EVP_sha256(), STR(SECRET));
    assert_int_equal(verify(w, buf_str(&text)), TOKEN_VALID);
    buf_fini(&text);
}

static void count(void *arg)
{
    (*(int *)arg)++;
}

/* What makes it worth to look for newer keys: a signature that a key we do not have may have made.
 */
static void test_unknown_keys(void **state)
{
    static const struct {
        const char *sentence;
        const char *header;
        enum key key;
        const char *digest;
        bool asks;
    } cases[] = {
        {"a new kid", "{\"alg\":\"ES256\",\"kid\":\"new\"}", P256_B, "SHA256", true},
        {"a new key without a kid", "{\"alg\":\"ES256\"}", P256_B, "SHA256", true},
        {"a bad signature of a known key", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", P256_B, "SHA256",
         false},
        {"a good one", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", P256, "SHA256", false},
        {"an algorithm that is not taken", "{\"alg\":\"ES512\",\"kid\":\"new\"}", P256, "SHA256",
         false},
        {"a secret is never fetched", "{\"alg\":\"HS256\",\"kid\":\"new\"}", P256, "SHA256", false},
    };
    struct world *w = *state;
    int asked = 0;

    token_verifier_on_unknown_key(w->verifier, count, &asked);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text;

        asked = 0;
        signing_token(&text, cases[i].header, CLAIMS, w->keys[cases[i].key], cases[i].digest,
                      false);
        CHECK((verify(w, buf_str(&text)) == TOKEN_UNKNOWN_KEY) == cases[i].asks, cases[i].sentence);
        CHECK(asked == cases[i].asks, cases[i].sentence);
        buf_fini(&text);
    }
    token_verifier_on_unknown_key(w->verifier, NULL, NULL);
}

static struct jwks *set_of(const struct world *w, enum key key)
{
    struct jwks *jwks;
    struct buf text;
    struct err err;

    buf_init(&text, 65536);
    buf_add_c(&text, "{\"keys\":[");
    signing_add_jwk(&text, w->keys[key], ",\"kid\":\"k\"");
    buf_add_c(&text, "]}");
    assert_int_equal(jwks_read(buf_str(&text), JWKS_OF_URL, &jwks, &err), OK);
    buf_fini(&text);
    return jwks;
}

/* A token that was verified is not verified again, until it expires or the keys change. */
static void test_cache(void **state)
{
    const struct world *w = *state;
    struct token_verifier *verifier = token_verifier_new(STR(""));
    struct stats stats = {0};
    struct token *first, *second;
    struct buf text;
    struct err err;

    token_verifier_set_cache(verifier, 64, &stats);
    token_verifier_set_keys(verifier, JWKS_OF_URL, set_of(w, P256));
    signing_token(&text, "{\"alg\":\"ES256\",\"kid\":\"k\"}", CLAIMS, w->keys[P256], "SHA256",
                  false);
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &first, &err), TOKEN_VALID);
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &second, &err), TOKEN_VALID);
    assert_ptr_equal(first, second);
    assert_int_equal(stat_get(&stats.tokens_checked_total), 1);
    assert_int_equal(stat_get(&stats.tokens_cached_total), 1);
    assert_true(token_verifier_has_key(verifier, first->signer));
    token_free(second);
    assert_int_equal(token_verify(verifier, buf_str(&text), 2000, &second, &err), TOKEN_EXPIRED);
    assert_string_equal(err.message, "InvalidJWTToken: Token has expired 0 seconds ago");

    token_verifier_set_keys(verifier, JWKS_OF_URL, set_of(w, P256_B));
    assert_int_equal(token_verify(verifier, buf_str(&text), NOW, &second, &err), TOKEN_UNTRUSTED);
    assert_false(token_verifier_has_key(verifier, first->signer));
    assert_true(token_verifier_has_key(verifier, 0));
    token_free(first);
    buf_fini(&text);
    token_verifier_free(verifier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_zip),
        cmocka_unit_test(test_tries),
        cmocka_unit_test(test_secret_of_file),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_cache),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
