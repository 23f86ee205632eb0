/* Signatures of Standard Webhooks 1.0.0 (spec/standard-webhooks.md, "Signature scheme").
 *
 * A delivery carries a list of signatures, one for each secret that is valid now: during a rotation
 * the old and the new one. Every signature says its scheme, so that `v1a` can stand beside `v1`:
 *
 *   v1   HMAC-SHA256. `whsec_` and the base64 of 24 to 64 bytes, which both sides know.
 *   v1a  ed25519. `whsk_` and the base64 of the 32 bytes of the private key, with those of the
 *        public key behind them or not; the receiver knows only the latter, as `whpk_` and base64.
 *
 * This module is the only one of dispatch that includes OpenSSL. */
#ifndef PGHERALD_DISPATCH_SIGNATURE_H
#define PGHERALD_DISPATCH_SIGNATURE_H

#include "base/buf.h"
#include "base/err.h"

#define SIGNATURE_KEY_MIN 24 /* bytes, by the specification */
#define SIGNATURE_KEY_MAX 64
#define SIGNATURE_KEYS_MAX 4 /* secrets that may be valid at once */
#define SIGNATURE_TEXT 100   /* bytes of a secret or a public key as text, with its NUL */

enum signature_scheme { SIGNATURE_V1, SIGNATURE_V1A };

struct signature_key {
    enum signature_scheme scheme;
    size_t len;
    uint8_t bytes[SIGNATURE_KEY_MAX];
};

struct signature_keys {
    size_t count;
    struct signature_key key[SIGNATURE_KEYS_MAX];
};

struct signature_pair {
    char secret[SIGNATURE_TEXT];
    char public_key[SIGNATURE_TEXT]; /* empty for v1, which has none */
};

/* `v1` or `v1a`. */
bool signature_scheme_parse(struct str name, enum signature_scheme *scheme);

/* A new secret from the generator of OpenSSL: of v1 with 32 bytes, of v1a with its public key. */
enum result signature_generate(enum signature_scheme scheme, struct signature_pair *pair,
                               struct err *err) MUST_CHECK;

/* Fills `pair` from a secret as it is kept; the public key of v1 is empty. */
enum result signature_read_pair(struct str secret, struct signature_pair *pair,
                                struct err *err) MUST_CHECK;

void signature_wipe_pair(struct signature_pair *pair);

/* Reads a secret and adds its key to the list, which starts as {0}. The error never quotes it. */
enum result signature_add_secret(struct signature_keys *keys, struct str secret,
                                 struct err *err) MUST_CHECK;

/* The same for several with spaces between them, as the claim brings them. */
enum result signature_add_secrets(struct signature_keys *keys, struct str secrets,
                                  struct err *err) MUST_CHECK;

/* Overwrites the keys, so that they do not stay on the stack. */
void signature_wipe(struct signature_keys *keys);

/* Appends the value of `webhook-signature`: one signature a key over `id.timestamp.body`, with
 * spaces between. timestamp: seconds since 1970 of this attempt. */
enum result signature_sign(const struct signature_keys *keys, struct str id, int64_t timestamp,
                           struct str body, struct buf *out, struct err *err) MUST_CHECK;

#endif
