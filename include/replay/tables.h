/* What replay asks of the catalog: all types, and the tables that entries name. */
#ifndef PGHERALD_REPLAY_TABLES_H
#define PGHERALD_REPLAY_TABLES_H

#include "pg/sync.h"
#include "replay/entry.h"

/* *out has one reference, the caller's. */
enum result tables_load_types(struct pg_sync *conn, struct types **out, struct err *err) MUST_CHECK;

/* Tables that were asked for, as the catalog had them then. */
struct tables;

struct tables *tables_new(struct pg_sync *conn);
void tables_free(struct tables *tables); /* NULL is fine */

/* The table that an entry calls `resource` (schema.table), valid until the next call. One that is
 * gone has no columns. */
enum result tables_find(struct tables *tables, struct str resource, const struct entry_table **out,
                        struct err *err) MUST_CHECK;

#endif
