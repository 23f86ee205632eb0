/* A set of keys that verify tokens (RFC 7517, 5): read once, then immutable.
 *
 * Keys that cannot be used (another purpose, too short, an unknown kind) are passed over and told
 * of, as the RFC wants it; a set without a single usable key is an error, so that it never takes
 * the place of one that works. */
#ifndef PGHERALD_TOKEN_JWKS_H
#define PGHERALD_TOKEN_JWKS_H

#include "base/buf.h"

#define JWKS_MAX_BYTES ((size_t)256 * 1024)
#define JWKS_MAX_KEYS 64

/* A shared secret (oct) is taken from a file only: at a URL whoever can fetch it could sign. */
enum jwks_origin { JWKS_OF_FILE, JWKS_OF_URL };

struct jwks;

enum result jwks_read(struct str text, enum jwks_origin origin, struct jwks **out,
                      struct err *err) MUST_CHECK;
/* The same of a regular file. */
enum result jwks_read_file(const char *path, struct jwks **out, struct err *err) MUST_CHECK;
void jwks_free(struct jwks *jwks);

/* Whether both hold the same keys under the same names, in the same order. */
bool jwks_same(const struct jwks *a, const struct jwks *b);

/* The usable keys. */
size_t jwks_count(const struct jwks *jwks);
/* `"2024-a" ES256`; a key without a name is `(no kid)`. What comes from the set is escaped. */
void jwks_write_key(const struct jwks *jwks, size_t i, struct buf *out);

/* The others: `"old": an RSA key of 1024 bits; ...`. */
size_t jwks_problem_count(const struct jwks *jwks);
const char *jwks_problem(const struct jwks *jwks, size_t i);

#endif
