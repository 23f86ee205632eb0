/* How the bindings of a crowd are filed. crowd.c files them, crowd_match.c looks them up; nobody
 * else includes this. */
#ifndef PGHERALD_REALTIME_CROWD_FILED_H
#define PGHERALD_REALTIME_CROWD_FILED_H

#include "base/map.h"
#include "realtime/crowd.h"

/* A list knows for each binding where it stands, so that removing is quick: the place is in a field
 * of the binding that belongs to the list. */
struct list {
    struct binding **items;
    size_t count, cap;
};

enum { SLOT_ALL, SLOT_FILTER, SLOT_VALUE };

/* All of one value. */
struct bucket {
    struct map_node node;
    struct list bindings;
};

/* All equality filters on one column. */
struct filed_column {
    char *name;
    struct map buckets; /* SLOT_VALUE, under crowd_value_key() */
    struct list all;    /* SLOT_FILTER: for types that are not looked up by key */
    struct filed_column *next;
};

/* All by what a claim of theirs is, for one key of the policies. */
struct filed_key {
    struct map buckets; /* under policy_session_key() */
    struct list always; /* whose claim cannot be compared */
};

struct crowd {
    char *role;
    bool of_one_table;
    struct list all;   /* SLOT_ALL */
    struct list loose; /* SLOT_FILTER: without a filter, or with one that is no equality */
    struct filed_column *columns;
    struct table_access *access; /* one reference; NULL: not filed by keys */
    struct filed_key keys[POLICY_MAX_KEYS];
};

/* 64 bits of the key are taken as the whole key: two values that meet there only cost a comparison,
 * since filters and verdicts have the last word. */
static inline struct bucket *crowd_bucket(const struct map *buckets, uint64_t key)
{
    struct map_node *node = map_find(buckets, key);

    return node ? MAP_THING(node, struct bucket, node) : NULL;
}

/* NULL: not filed by keys */
static inline const struct policy *crowd_policy(const struct crowd *crowd)
{
    return crowd->access ? crowd->access->policy : NULL;
}

#endif
