/* Many small things that live and die together.
 *
 * Nothing is freed by itself. Who fills an arena from outside bytes bounds those bytes. */
#ifndef PGHERALD_BASE_ARENA_H
#define PGHERALD_BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* NULL while empty */
};

void arena_init(struct arena *arena);
void arena_fini(struct arena *arena);

/* Zeroed and aligned for anything. Never NULL, as mem_alloc(). */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size); /* checked for overflow */
struct str arena_str(struct arena *arena, struct str s);           /* a copy with a NUL behind it */

#endif
