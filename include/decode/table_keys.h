/* The primary keys of tables, as the catalog has them. pgoutput says which columns identify a row,
 * which is the primary key only where REPLICA IDENTITY is the default; of the other tables it is
 * looked up. */
#ifndef PGHERALD_DECODE_TABLE_KEYS_H
#define PGHERALD_DECODE_TABLE_KEYS_H

#include "base/str.h"

struct table_keys;

/* `snapshot`: what pg_current_snapshot() said before the catalog was asked, `xmin:xmax:xip,...`.
 * NULL if it says something else. */
struct table_keys *table_keys_new(struct str snapshot);
void table_keys_free(struct table_keys *keys); /* NULL is fine */

/* Copies the name. Tables have to come in the order of their oids. */
void table_keys_add(struct table_keys *keys, uint32_t table, struct str column);
/* Counts a transaction among those that were over. */
void table_keys_assume(struct table_keys *keys, uint32_t xid);

/* Whether what the transaction did was in the catalog. Its commit is in the stream a moment before
 * anybody else can see what it did. */
bool table_keys_see(const struct table_keys *keys, uint32_t xid);
bool table_keys_has(const struct table_keys *keys, uint32_t table, struct str column);

#endif
