/* Allocation.
 *
 * These never return NULL: when the machine has no memory the process says so and exits with
 * EX_OSERR. That is safe by design, as everything not yet covered by the checkpoint is read again;
 * and it is the only thing that is, as who went on without a piece would store less than came, or
 * take a good rule for a bad one. Whatever grows with input goes through struct buf, which has a
 * maximum. What libraries allocate: cli/memory.c. */
#ifndef PGHERALD_BASE_MEM_H
#define PGHERALD_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);               /* zeroed */
void *mem_block(size_t size);               /* not zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; count * size is checked for overflow */
void *mem_grow(void *old, size_t count, size_t size); /* realloc; the new part is not zeroed */
char *mem_strdup(const char *s);                      /* NULL gives NULL */

#endif
