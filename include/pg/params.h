/* From a database_url to libpq's keyword arrays, with what every connection of ours needs on top.
 */
#ifndef PGHERALD_PG_PARAMS_H
#define PGHERALD_PG_PARAMS_H

#include "base/err.h"
#include "base/str.h"

#define PG_PARAMS_MAX 64

struct pg_params {
    char *keywords[PG_PARAMS_MAX + 1];
    char *values[PG_PARAMS_MAX + 1];
    size_t count;
};

/* Parses `database_url` and adds the application's name and the session settings that keep values
 * exact (bytea, time zone, date and interval style, float digits, an empty search_path). */
enum result pg_params_init(struct pg_params *params, const char *database_url,
                           const char *application_name, bool replication,
                           struct err *err) MUST_CHECK;
void pg_params_fini(struct pg_params *params);

/* The value of a keyword, or NULL. */
const char *pg_params_get(const struct pg_params *params, const char *keyword);
/* Replaces or adds; the value is copied. */
void pg_params_set(struct pg_params *params, const char *keyword, const char *value);
/* A setting of the server for this session, such as "wal_sender_timeout=30000". */
void pg_params_add_setting(struct pg_params *params, const char *setting);

#endif
