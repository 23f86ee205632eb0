/* What is in a key set, for those who verify with it. */
#ifndef PGHERALD_TOKEN_SET_H
#define PGHERALD_TOKEN_SET_H

#include "token/jwk.h"
#include "token/jwks.h"

struct jwks {
    struct jwk keys[JWKS_MAX_KEYS];
    size_t count;
    char *problems[JWKS_MAX_KEYS];
    size_t problem_count;
};

#endif
