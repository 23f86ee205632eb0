#include "token/authority.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_CLAIMS 65536
#define RETRY_UNTRUSTED_S 5

struct moment moment_now(void)
{
    return (struct moment){clock_now_us(), clock_monotonic_ms()};
}

static int64_t seconds(struct moment now)
{
    return now.us / 1000000;
}

void authority_init(struct authority *authority, struct str jwt_secret, size_t max_keys,
                    struct stats *stats)
{
    authority->verifier = token_verifier_new(jwt_secret);
    authority->ring = keyring_new(max_keys);
    authority->stats = stats;
}

void authority_fini(struct authority *authority)
{
    token_verifier_free(authority->verifier);
    keyring_free(authority->ring);
    memset(authority, 0, sizeof(*authority));
}

unsigned access_status(enum access access)
{
    switch (access) {
    case ACCESS_GRANTED:
        return 200;
    case ACCESS_DENIED:
    case ACCESS_UNKNOWN_KEY:
        return 401;
    case ACCESS_FORBIDDEN:
        return 403;
    case ACCESS_LIMITED:
        return 429;
    case ACCESS_LATER:
        return 503;
    }
    return 500;
}

/* Keys */

static const char *role_of(const struct key *key)
{
    bool serves =
        key->scopes & SCOPE_IS_SERVICE_ROLE || (key->scopes & SCOPE_IS_EVERYTHING && !key->user_id);

    return serves ? "service_role" : key->user_id ? "authenticated" : "anon";
}

/* The claims of a token that says the same. */
static void write_claims(struct buf *out, const struct key *key)
{
    buf_addf(out, "{\"role\":\"%s\",\"aud\":\"authenticated\"", role_of(key));
    if (key->user_id) {
        buf_add_c(out, ",\"sub\":");
        json_add_string(out, str_c(key->user_id));
    }
    if (key->expires != KEY_FOREVER)
        buf_addf(out, ",\"exp\":%" PRId64, key->expires);
    buf_addf(out, ",\"api_key_id\":\"%s\",\"scopes\":%s}", key->id, key->scopes_json);
}

static struct token *token_of_key(const struct key *key)
{
    struct token *token = mem_alloc(sizeof(*token));
    struct buf claims;

    buf_init(&claims, MAX_CLAIMS + strlen(key->scopes_json));
    write_claims(&claims, key);
    token->role = mem_strdup(role_of(key));
    token->sub = mem_strdup(key->user_id);
    token->expires = key->expires;
    token->claims = buf_take(&claims, &token->claims_len);
    memcpy(token->key_id, key->id, sizeof(token->key_id));
    token->scopes = key->scopes;
    return token;
}

static enum access untrusted(struct err *err)
{
    (void)err_set(err, "InitializingProjectConnection: The API keys are not known right now, try "
                       "again");
    return ACCESS_LATER;
}

/* One word for unknown, revoked and expired: who tries keys learns nothing. */
static enum access unknown(struct err *err)
{
    (void)err_set(err, "InvalidApiKey: There is no such API key, or it has expired or was revoked");
    return ACCESS_DENIED;
}

static enum access check_scope(const struct authority *authority, const struct key *key,
                               enum scope need, struct err *err)
{
    if ((key->scopes & need) == (unsigned)need)
        return ACCESS_GRANTED;
    stat_add(&authority->stats->api_key_out_of_scope_total, 1);
    (void)err_set(err, "ApiKeyScopeMissing: The API key does not have the scope \"%s\"",
                  scope_name(need));
    return ACCESS_FORBIDDEN;
}

static enum access find_key(const struct authority *authority, struct str text, struct moment now,
                            struct key **out, struct err *err)
{
    *out = NULL;
    if (!keyring_is_trusted(authority->ring, now.ms))
        return untrusted(err);
    *out = keyring_find(authority->ring, text, seconds(now));
    if (*out)
        return ACCESS_GRANTED;
    stat_add(&authority->stats->api_key_unknown_total, 1);
    return unknown(err);
}

/* Tokens */

static enum access check_role(const struct token *token, enum scope need, struct err *err)
{
    if (need == SCOPE_KEY || need == SCOPE_TOKEN) {
        (void)err_set(err, "Unauthorized: This is for API keys only");
        return ACCESS_FORBIDDEN;
    }
    if (need == SCOPE_ADMIN && strcmp(token->role, "service_role") != 0) {
        (void)err_set(err, "Unauthorized: This is for the role service_role, and for API keys with "
                           "the scope \"admin\"");
        return ACCESS_FORBIDDEN;
    }
    return ACCESS_GRANTED;
}

