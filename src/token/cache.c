#include "token/cache.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WAYS 8

struct place {
    struct cache_key key;
    struct token *token; /* NULL: free */
};

struct cache {
    struct place *places;
    size_t set_count; /* a power of two */
    size_t bytes;
};

struct cache *cache_new(size_t places)
{
    struct cache *cache = mem_alloc(sizeof(*cache));

    cache->set_count = 1;
    while (cache->set_count * WAYS < places)
        cache->set_count *= 2;
    cache->places = mem_array(cache->set_count * WAYS, sizeof(*cache->places));
    return cache;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    cache_clear(cache);
    free(cache->places);
    free(cache);
}

void cache_key_of(struct str text, struct cache_key *out)
{
    SHA256((const unsigned char *)text.data, text.len, out->digest);
}

static size_t bytes_of(const struct token *token)
{
    return sizeof(*token) + token->claims_len + strlen(token->role) +
           (token->sub ? strlen(token->sub) : 0);
}

/* A digest is spread evenly, so its first bytes will do. */
static struct place *set_of(const struct cache *cache, const struct cache_key *key)
{
    uint64_t start;

    memcpy(&start, key->digest, sizeof(start));
    return cache->places + (start & (cache->set_count - 1)) * WAYS;
}

static void clear_place(struct cache *cache, struct place *place)
{
    if (!place->token)
        return;
    cache->bytes -= bytes_of(place->token);
    token_free(place->token);
    place->token = NULL;
}

struct token *cache_find(const struct cache *cache, const struct cache_key *key, int64_t now)
{
    struct place *set = set_of(cache, key);

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].token && memcmp(&set[i].key, key, sizeof(*key)) == 0)
            return set[i].token->expires > now ? token_ref(set[i].token) : NULL;
    return NULL;
}

/* The place of the same token, else a free one, else the one that expires first. */
static struct place *choose(struct place *set, const struct cache_key *key)
{
    struct place *best = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].token && memcmp(&set[i].key, key, sizeof(*key)) == 0)
            return &set[i];
        if (best->token && (!set[i].token || set[i].token->expires < best->token->expires))
            best = &set[i];
    }
    return best;
}

void cache_add(struct cache *cache, const struct cache_key *key, struct token *token)
{
    size_t bytes = bytes_of(token);
    struct place *place;

    if (cache->bytes + bytes > CACHE_MAX_BYTES)
        cache_clear(cache);
    place = choose(set_of(cache, key), key);
    clear_place(cache, place);
    place->key = *key;
    place->token = token_ref(token);
    cache->bytes += bytes;
}

void cache_clear(struct cache *cache)
{
    for (size_t i = 0; i < cache->set_count * WAYS; i++)
        clear_place(cache, &cache->places[i]);
}
