#include "token/authority.h"
#include "unit.h"

#include <rhonabwy.h>

#include "signing.h"
#include "token/keys.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define USER "aaaaaaaa-0000-4000-8000-000000000001"

static const struct moment now = {INT64_C(1000) * 1000000, 5000};

struct world {
    struct stats stats;
    struct authority authority;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    authority_init(&w->authority, STR(SECRET), 10, &w->stats);
    keyring_trust_until(w->authority.ring, UINT64_MAX);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    authority_fini(&w->authority);
    free(w);
    return 0;
}

static void put(struct world *w, struct test_key *key, unsigned n, const char *user,
                const char *scopes)
{
    test_key_init(key, n, user, scopes);
    assert_true(keyring_put(w->authority.ring, &key->row, now.ms));
}

static char *jwt(const char *role, int64_t expires)
{
    jwt_t *token = NULL;
    jwk_t *key = NULL;
    char *text;

    r_jwk_init(&key);
    r_jwk_import_from_symmetric_key(key, (const unsigned char *)SECRET, sizeof(SECRET) - 1);
    r_jwt_init(&token);
    r_jwt_set_sign_alg(token, R_JWA_ALG_HS256);
    r_jwt_set_claim_str_value(token, "role", role);
    r_jwt_set_claim_int_value(token, "exp", expires);
    text = r_jwt_serialize_signed(token, key, 0);
    r_jwk_free(key);
    r_jwt_free(token);
    return text;
}

