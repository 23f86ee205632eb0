/* What an API key may be used for: words in api_keys.scopes, of which we know some. The others are
 * an application's own and mean nothing here. */
#ifndef PGHERALD_TOKEN_SCOPE_H
#define PGHERALD_TOKEN_SCOPE_H

#include "base/str.h"

#define KEY_ID_BYTES 37 /* of a key: a uuid's text and NUL */

/* One of these is what a request needs; a set of them is what a key has. */
enum scope {
    SCOPE_NONE = 0,      /* nobody is asked who he is */
    SCOPE_REALTIME = 1,  /* WebSocket */
    SCOPE_BROADCAST = 2, /* messages by REST */
    SCOPE_TOKEN = 4,     /* to become a JWT for a while */
    SCOPE_ADMIN = 8,     /* metrics */
    SCOPE_KEY = 16       /* to be an API key at all: all of them have it */
};

/* Beside those, words that say which role a key has. */
#define SCOPE_IS_SERVICE_ROLE 32u
#define SCOPE_IS_EVERYTHING 64u /* `*` */

/* The set that a JSON array of words means; false if it is anything else. */
bool scopes_parse(struct str json, unsigned *out);

/* "realtime"; of SCOPE_NONE and SCOPE_KEY the empty text. */
const char *scope_name(enum scope scope);

#endif
