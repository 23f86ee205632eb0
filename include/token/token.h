/* JSON Web Tokens: who a client is. This module is the only one that includes rhonabwy.
 *
 * A verifier holds the keys: the shared secret of HS256, and the key sets of a file and of a URL.
 * It belongs to one loop, and knows neither files nor sockets: whoever reads key sets hands them
 * in. Source: RFC 7519 (claims), RFC 7515 (signatures), RFC 8725 (what goes wrong with both). */
#ifndef PGHERALD_TOKEN_TOKEN_H
#define PGHERALD_TOKEN_TOKEN_H

#include "base/err.h"
#include "base/stats.h"
#include "base/str.h"
#include "config/config.h"
#include "token/jwks.h"
#include "token/scope.h"

#define TOKEN_MAX_BYTES 16384
#define TOKEN_MAX_ROLE 63 /* PostgreSQL's NAMEDATALEN - 1 */

/* Immutable, and shared: by the cache, and by all clients that brought the same one. */
struct token {
    unsigned further_refs; /* besides the first */
    char *role;
    char *sub;       /* NULL if there is none */
    int64_t expires; /* seconds since 1970, with the leeway */
    uint64_t signer; /* a key of a key set, for token_verifier_has_key(); 0: any other */
    /* The claims as the token's issuer wrote them: JSON text that jsonb takes, made for the setting
     * request.jwt.claims. */
    char *claims;
    size_t claims_len;
    char key_id[KEY_ID_BYTES]; /* of the API key that it stands for; empty: it is a JWT */
    unsigned scopes;           /* that key's, a set of enum scope */
};

enum token_fault {
    TOKEN_VALID,
    TOKEN_MALFORMED,   /* not a JWT, or too large to be looked at */
    TOKEN_UNTRUSTED,   /* signed by nobody we know, by an algorithm we do not take, or not at all */
    TOKEN_UNKNOWN_KEY, /* the same, but the key may be had soon: the newest are being fetched */
    TOKEN_EXPIRED,
    TOKEN_TOO_EARLY, /* nbf is ahead */
    TOKEN_ELSEWHERE, /* another audience or issuer */
    TOKEN_INCOMPLETE /* no role or no exp */
};

/* What a good signature does not say. */
struct token_rules {
    const struct config_list *audience; /* NULL or empty: any */
    const struct config_list *issuer;   /* the same */
    int64_t leeway;                     /* seconds by which clocks may differ */
};

struct token_verifier;

/* `secret` is the shared secret of HS256; empty: there is none. Without any key no token is valid.
 */
struct token_verifier *token_verifier_new(struct str secret);
void token_verifier_free(struct token_verifier *verifier);

/* The lists are borrowed. */
void token_verifier_set_rules(struct token_verifier *verifier, const struct token_rules *rules);
/* Keeps up to so many verified tokens at hand. `stats` (borrowed) counts. */
void token_verifier_set_cache(struct token_verifier *verifier, size_t tokens, struct stats *stats);
/* Takes over the set, in the place of the one of that origin. */
void token_verifier_set_keys(struct token_verifier *verifier, enum jwks_origin origin,
                             struct jwks *keys);
/* The set of that origin, NULL if there is none yet. */
const struct jwks *token_verifier_keys(const struct token_verifier *verifier,
                                       enum jwks_origin origin);
/* Whether a token's key is still in one of the sets. */
bool token_verifier_has_key(const struct token_verifier *verifier, uint64_t key);
/* `cb` runs, from within token_verify(), when a signature is refused that a key we do not have may
 * have made; the fault is then TOKEN_UNKNOWN_KEY. It may call token_verifier_set_keys() only later.
 */
void token_verifier_on_unknown_key(struct token_verifier *verifier, void (*cb)(void *arg),
                                   void *arg);

/* Checks `text` at the time `now` (seconds since 1970). Unless TOKEN_VALID *out is NULL and err
 * holds the protocol's own words, such as "JwtSignatureError: Failed to validate JWT signature". */
enum token_fault token_verify(const struct token_verifier *verifier, struct str text, int64_t now,
                              struct token **out, struct err *err) MUST_CHECK;

struct token *token_ref(struct token *token);
void token_free(struct token *token); /* gives one reference back; NULL is fine */

#endif
