#include "token/keyring.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PREFIX STR("phk_")
#define MAX_TEXT 128 /* a longer text is no key, and is not hashed */

struct keyring {
    struct map by_hash, by_id;
    size_t max;
    uint64_t generation;
    uint64_t load;
    uint64_t trusted_until_ms;
    struct usage usage;
    struct quotas *quotas; /* one reference */
};

struct keyring *keyring_new(size_t max_keys)
{
    struct keyring *ring = mem_alloc(sizeof(*ring));

    ring->max = max_keys;
    ring->quotas = quotas_new();
    /* yesterday's and today's of each: more only if nothing could be written for days */
    usage_init(&ring->usage, 2 * max_keys);
    return ring;
}

void keyring_share(struct keyring *ring, struct quotas *quotas)
{
    quotas_unref(ring->quotas);
    ring->quotas = quotas_ref(quotas);
}

static void free_key(struct key *key)
{
    quota_unref(key->quota);
    free(key->user_id);
    free(key->name);
    free(key->scopes_json);
    free(key);
}

static void drop(struct keyring *ring, struct key *key)
{
    map_remove(&ring->by_hash, &key->by_hash);
    map_remove(&ring->by_id, &key->by_id);
    free_key(key);
    ring->generation++;
}

/* Drops the keys that this load has not seen, and those that have expired. */
static void sweep(struct keyring *ring, uint64_t load, int64_t now)
{
    size_t count = ring->by_id.bucket_count;

    for (size_t i = 0; i < count && ring->by_id.buckets; i++) {
        struct map_node *next;

        for (struct map_node *node = ring->by_id.buckets[i]; node; node = next) {
            struct key *key = MAP_THING(node, struct key, by_id);

            next = node->next;
            if (key->seen < load || key->expires <= now)
                drop(ring, key);
        }
    }
}

void keyring_free(struct keyring *ring)
{
    if (!ring)
        return;
    sweep(ring, UINT64_MAX, 0);
    map_fini(&ring->by_hash);
    map_fini(&ring->by_id);
    usage_fini(&ring->usage);
    quotas_unref(ring->quotas);
    free(ring);
}

bool key_has_prefix(struct str text)
{
    return str_starts(text, PREFIX);
}

/* The hash is a random number already. */
static uint64_t hash_key(const uint8_t hash[KEY_HASH_BYTES])
{
    uint64_t key;

    memcpy(&key, hash, sizeof(key));
    return key;
}

static struct key *find_hash(const struct keyring *ring, const uint8_t hash[KEY_HASH_BYTES])
{
    struct map_node *node = map_find(&ring->by_hash, hash_key(hash));

    for (; node; node = map_next(node)) {
        struct key *key = MAP_THING(node, struct key, by_hash);

        if (memcmp(key->hash, hash, KEY_HASH_BYTES) == 0)
            return key;
    }
    return NULL;
}

static struct key *find_id(const struct keyring *ring, struct str id)
{
    struct map_node *node = map_find(&ring->by_id, hash_more(0, id));

    for (; node; node = map_next(node)) {
        struct key *key = MAP_THING(node, struct key, by_id);

        if (str_eq(str_c(key->id), id))
            return key;
    }
    return NULL;
}

void keyring_begin(struct keyring *ring)
{
    ring->load++;
}

void keyring_end(struct keyring *ring)
{
    sweep(ring, ring->load, INT64_MIN);
}

void keyring_drop_missing(struct keyring *ring, struct str id)
{
    struct key *key = find_id(ring, id);

    if (key && key->seen != ring->load)
        drop(ring, key);
}

size_t keyring_drop_expired(struct keyring *ring, int64_t now)
{
    size_t before = ring->by_id.count;

    sweep(ring, 0, now);
    return before - ring->by_id.count;
}

/* Whether the row says of the key's holder what the ring says. */
static bool is_same(const struct key *key, const struct key_row *row)
{
    return memcmp(key->hash, row->hash, KEY_HASH_BYTES) == 0 && key->expires == row->expires &&
           str_eq(str_c(key->user_id), row->user_id) &&
           str_eq(str_c(key->scopes_json), row->scopes) && str_eq(str_c(key->name), row->name);
}

static struct key *key_new(const struct key_row *row, unsigned scopes)
{
    struct key *key = mem_alloc(sizeof(*key));

    memcpy(key->hash, row->hash, KEY_HASH_BYTES);
    memcpy(key->id, row->id.data, row->id.len);
    key->user_id = row->user_id.len ? str_dup(row->user_id) : NULL;
    key->name = str_dup(row->name);
    key->scopes_json = str_dup(row->scopes);
    key->scopes = scopes;
    key->expires = row->expires;
    return key;
}

static void add(struct keyring *ring, struct key *key)
{
    key->seen = ring->load;
    map_add(&ring->by_hash, &key->by_hash, hash_key(key->hash));
    map_add(&ring->by_id, &key->by_id, hash_more(0, str_c(key->id)));
}

bool keyring_put(struct keyring *ring, const struct key_row *row, uint64_t now_ms)
{
    struct key *old = find_id(ring, row->id), *key;
    struct quota *quota;
    uint8_t uuid[16];
    unsigned scopes;

    if (!str_to_uuid(row->id, uuid) || row->per_minute == 0 ||
        !scopes_parse(row->scopes, &scopes)) {
        if (old)
            drop(ring, old);
        return false;
    }
    if (!old && ring->by_id.count >= ring->max)
        return false;
    quota = quota_get(ring->quotas, row->id, row->per_minute, now_ms);
    if (old && is_same(old, row)) {
        old->seen = ring->load;
        quota_unref(quota); /* the one that it has, with the rate of now */
        return true;
    }
    key = key_new(row, scopes);
    key->quota = quota;
    if (old)
        drop(ring, old);
    add(ring, key);
    return true;
}

size_t keyring_count(const struct keyring *ring)
{
    return ring->by_id.count;
}

uint64_t keyring_generation(const struct keyring *ring)
{
    return ring->generation;
}

void keyring_trust_until(struct keyring *ring, uint64_t ms)
{
    ring->trusted_until_ms = ms;
}

bool keyring_is_trusted(const struct keyring *ring, uint64_t now_ms)
{
    return now_ms < ring->trusted_until_ms;
}

static struct key *alive(struct key *key, int64_t now)
{
    return key && key->expires > now ? key : NULL;
}

struct key *keyring_find(const struct keyring *ring, struct str text, int64_t now)
{
    uint8_t hash[KEY_HASH_BYTES];

    if (text.len > MAX_TEXT)
        return NULL;
    SHA256((const uint8_t *)text.data, text.len, hash);
    return alive(find_hash(ring, hash), now);
}

struct key *keyring_find_id(const struct keyring *ring, struct str id, int64_t now)
{
    return alive(find_id(ring, id), now);
}

struct usage *keyring_usage(struct keyring *ring)
{
    return &ring->usage;
}
