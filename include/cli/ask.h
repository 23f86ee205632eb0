/* What commands that list things ask of the database, and how they say that it went wrong. */
#ifndef PGHERALD_CLI_ASK_H
#define PGHERALD_CLI_ASK_H

#include "pg/sync.h"

struct json_t;

/* Runs a statement whose answer is one JSON value; the caller frees *out by json_decref(). */
enum result ask_json(struct pg_sync *conn, const char *sql, const char *const *params, size_t count,
                     struct json_t **out, struct err *err) MUST_CHECK;

/* On stderr: the server's refusal with its hint, and `pgherald init` where something is missing; if
 * there was none, err. */
void ask_complain(const struct pg_sync *conn, const struct err *err);

#endif
