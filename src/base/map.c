#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BUCKETS 16

void map_fini(struct map *map)
{
    free(map->buckets);
    memset(map, 0, sizeof(*map));
}

static struct map_node **bucket_of(const struct map *map, uint64_t key)
{
    return &map->buckets[(key ^ key >> 32) & (map->bucket_count - 1)];
}

static void resize(struct map *map, size_t bucket_count)
{
    struct map old = *map;

    map->buckets = mem_array(bucket_count, sizeof(*map->buckets));
    map->bucket_count = bucket_count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        struct map_node *next;

        for (struct map_node *node = old.buckets[i]; node; node = next) {
            struct map_node **bucket = bucket_of(map, node->key);

            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(old.buckets);
}

void map_add(struct map *map, struct map_node *node, uint64_t key)
{
    struct map_node **bucket;

    if (map->count >= map->bucket_count)
        resize(map, map->bucket_count ? map->bucket_count * 2 : FIRST_BUCKETS);
    node->key = key;
    bucket = bucket_of(map, key);
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **at = bucket_of(map, node->key);

    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    if (--map->count == 0)
        map_fini(map);
}

static struct map_node *skip_to(struct map_node *node, uint64_t key)
{
    while (node && node->key != key)
        node = node->next;
    return node;
}

struct map_node *map_find(const struct map *map, uint64_t key)
{
    return map->buckets ? skip_to(*bucket_of(map, key), key) : NULL;
}

struct map_node *map_next(const struct map_node *node)
{
    return skip_to(node->next, node->key);
}

/* FNV-1a over the bytes and a byte that no name holds, so that "a","bc" is not "ab","c"; then the
 * finaliser of MurmurHash3, since FNV's upper bits are poor for short keys. */
uint64_t hash_more(uint64_t hash, struct str s)
{
    hash ^= UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i <= s.len; i++) {
        hash ^= i < s.len ? (unsigned char)s.data[i] : 0xff;
        hash *= UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    return hash;
}
