/* Rows of api_keys for tests: a key is its number. */
#ifndef PGHERALD_TESTS_KEYS_H
#define PGHERALD_TESTS_KEYS_H

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "token/keyring.h"

struct test_key {
    char text[80], id[40];
    struct key_row row;
};

/* Key number n of the user (NULL: a service), 60 a minute, for ever. */
static inline void test_key_init(struct test_key *key, unsigned n, const char *user,
                                 const char *scopes)
{
    snprintf(key->text, sizeof(key->text), "phk_%064x", n);
    snprintf(key->id, sizeof(key->id), "00000000-0000-4000-8000-%012x", n);
    key->row = (struct key_row){.id = str_c(key->id),
                                .user_id = str_c(user),
                                .name = STR("a \"key\""),
                                .scopes = str_c(scopes),
                                .per_minute = 60,
                                .expires = KEY_FOREVER};
    SHA256((const uint8_t *)key->text, strlen(key->text), key->row.hash);
}

#endif
