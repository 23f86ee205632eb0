/* Tokens that have been verified, by the SHA-256 of their text, so that a client that joins ten
 * channels, or ten thousand clients that rejoin, cost one signature a token.
 *
 * Bounded twice: by its places, of which each token may take one of eight (the one that expires
 * first makes room), and by the bytes of its tokens, at which it starts anew. Only valid tokens are
 * kept, so nobody fills it with what he makes up. */
#ifndef PGHERALD_TOKEN_CACHE_H
#define PGHERALD_TOKEN_CACHE_H

#include "token/token.h"

#define CACHE_MAX_BYTES ((size_t)32 << 20)

struct cache;

struct cache_key {
    unsigned char digest[32];
};

struct cache *cache_new(size_t places); /* rounded up to a power of two */
void cache_free(struct cache *cache);   /* NULL is fine */

void cache_key_of(struct str text, struct cache_key *out);

/* One reference for the caller; NULL if it is not there or expired. */
struct token *cache_find(const struct cache *cache, const struct cache_key *key, int64_t now);
/* Takes a reference of its own. */
void cache_add(struct cache *cache, const struct cache_key *key, struct token *token);
void cache_clear(struct cache *cache);

#endif
