/* A hash table of things that carry their node in themselves. It finds all nodes of a 64-bit key;
 * the caller compares what the key was made of, so a collision costs a comparison and nothing more.
 */
#ifndef PGHERALD_BASE_MAP_H
#define PGHERALD_BASE_MAP_H

#include "base/str.h"

struct map_node {
    uint64_t key;
    struct map_node *next;
};

struct map {
    struct map_node **buckets; /* NULL while empty */
    size_t bucket_count;       /* a power of two */
    size_t count;
};

void map_fini(struct map *map); /* frees the buckets, not the nodes */
void map_add(struct map *map, struct map_node *node, uint64_t key);
void map_remove(struct map *map, struct map_node *node);

/* The nodes of a key: start with map_find(), go on with map_next(). */
struct map_node *map_find(const struct map *map, uint64_t key);
struct map_node *map_next(const struct map_node *node);

/* Goes on with a hash; start with 0. Not for secrets: keys that collide only cost time. */
uint64_t hash_more(uint64_t hash, struct str s);

#define MAP_THING(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
