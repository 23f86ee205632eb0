/* The signature algorithms that tokens may have (RFC 7518, 3.1; RFC 8037, 3.1). What is not here,
 * "none" above all, is nobody's signature. */
#ifndef PGHERALD_TOKEN_ALG_H
#define PGHERALD_TOKEN_ALG_H

#include "base/buf.h"

enum alg { ALG_HS256, ALG_RS256, ALG_RS384, ALG_RS512, ALG_PS256, ALG_ES256, ALG_ES384, ALG_EDDSA };

#define ALG_BIT(alg) (1u << (alg))
#define ALG_RSA (ALG_BIT(ALG_RS256) | ALG_BIT(ALG_RS384) | ALG_BIT(ALG_RS512) | ALG_BIT(ALG_PS256))

/* By its exact name; false if there is none of it. NULL is no name. */
bool alg_find(const char *name, enum alg *out);

/* Bytes of a signature, 0 where the key's size decides. */
size_t alg_signature_bytes(enum alg alg);

/* "RS256 RS384". */
void alg_write(unsigned set, struct buf *out);

#endif
