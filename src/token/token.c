#include "token/token.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "token/cache.h"
#include "token/claims.h"
#include "token/header.h"
#include "token/set.h"

/* Signatures that are checked for one token: several keys may have no name, or the same one. */
#define MAX_TRIES 4

#define ORIGINS 2

struct token_verifier {
    struct jwk *secret;         /* NULL: none */
    struct jwks *sets[ORIGINS]; /* by enum jwks_origin; NULL: none (yet) */
    struct token_rules rules;
    struct cache *cache; /* NULL: none */
    struct stats *stats; /* NULL: nobody counts */
    void (*on_unknown_key)(void *arg);
    void *unknown_arg;
};

struct token *token_ref(struct token *token)
{
    token->further_refs++;
    return token;
}

void token_free(struct token *token)
{
    if (!token)
        return;
    if (token->further_refs > 0) {
        token->further_refs--;
        return;
    }
    free(token->role);
    free(token->sub);
    free(token->claims);
    free(token);
}

/* The verifier */

struct token_verifier *token_verifier_new(struct str secret)
{
    struct token_verifier *verifier = mem_alloc(sizeof(*verifier));

    if (secret.len > 0) {
        verifier->secret = mem_alloc(sizeof(*verifier->secret));
        jwk_of_secret(secret, verifier->secret);
    }
    return verifier;
}

void token_verifier_free(struct token_verifier *verifier)
{
    if (!verifier)
        return;
    if (verifier->secret)
        jwk_fini(verifier->secret);
    free(verifier->secret);
    for (size_t i = 0; i < ORIGINS; i++)
        jwks_free(verifier->sets[i]);
    cache_free(verifier->cache);
    free(verifier);
}

void token_verifier_set_rules(struct token_verifier *verifier, const struct token_rules *rules)
{
    verifier->rules = *rules;
}

void token_verifier_set_cache(struct token_verifier *verifier, size_t tokens, struct stats *stats)
{
    cache_free(verifier->cache);
    verifier->cache = cache_new(tokens);
    verifier->stats = stats;
}

void token_verifier_set_keys(struct token_verifier *verifier, enum jwks_origin origin,
                             struct jwks *keys)
{
    jwks_free(verifier->sets[origin]);
    verifier->sets[origin] = keys;
    if (verifier->cache)
        cache_clear(verifier->cache);
}

const struct jwks *token_verifier_keys(const struct token_verifier *verifier,
                                       enum jwks_origin origin)
{
    return verifier->sets[origin];
}

bool token_verifier_has_key(const struct token_verifier *verifier, uint64_t key)
{
    if (key == 0)
        return true;
    for (size_t set = 0; set < ORIGINS; set++)
        for (size_t i = 0; verifier->sets[set] && i < verifier->sets[set]->count; i++)
            if (verifier->sets[set]->keys[i].id == key)
                return true;
    return false;
}

void token_verifier_on_unknown_key(struct token_verifier *verifier, void (*cb)(void *arg),
                                   void *arg)
{
    verifier->on_unknown_key = cb;
    verifier->unknown_arg = arg;
}

/* The signature */

/* A token on its way through the checks. */
struct candidate {
    struct str text;
    struct str signature; /* in base64url */
    struct header header;
    jws_t *jws;
    unsigned tries;
    bool named;            /* a key of the kid in its header is known */
    const struct jwk *key; /* which signed it */
};

/* Three non-empty runs of the URL alphabet with dots between: what any JWT looks like (RFC 7515,
 * 7.1). An unsigned one has nothing behind the second dot; it is a JWT, only nobody's. */
static bool has_shape(struct str text)
{
    unsigned dots = 0;
    size_t run = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '.') {
            if (run == 0)
                return false;
            dots++;
            run = 0;
        } else if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '_') {
            run++;
        } else {
            return false;
        }
    }
    return dots == 2;
}

/* Keys and certificates that the token brings along are not looked at (R_PARSE_NONE). */
static bool open_token(struct candidate *token)
{
    struct str header, rest, payload;

    (void)str_split(token->text, '.', &header, &rest);
    (void)str_split(rest, '.', &payload, &token->signature);
    if (!header_read(header, &token->header))
        return false;
    /* Nothing more is needed to refuse it, and the library would call it malformed. */
    if (!token->header.known || token->signature.len == 0)
        return true;
    return r_jws_init(&token->jws) == RHN_OK &&
           r_jws_advanced_compact_parsen(token->jws, token->text.data, token->text.len,
                                         R_PARSE_NONE, R_FLAG_IGNORE_REMOTE) == RHN_OK;
}

