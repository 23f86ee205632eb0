/* Which migrations the program carries, and how they stand in a database. */
#ifndef PGHERALD_CLI_MIGRATE_H
#define PGHERALD_CLI_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "pg/sync.h"

#define MIGRATION_CHECKSUM 65 /* sha256 in hexadecimal and NUL */

enum migration_state {
    MIGRATION_MISSING, /* is to be applied */
    MIGRATION_REPEAT,  /* applied without the seed application, which is wanted now */
    MIGRATION_APPLIED,
    MIGRATION_LEFT_OUT, /* of the seed application, which is not wanted */
    MIGRATION_CHANGED   /* applied, but with another content than the program carries */
};

struct migration_plan {
    enum migration_state *states; /* in the order of the embedded table */
    size_t count;
    bool seed_app; /* wanted, or installed before */
    bool installed;
};

/* Compares the embedded table with the database. An error is also a file without its `set=` line.
 */
enum result migration_plan_load(struct pg_sync *conn, bool with_seed_app,
                                struct migration_plan *out, struct err *err) MUST_CHECK;
void migration_plan_free(struct migration_plan *plan);

/* How many are in a state. */
size_t migration_plan_count(const struct migration_plan *plan, enum migration_state state);

/* Applies one in a transaction of its own, and records it. */
enum result migration_apply(struct pg_sync *conn, size_t index, bool seed_app,
                            struct err *err) MUST_CHECK;

const char *migration_name(size_t index);
void migration_checksum(const char *sql, char out[MIGRATION_CHECKSUM]);
/* From the first line, `-- pgherald: set=core` or `set=seed`; false if there is none. */
bool migration_is_seed(const char *sql, bool *seed);

#endif
