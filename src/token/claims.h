/* The claims of a token whose signature is right (RFC 7519, 4). */
#ifndef PGHERALD_TOKEN_CLAIMS_H
#define PGHERALD_TOKEN_CLAIMS_H

#include "token/token.h"

/* Unless TOKEN_VALID *out is NULL and err holds the protocol's own words. */
enum token_fault claims_read(struct str text, const struct token_rules *rules, int64_t now,
                             struct token **out, struct err *err) MUST_CHECK;

/* Not a JWT at all. */
enum token_fault claims_malformed(struct err *err);

#endif