/* Who a key is. */
static void test_roles(void **state)
{
    static const struct {
        const char *says, *user, *scopes;
        int64_t expires;
        const char *role, *claims;
    } rows[] = {
        {"a user's key is the user", USER, "[\"realtime\"]", KEY_FOREVER, "authenticated",
         "{\"role\":\"authenticated\",\"aud\":\"authenticated\",\"sub\":\"" USER
         "\",\"api_key_id\":\"00000000-0000-4000-8000-000000000001\",\"scopes\":[\"realtime\"]}"},
        {"a service's key is nobody", NULL, "[\"realtime\",\"x\"]", 2000, "anon",
         "{\"role\":\"anon\",\"aud\":\"authenticated\",\"exp\":2000,"
         "\"api_key_id\":\"00000000-0000-4000-8000-000000000001\","
         "\"scopes\":[\"realtime\",\"x\"]}"},
        {"unless it says that it serves", NULL, "[\"realtime\",\"service_role\"]", KEY_FOREVER,
         "service_role", NULL},
        {"or may do everything", NULL, "[\"*\"]", KEY_FOREVER, "service_role", NULL},
        {"a user who may do everything is still that user", USER, "[\"*\"]", KEY_FOREVER,
         "authenticated", NULL},
        {"a user's key that serves", USER, "[\"realtime\",\"service_role\"]", KEY_FOREVER,
         "service_role", NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct test_key key;
        struct token *token;
        struct err err;

        test_key_init(&key, 1, rows[i].user, rows[i].scopes);
        key.row.expires = rows[i].expires;
        assert_true(keyring_put(w->authority.ring, &key.row, now.ms));
        CHECK(authority_identify(&w->authority, str_c(key.text), SCOPE_REALTIME, now, &token,
                                 &err) == ACCESS_GRANTED,
              rows[i].says);
        CHECK_STR(str_c(token->role), str_c(rows[i].role), rows[i].says);
        CHECK_STR(str_c(token->sub), str_c(rows[i].user), rows[i].says);
        CHECK(token->expires == rows[i].expires, rows[i].says);
        CHECK_STR(str_c(token->key_id), str_c(key.id), rows[i].says);
        if (rows[i].claims)
            CHECK_STR(str_from(token->claims, token->claims_len), str_c(rows[i].claims),
                      rows[i].says);
        token_free(token);
    }
}

#define UNKNOWN "InvalidApiKey: There is no such API key, or it has expired or was revoked"

/* What a text may be used for. `key` is a scope of a key, `role` that of a JWT. */
static void test_needs(void **state)
{
    static const struct {
        const char *says, *key, *role;
        enum scope need;
        enum access access;
        const char *message;
    } rows[] = {
        {"a scope that is there", "[\"realtime\"]", NULL, SCOPE_REALTIME, ACCESS_GRANTED, NULL},
        {"one that is not", "[\"realtime\"]", NULL, SCOPE_BROADCAST, ACCESS_FORBIDDEN,
         "ApiKeyScopeMissing: The API key does not have the scope \"broadcast\""},
        {"service_role is a role, not a use", "[\"service_role\"]", NULL, SCOPE_ADMIN,
         ACCESS_FORBIDDEN, "ApiKeyScopeMissing: The API key does not have the scope \"admin\""},
        {"everything is every use", "[\"*\"]", NULL, SCOPE_ADMIN, ACCESS_GRANTED, NULL},
        {"any key says who it is", "[]", NULL, SCOPE_KEY, ACCESS_GRANTED, NULL},
        {"a token has no scopes", NULL, "anon", SCOPE_REALTIME, ACCESS_GRANTED, NULL},
        {"for anything", NULL, "authenticated", SCOPE_BROADCAST, ACCESS_GRANTED, NULL},
        {"but the admin's", NULL, "authenticated", SCOPE_ADMIN, ACCESS_FORBIDDEN,
         "Unauthorized: This is for the role service_role, and for API keys with the scope "
         "\"admin\""},
        {"which are the service's", NULL, "service_role", SCOPE_ADMIN, ACCESS_GRANTED, NULL},
        {"a token is not exchanged", NULL, "service_role", SCOPE_TOKEN, ACCESS_FORBIDDEN,
         "Unauthorized: This is for API keys only"},
        {"and is no key", NULL, "service_role", SCOPE_KEY, ACCESS_FORBIDDEN, NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *text = rows[i].role ? jwt(rows[i].role, 2000) : NULL;
        struct admission admission;
        struct test_key key;
        struct token *token;
        struct err err;
        struct str brought;

        put(w, &key, 1, NULL, rows[i].key ? rows[i].key : "[]");
        brought = str_c(text ? text : key.text);
        CHECK(authority_identify(&w->authority, brought, rows[i].need, now, &token, &err) ==
                  rows[i].access,
              rows[i].says);
        CHECK((token != NULL) == (rows[i].access == ACCESS_GRANTED), rows[i].says);
        if (rows[i].message)
            CHECK_STR(str_c(err.message), str_c(rows[i].message), rows[i].says);
        token_free(token);
        CHECK(authority_admit(&w->authority, brought, rows[i].need, now, &admission, &err) ==
                  rows[i].access,
              rows[i].says);
        CHECK((admission.token != NULL) == (rows[i].access == ACCESS_GRANTED), rows[i].says);
        authority_settle(&w->authority, &admission, now, false);
        r_free(text);
    }
}

static void test_strangers(void **state)
{
    static const struct {
        const char *says, *text, *message;
    } rows[] = {
        {"a key that there is not", "phk_00", UNKNOWN},
        {"the prefix alone", "phk_", UNKNOWN},
        {"a key of another prefix is no key", "sbk_00",
         "MalformedJWT: The token provided is not a valid JWT"},
        {"capitals", "PHK_00", "MalformedJWT: The token provided is not a valid JWT"},
        {"nothing", "", "MalformedJWT: The token provided is not a valid JWT"},
        {"bytes", "phk_\xff\xfe\x01", UNKNOWN},
    };
    struct world *w = *state;
    char *text = malloc(100000);
    struct str huge = {text, 100000};

    memset(text, 'a', huge.len);
    memcpy(text, "phk_", 4);
    for (size_t i = 0; i <= COUNT(rows); i++) {
        bool last = i == COUNT(rows);
        const char *says = last ? "a text without end" : rows[i].says;
        struct admission admission;
        struct token *token;
        struct err err;

        CHECK(authority_identify(&w->authority, last ? huge : str_c(rows[i].text), SCOPE_KEY, now,
                                 &token, &err) == ACCESS_DENIED,
              says);
        CHECK(!token, says);
        CHECK_STR(str_c(err.message), str_c(last ? UNKNOWN : rows[i].message), says);
        CHECK(authority_admit(&w->authority, last ? huge : str_c(rows[i].text), SCOPE_KEY, now,
                              &admission, &err) == ACCESS_DENIED,
              says);
        authority_settle(&w->authority, &admission, now, true);
    }
    CHECK(usage_is_empty(keyring_usage(w->authority.ring)), "who is unknown is not counted");
    assert_int_equal(stat_get(&w->stats.api_key_unknown_total), 8);
    free(text);
}

static void test_untrusted(void **state)
{
    struct world *w = *state;
    struct admission admission;
    struct test_key key;
    struct token *token;
    char *text = jwt("anon", 2000);
    struct err err;

    put(w, &key, 1, NULL, "[\"realtime\"]");
    assert_int_equal(
        authority_identify(&w->authority, str_c(key.text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_GRANTED);
    keyring_trust_until(w->authority.ring, now.ms);
    assert_int_equal(
        authority_admit(&w->authority, str_c(key.text), SCOPE_REALTIME, now, &admission, &err),
        ACCESS_LATER);
    assert_int_equal(admission.retry_after_s, 5);
    CHECK(str_starts(str_c(err.message), STR("InitializingProjectConnection: ")), err.message);
    authority_settle(&w->authority, &admission, now, true);
    token_free(token);
    assert_int_equal(
        authority_identify(&w->authority, str_c(text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_GRANTED);
    token_free(token);
    r_free(text);
}

static void test_rate_and_usage(void **state)
{
    struct world *w = *state;
    struct admission admission;
    struct usage_count counts[2];
    struct test_key key;
    struct err err;

    test_key_init(&key, 1, NULL, "[\"realtime\"]");
    key.row.per_minute = 3;
    assert_true(keyring_put(w->authority.ring, &key.row, now.ms));
    for (unsigned i = 0; i < 5; i++) {
        enum access access =
            authority_admit(&w->authority, str_c(key.text), i == 1 ? SCOPE_ADMIN : SCOPE_REALTIME,
                            now, &admission, &err);

        assert_int_equal(access, i == 1  ? ACCESS_FORBIDDEN
                                 : i < 3 ? ACCESS_GRANTED
                                         : ACCESS_LIMITED);
        assert_int_equal(admission.allowance.limit, 3);
        assert_int_equal(admission.allowance.remaining, i < 3 ? 2 - i : 0);
        assert_int_equal(admission.retry_after_s, i < 3 ? 0 : 20);
        authority_settle(&w->authority, &admission, now, access != ACCESS_GRANTED);
        authority_settle(&w->authority, &admission, now, true); /* once is enough */
    }
    assert_string_equal(err.message,
                        "ApiKeyRateLimitReached: At most 3 requests a minute; try again in 20 s");
    assert_int_equal(usage_take(keyring_usage(w->authority.ring), counts, 2), 1);
    assert_int_equal(counts[0].requests, 5);
    assert_int_equal(counts[0].errors, 3);
    assert_int_equal(counts[0].last_us, now.us);
    assert_string_equal(counts[0].key_id, key.id);
    assert_int_equal(stat_get(&w->stats.api_key_requests_total), 5);
    assert_int_equal(stat_get(&w->stats.api_key_limited_total), 2);
    assert_int_equal(stat_get(&w->stats.api_key_out_of_scope_total), 1);
}

static void test_renewing(void **state)
{
    struct world *w = *state;
    struct token *token, *renewed;
    struct test_key key;
    char *text = jwt("anon", 1500);
    struct moment later = {INT64_C(1600) * 1000000, 6000};
    struct err err;

    put(w, &key, 1, USER, "[\"realtime\"]");
    assert_int_equal(
        authority_identify(&w->authority, str_c(key.text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_GRANTED);
    key.row.expires = 1550;
    assert_true(keyring_put(w->authority.ring, &key.row, now.ms));
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, now, &renewed, &err),
                     ACCESS_GRANTED);
    assert_int_equal(renewed->expires, 1550);
    assert_string_equal(renewed->key_id, token->key_id);
    token_free(renewed);
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, later, &renewed, &err),
                     ACCESS_DENIED);
    key.row.expires = KEY_FOREVER;
    key.row.scopes = STR("[]");
    assert_true(keyring_put(w->authority.ring, &key.row, now.ms));
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, later, &renewed, &err),
                     ACCESS_FORBIDDEN);
    keyring_begin(w->authority.ring);
    keyring_drop_missing(w->authority.ring, str_c(key.id));
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, later, &renewed, &err),
                     ACCESS_DENIED);
    assert_string_equal(err.message, UNKNOWN);
    assert_null(renewed);
    token_free(token);

    assert_int_equal(
        authority_identify(&w->authority, str_c(text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_GRANTED);
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, now, &renewed, &err),
                     ACCESS_GRANTED);
    assert_null(renewed);
    assert_int_equal(authority_renew(&w->authority, token, SCOPE_REALTIME, later, &renewed, &err),
                     ACCESS_DENIED);
    assert_string_equal(err.message, "InvalidJWTToken: Token has expired 100 seconds ago");
    token_free(token);
    r_free(text);
}

static void on_unknown_key(void *arg)
{
    (void)arg;
}

/* A stranger, unless newer keys are being fetched: then he may not be one for long. */
static void tells_keys_that_may_come(void **state)
{
    struct world *w = *state;
    EVP_PKEY *key = signing_key(SIGNING_P256);
    struct token *token;
    struct buf text;
    struct err err;

    signing_token(&text, "{\"alg\":\"ES256\"}", STR("{\"role\":\"anon\",\"exp\":2000}"), key,
                  "SHA256", false);
    assert_int_equal(
        authority_identify(&w->authority, buf_str(&text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_DENIED);
    token_verifier_on_unknown_key(w->authority.verifier, on_unknown_key, NULL);
    assert_int_equal(
        authority_identify(&w->authority, buf_str(&text), SCOPE_REALTIME, now, &token, &err),
        ACCESS_UNKNOWN_KEY);
    assert_null(token);
    assert_int_equal(access_status(ACCESS_UNKNOWN_KEY), 401);
    buf_fini(&text);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_needs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_untrusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate_and_usage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renewing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_keys_that_may_come, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
