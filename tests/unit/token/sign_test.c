#include "token/sign.h"
#include "unit.h"

#include "token/authority.h"
#include "token/keys.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define USER "aaaaaaaa-0000-4000-8000-000000000001"
#define KEY "00000000-0000-4000-8000-000000000001"

static struct token *token_of_key(const char *user, const char *scopes, int64_t expires)
{
    const struct moment now = {0};
    struct stats stats = {0};
    struct authority authority;
    struct test_key key;
    struct token *token;
    struct err err;

    authority_init(&authority, STR(SECRET), 1, &stats);
    keyring_trust_until(authority.ring, UINT64_MAX);
    test_key_init(&key, 1, user, scopes);
    key.row.expires = expires;
    assert_true(keyring_put(authority.ring, &key.row, 0));
    if (authority_identify(&authority, str_c(key.text), SCOPE_KEY, now, &token, &err))
        fail_msg("%s", err.message);
    authority_fini(&authority);
    return token;
}

/* What comes out is taken by whoever knows the secret, until its end. */
static void check(struct str text, int64_t now, int64_t expires, const char *claims,
                  const char *says)
{
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));
    struct token *token;
    struct err err;

    if (token_verify(verifier, text, now, &token, &err))
        fail_msg("%s: %s", says, err.message);
    CHECK_STR(str_from(token->claims, token->claims_len), str_c(claims), says);
    CHECK(token->expires == expires, says);
    CHECK(token->key_id[0] == '\0', says);
    token_free(token);
    CHECK(token_verify(verifier, text, expires, &token, &err) == TOKEN_EXPIRED, says);
    token_verifier_free(verifier);
}

static void test_for_key(void **state)
{
    static const struct {
        const char *says, *user, *scopes;
        int64_t key_expires;
        const char *claims;
    } rows[] = {
        {"a user's key", USER, "[\"token\",\"x\\\"\"]", KEY_FOREVER,
         "{\"role\":\"authenticated\",\"aud\":\"authenticated\",\"sub\":\"" USER
         "\",\"api_key_id\":\"" KEY "\",\"scopes\":[\"token\",\"x\\\"\"],\"iss\":\"pgherald\","
         "\"iat\":100,\"exp\":700}"},
        {"the token's end is not the key's", NULL, "[\"*\"]", 5000,
         "{\"role\":\"service_role\",\"aud\":\"authenticated\",\"exp\":700,\"api_key_id\":\"" KEY
         "\",\"scopes\":[\"*\"],\"iss\":\"pgherald\",\"iat\":100}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct token *key = token_of_key(rows[i].user, rows[i].scopes, rows[i].key_expires);
        struct buf text;
        struct err err;

        buf_init(&text, TOKEN_MAX_BYTES);
        CHECK(sign_for_key(STR(SECRET), key, 100, 700, &text, &err) == OK, rows[i].says);
        check(buf_str(&text), 100, 700, rows[i].claims, rows[i].says);
        buf_fini(&text);
        token_free(key);
    }
}

static void test_for_service(void **state)
{
    struct buf text;
    struct err err;

    (void)state;
    buf_init(&text, TOKEN_MAX_BYTES);
    assert_int_equal(sign_for_service(STR(SECRET), 100, 160, &text, &err), OK);
    check(buf_str(&text), 100, 160,
          "{\"role\":\"service_role\",\"iss\":\"pgherald\",\"iat\":100,\"exp\":160}", "ours");
    buf_clear(&text);
    assert_int_equal(sign_for_service(STR(""), 100, 160, &text, &err), FAILED);
    assert_string_equal(err.message, "TokenNotSigned: The server has no jwt_secret to sign with");
    assert_int_equal(text.len, 0);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_for_key),
                                       cmocka_unit_test(test_for_service)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