static enum access identify_token(const struct authority *authority, struct str text,
                                  enum scope need, struct moment now, struct token **out,
                                  struct err *err)
{
    enum token_fault fault = token_verify(authority->verifier, text, seconds(now), out, err);
    enum access access;

    if (fault != TOKEN_VALID)
        return fault == TOKEN_UNKNOWN_KEY ? ACCESS_UNKNOWN_KEY : ACCESS_DENIED;
    access = check_role(*out, need, err);
    if (access != ACCESS_GRANTED) {
        token_free(*out);
        *out = NULL;
    }
    return access;
}

enum access authority_identify(const struct authority *authority, struct str text, enum scope need,
                               struct moment now, struct token **out, struct err *err)
{
    struct key *key;
    enum access access;

    *out = NULL;
    if (!key_has_prefix(text))
        return identify_token(authority, text, need, now, out, err);
    access = find_key(authority, text, now, &key, err);
    if (access == ACCESS_GRANTED)
        access = check_scope(authority, key, need, err);
    if (access == ACCESS_GRANTED)
        *out = token_of_key(key);
    return access;
}

enum access authority_identify_key(const struct authority *authority, const char *key_id,
                                   enum scope need, struct moment now, struct token **out,
                                   struct err *err)
{
    struct key *key;
    enum access access;

    *out = NULL;
    if (!keyring_is_trusted(authority->ring, now.ms))
        return untrusted(err);
    key = keyring_find_id(authority->ring, str_c(key_id), seconds(now));
    if (!key)
        return unknown(err);
    access = check_scope(authority, key, need, err);
    if (access == ACCESS_GRANTED)
        *out = token_of_key(key);
    return access;
}

enum access authority_renew(const struct authority *authority, const struct token *token,
                            enum scope need, struct moment now, struct token **out, struct err *err)
{
    *out = NULL;
    if (token->key_id[0])
        return authority_identify_key(authority, token->key_id, need, now, out, err);
    if (token->expires > seconds(now))
        return ACCESS_GRANTED;
    (void)err_set(err, "InvalidJWTToken: Token has expired %" PRId64 " seconds ago",
                  seconds(now) - token->expires);
    return ACCESS_DENIED;
}

/* Requests */

static enum access take_one(const struct authority *authority, struct key *key, struct moment now,
                            struct admission *out, struct err *err)
{
    out->retry_after_s = quota_take(key->quota, now.ms, &out->allowance);
    if (out->retry_after_s == 0)
        return ACCESS_GRANTED;
    stat_add(&authority->stats->api_key_limited_total, 1);
    (void)err_set(err,
                  "ApiKeyRateLimitReached: At most %" PRIu32 " requests a minute; try again "
                  "in %u s",
                  out->allowance.limit, out->retry_after_s);
    return ACCESS_LIMITED;
}

enum access authority_admit(const struct authority *authority, struct str text, enum scope need,
                            struct moment now, struct admission *out, struct err *err)
{
    struct key *key;
    enum access access;

    memset(out, 0, sizeof(*out));
    if (!key_has_prefix(text))
        return identify_token(authority, text, need, now, &out->token, err);
    access = find_key(authority, text, now, &key, err);
    if (access == ACCESS_LATER)
        out->retry_after_s = RETRY_UNTRUSTED_S;
    if (access != ACCESS_GRANTED)
        return access;
    memcpy(out->key_id, key->id, sizeof(out->key_id));
    access = take_one(authority, key, now, out, err);
    if (access == ACCESS_GRANTED)
        access = check_scope(authority, key, need, err);
    if (access == ACCESS_GRANTED)
        out->token = token_of_key(key);
    return access;
}

void authority_settle(const struct authority *authority, struct admission *admission,
                      struct moment now, bool failed)
{
    struct usage_count count = {.last_us = now.us, .requests = 1, .errors = failed};

    if (admission->key_id[0]) {
        memcpy(count.key_id, admission->key_id, sizeof(count.key_id));
        usage_add(keyring_usage(authority->ring), &count);
        stat_add(&authority->stats->api_key_requests_total, 1);
    }
    token_free(admission->token);
    memset(admission, 0, sizeof(*admission));
}
