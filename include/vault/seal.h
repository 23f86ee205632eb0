/* Sealing: AES-256-GCM over one value, bound to the place where it is stored.
 *
 *   01 | nonce, 12 random bytes | ciphertext, as long as the plain text | tag, 16 bytes
 *
 * What is authenticated besides: table NUL user_id NUL account_id NUL column. A sealed value that
 * is moved to another row or column therefore does not open. docs/oauth-tokens.md describes the
 * form for applications in other languages; it must not change for version 01. */
#ifndef PGHERALD_VAULT_SEAL_H
#define PGHERALD_VAULT_SEAL_H

#include "vault/keys.h"

#define SEAL_OVERHEAD 29           /* version, nonce and tag */
#define SEAL_PLAIN_MAX (64 * 1024) /* bytes of one value */
#define SEAL_MAX (SEAL_PLAIN_MAX + SEAL_OVERHEAD)

struct seal_place {
    const char *table;
    struct str user_id; /* a uuid; its letters count as lower case */
    struct str account_id;
    const char *column;
};

/* Appends the sealed form of `plain`. */
enum result seal(const struct vault_key *key, const struct seal_place *place, struct str plain,
                 struct buf *out, struct err *err) MUST_CHECK;

/* Appends the plain text, for which room is reserved at once, so that buf_wipe() gets all of it.
 * On FAILED `out` is as it was. */
enum result seal_open(const struct vault_key *key, const struct seal_place *place,
                      struct str sealed, struct buf *out, struct err *err) MUST_CHECK;

#endif
