/* Tokens of our own: HS256 with the shared secret, so that all who know it take them. */
#ifndef PGHERALD_TOKEN_SIGN_H
#define PGHERALD_TOKEN_SIGN_H

#include "base/buf.h"
#include "base/err.h"
#include "token/token.h"

#define SIGN_ISSUER "pgherald"

/* The token that stands for an API key (`key`, as the authority made it) from `now` to `expires`,
 * seconds since 1970: its claims, and who has issued it and when. Appended to `out`. FAILED without
 * a secret. */
enum result sign_for_key(struct str secret, const struct token *key, int64_t now, int64_t expires,
                         struct buf *out, struct err *err) MUST_CHECK;

/* A token of the role service_role, for the program itself. */
enum result sign_for_service(struct str secret, int64_t now, int64_t expires, struct buf *out,
                             struct err *err) MUST_CHECK;

#endif
