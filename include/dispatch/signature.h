/* Signatures of Standard Webhooks 1.0.0 (spec/standard-webhooks.md, "Signature scheme").
 *
 * A delivery carries a list of signatures, one for each secret that is valid now: during a rotation
 * the old and the new one. Every signature says its scheme, so that `v1a` can stand beside `v1`.
 * This module is the only one of dispatch that includes OpenSSL. */
#ifndef PGHERALD_DISPATCH_SIGNATURE_H
#define PGHERALD_DISPATCH_SIGNATURE_H

#include "base/buf.h"
#include "base/err.h"

#define SIGNATURE_KEY_MIN 24 /* bytes, by the specification */
#define SIGNATURE_KEY_MAX 64
#define SIGNATURE_KEYS_MAX 4 /* secrets that may be valid at once */

enum signature_scheme { SIGNATURE_V1 /* HMAC-SHA256, `whsec_` and base64 */ };

struct signature_key {
    enum signature_scheme scheme;
    size_t len;
    uint8_t bytes[SIGNATURE_KEY_MAX];
};

struct signature_keys {
    size_t count;
    struct signature_key key[SIGNATURE_KEYS_MAX];
};

/* Reads a secret and adds its key to the list, which starts as {0}. The error never quotes it. */
enum result signature_add_secret(struct signature_keys *keys, struct str secret,
                                 struct err *err) MUST_CHECK;

/* Overwrites the keys, so that they do not stay on the stack. */
void signature_wipe(struct signature_keys *keys);

/* Appends the value of `webhook-signature`: one signature a key over `id.timestamp.body`, with
 * spaces between. timestamp: seconds since 1970 of this attempt. */
enum result signature_sign(const struct signature_keys *keys, struct str id, int64_t timestamp,
                           struct str body, struct buf *out, struct err *err) MUST_CHECK;

#endif