static void close_token(struct candidate *token)
{
    header_fini(&token->header);
    r_jws_free(token->jws);
}

/* The library would take a signature of another curve's length. */
static bool has_right_length(const struct candidate *token)
{
    size_t bytes = alg_signature_bytes(token->header.alg);

    return bytes == 0 || token->signature.len == (bytes * 8 + 5) / 6;
}

static bool try_key(struct candidate *token, const struct jwk *key)
{
    if (!(key->algs & ALG_BIT(token->header.alg)) || token->tries >= MAX_TRIES)
        return false;
    token->tries++;
    if (!jwk_verifies(key, token->jws, token->text))
        return false;
    token->key = key;
    return true;
}

/* Of the key sets, those of the token's kid (`by_name`), or those that have no kid to differ by,
 * all of them if the token has none. */
static bool try_sets(const struct token_verifier *verifier, struct candidate *token, bool by_name)
{
    const char *kid = token->header.kid;

    for (size_t i = 0; i < ORIGINS; i++) {
        const struct jwks *set = verifier->sets[i];

        for (size_t k = 0; set && k < set->count; k++) {
            const struct jwk *key = &set->keys[k];
            bool named = kid && key->kid && strcmp(kid, key->kid) == 0;

            token->named = token->named || named;
            if ((by_name ? named : !kid || !key->kid) && try_key(token, key))
                return true;
        }
    }
    return false;
}

/* The key decides which algorithms it verifies, and the kid which keys come first; the token itself
 * decides nothing. The shared secret has no name: issuers put all kinds of kid beside HS256. */
static bool is_signed(const struct token_verifier *verifier, struct candidate *token)
{
    if (!token->header.known || !has_right_length(token) || !token->jws)
        return false;
    return (verifier->secret && try_key(token, verifier->secret)) ||
           try_sets(verifier, token, true) || try_sets(verifier, token, false);
}

/* A shared secret is never fetched, so no newer one is looked for. */
static enum token_fault untrusted(const struct token_verifier *verifier,
                                  const struct candidate *token, struct err *err)
{
    (void)err_set(err, "JwtSignatureError: Failed to validate JWT signature");
    if (!token->jws || token->named || token->header.alg == ALG_HS256 || !verifier->on_unknown_key)
        return TOKEN_UNTRUSTED;
    verifier->on_unknown_key(verifier->unknown_arg);
    return TOKEN_UNKNOWN_KEY;
}

/* The claims are taken from what the library verified, never from the text beside it. */
static enum token_fault read_payload(const struct token_verifier *verifier,
                                     const struct candidate *token, int64_t now, struct token **out,
                                     struct err *err)
{
    size_t len = 0;
    const unsigned char *payload = r_jws_get_payload(token->jws, &len);
    enum token_fault fault;

    if (!payload)
        return claims_malformed(err);
    fault = claims_read(str_from((const char *)payload, len), &verifier->rules, now, out, err);
    if (!fault)
        (*out)->signer = token->key->id;
    return fault;
}

static enum token_fault verify(const struct token_verifier *verifier, struct str text, int64_t now,
                               struct token **out, struct err *err)
{
    struct candidate token = {.text = text};
    enum token_fault fault;

    if (verifier->stats)
        stat_add(&verifier->stats->tokens_checked_total, 1);
    if (!open_token(&token)) {
        fault = claims_malformed(err);
    } else if (is_signed(verifier, &token)) {
        fault = read_payload(verifier, &token, now, out, err);
    } else {
        fault = untrusted(verifier, &token, err);
    }
    close_token(&token);
    return fault;
}

enum token_fault token_verify(const struct token_verifier *verifier, struct str text, int64_t now,
                              struct token **out, struct err *err)
{
    struct cache_key key;
    enum token_fault fault;

    *out = NULL;
    if (text.len > TOKEN_MAX_BYTES || !has_shape(text))
        return claims_malformed(err);
    if (!verifier->cache)
        return verify(verifier, text, now, out, err);
    cache_key_of(text, &key);
    *out = cache_find(verifier->cache, &key, now);
    if (*out) {
        stat_add(&verifier->stats->tokens_cached_total, 1);
        return TOKEN_VALID;
    }
    fault = verify(verifier, text, now, out, err);
    if (!fault)
        cache_add(verifier->cache, &key, *out);
    return fault;
}
