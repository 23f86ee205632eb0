/* JSON Web Tokens: who a client is. This module is the only one that includes rhonabwy.
 *
 * A verifier holds the keys; today the one shared secret of HS256. Keys of other kinds (a JWKS) go
 * in beside it without a change for those who call token_verify(). Source: RFC 7519, RFC 7515. */
#ifndef PGHERALD_TOKEN_TOKEN_H
#define PGHERALD_TOKEN_TOKEN_H

#include "base/err.h"
#include "base/str.h"
#include "token/scope.h"

#define TOKEN_MAX_BYTES 16384
#define TOKEN_MAX_ROLE 63 /* PostgreSQL's NAMEDATALEN - 1 */

struct token {
    char *role;
    char *sub;       /* NULL if there is none */
    int64_t expires; /* seconds since 1970 */
    /* The claims as the token's issuer wrote them: JSON text that jsonb takes, made for the setting
     * request.jwt.claims. */
    char *claims;
    size_t claims_len;
    char key_id[KEY_ID_BYTES]; /* of the API key that it stands for; empty: it is a JWT */
    unsigned scopes;           /* that key's, a set of enum scope */
};

enum token_fault {
    TOKEN_VALID,
    TOKEN_MALFORMED, /* not a JWT, or too large to be looked at */
    TOKEN_UNTRUSTED, /* signed by nobody we know, by an algorithm we do not take, or not at all */
    TOKEN_EXPIRED,
    TOKEN_TOO_EARLY, /* nbf is ahead */
    TOKEN_INCOMPLETE /* no role or no exp */
};

struct token_verifier;

/* `secret` is the shared secret of HS256; with an empty one no token is valid. */
struct token_verifier *token_verifier_new(struct str secret);
void token_verifier_free(struct token_verifier *verifier);

/* Checks `text` at the time `now` (seconds since 1970). Unless TOKEN_VALID *out is NULL and err
 * holds the protocol's own words, such as "JwtSignatureError: Failed to validate JWT signature". */
enum token_fault token_verify(const struct token_verifier *verifier, struct str text, int64_t now,
                              struct token **out, struct err *err) MUST_CHECK;
void token_free(struct token *token);

#endif
