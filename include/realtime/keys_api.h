/* What an API key can ask about itself. */
#ifndef PGHERALD_REALTIME_KEYS_API_H
#define PGHERALD_REALTIME_KEYS_API_H

#include "realtime/router.h"

#define KEYS_API_TOKEN_S 600 /* the longest life of a token that stands for a key */

/* GET /keys/v1/self: whose key it is, what it may do, when it ends, what is left of its rate. */
void keys_api_self(const struct request *request, struct answer *out);

/* POST /keys/v1/token: a JWT in its place, for servers that know tokens only. */
void keys_api_token(const struct request *request, struct answer *out);

#endif
