/* The protected header of a token (RFC 7515, 4). */
#ifndef PGHERALD_TOKEN_HEADER_H
#define PGHERALD_TOKEN_HEADER_H

#include "base/str.h"
#include "token/alg.h"

struct header {
    bool known; /* whether alg is one that is taken at all */
    enum alg alg;
    char *kid; /* NULL: none */
};

/* `text` is the first part of a token, still in base64url. False, with nothing to free, if it is no
 * header that may be trusted to mean one thing only: no JSON object, a member twice, a kid that is
 * no short text; or if it asks for what is not done here: crit (an extension that must be
 * understood), b64 (a payload that is not encoded), zip (in JWE only; the library would unpack it
 * without a limit, and before it looks at the signature). */
bool header_read(struct str text, struct header *out);
void header_fini(struct header *header);

#endif
