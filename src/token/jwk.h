/* One key that verifies signatures: a JSON Web Key (RFC 7517), or the shared secret of the
 * settings.
 *
 * A key is rebuilt from those of its members that make it up (kty, crv, n, e, x, y, k). What else a
 * JWK may carry is either checked here (use, key_ops, alg) or dropped: a private part, and above
 * all x5u and x5c, from which the library would take, even fetch, another key. */
#ifndef PGHERALD_TOKEN_JWK_H
#define PGHERALD_TOKEN_JWK_H

#include <jansson.h>
#include <rhonabwy.h>

#include "base/buf.h"
#include "token/alg.h"

#define JWK_MAX_KID 256
#define JWK_MIN_SECRET 32
#define JWK_MIN_RSA_BITS 2048
#define JWK_MAX_RSA_BITS 8192 /* a verification takes a millisecond at this size */

struct jwk {
    char *kid;     /* NULL: none */
    unsigned algs; /* bits: what it may verify, never empty */
    uint64_t id;   /* of the key's material; 0 for the secret of the settings */
    jwk_t *pubkey; /* NULL: a shared secret */
    struct buf secret;
};

/* On FAILED *out is empty and err says what makes the key unusable. */
enum result jwk_read(const json_t *object, bool secrets_allowed, struct jwk *out,
                     struct err *err) MUST_CHECK;
void jwk_of_secret(struct str secret, struct jwk *out);
void jwk_fini(struct jwk *key);

/* Whether the key signed `text`, which is the token as it came and what `jws` was parsed from. The
 * algorithm that the token names must be one of the key's: the caller looks at key->algs first. */
bool jwk_verifies(const struct jwk *key, jws_t *jws, struct str text);

#endif
