/* All API keys that work, in memory: by the SHA-256 of the key, which is all that the database has
 * of it, and by id. Pure; whoever reads the table keeps it current.
 *
 * Bounded: of a table with more keys the later ones are refused when they are put. */
#ifndef PGHERALD_TOKEN_KEYRING_H
#define PGHERALD_TOKEN_KEYRING_H

#include "token/quota.h"
#include "token/usage.h"

#define KEY_HASH_BYTES 32
#define KEY_FOREVER INT64_MAX

/* A row of the table; everything is borrowed. */
struct key_row {
    struct str id; /* a uuid's text */
    uint8_t hash[KEY_HASH_BYTES];
    struct str user_id; /* empty: a service's */
    struct str name;
    struct str scopes; /* JSON array of text */
    uint32_t per_minute;
    int64_t expires; /* seconds since 1970, or KEY_FOREVER */
};

struct key {
    struct map_node by_hash, by_id; /* the ring's */
    uint8_t hash[KEY_HASH_BYTES];
    char id[KEY_ID_BYTES];
    char *user_id; /* NULL: a service's */
    char *name;
    char *scopes_json;
    unsigned scopes; /* set of enum scope */
    int64_t expires;
    struct quota *quota;
    uint64_t seen; /* in which load */
};

struct keyring;

struct keyring *keyring_new(size_t max_keys);
/* Before anything is put: rates are shared with the other rings that have these quotas. */
void keyring_share(struct keyring *ring, struct quotas *quotas);
void keyring_free(struct keyring *ring);

/* Whether a text that somebody brought says that it is a key; else it is a token. */
bool key_has_prefix(struct str text);

/* Loading. What is not put between begin and end is gone after end; or, of keys that were read
 * again one by one, after keyring_drop_missing(). */
void keyring_begin(struct keyring *ring);
void keyring_end(struct keyring *ring);
void keyring_drop_missing(struct keyring *ring, struct str id);
/* Adds or replaces; a key that stays keeps what it has used of its rate. false: there is no room,
 * or the row makes no sense, and the key is not in the ring. */
bool keyring_put(struct keyring *ring, const struct key_row *row, uint64_t now_ms);
/* Makes room: keys that have expired at `now` (seconds since 1970). How many. */
size_t keyring_drop_expired(struct keyring *ring, int64_t now);

size_t keyring_count(const struct keyring *ring);
/* Moves when a key has changed or is gone: what was opened by a key has to be looked at again. */
uint64_t keyring_generation(const struct keyring *ring);

/* How long what is in the ring may be believed, on the monotonic clock. At first it is not. */
void keyring_trust_until(struct keyring *ring, uint64_t ms);
bool keyring_is_trusted(const struct keyring *ring, uint64_t now_ms);

/* NULL: there is none, or it has expired at `now` (seconds since 1970). */
struct key *keyring_find(const struct keyring *ring, struct str text, int64_t now);
struct key *keyring_find_id(const struct keyring *ring, struct str id, int64_t now);

/* How often keys were used; also of keys that are gone by now. */
struct usage *keyring_usage(struct keyring *ring);

#endif
