/* How often each API key was used, counted in memory until somebody writes it down. Pure.
 *
 * A count belongs to a key and a UTC day, as in api_key_usage, so that a write that comes late
 * still counts for the right day. */
#ifndef PGHERALD_TOKEN_USAGE_H
#define PGHERALD_TOKEN_USAGE_H

#include "base/buf.h"
#include "base/map.h"
#include "token/scope.h"

struct usage_count {
    char key_id[KEY_ID_BYTES];
    int64_t last_us; /* the last use of that day, microseconds since 1970 */
    uint64_t requests, errors;
};

struct usage {
    struct map counts;
    size_t max;               /* of counts; what is used beyond is lost, and counted below */
    uint64_t lost;            /* requests */
    struct usage_node *first; /* all of them, linked, oldest first */
    struct usage_node **last;
};

void usage_init(struct usage *usage, size_t max_counts);
void usage_fini(struct usage *usage);

void usage_add(struct usage *usage, const struct usage_count *count);
bool usage_is_empty(const struct usage *usage);

/* Moves the oldest counts out, `max` at most; how many. If they cannot be written they come back by
 * usage_add(). */
size_t usage_take(struct usage *usage, struct usage_count *out, size_t max);

/* Appends a JSON array of {"id", "used_at", "requests", "errors"}. */
void usage_write(struct buf *out, const struct usage_count *counts, size_t count);

#endif
