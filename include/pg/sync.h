/* A blocking connection for commands (init, status, doctor). The daemon's loops use pg/conn. */
#ifndef PGHERALD_PG_SYNC_H
#define PGHERALD_PG_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pg_sync;
struct pg_rows;

/* What the server said when it refused a statement; borrowed until the next one. Texts are never
 * NULL; `line` counts from 1 in the statement's text, 0 if the server named no place in it. */
struct pg_refusal {
    const char *message;
    const char *detail;
    const char *hint;
    const char *context;
    const char *sqlstate;
    unsigned line;
};

/* Connects within 10 seconds unless the URL says otherwise. The session speaks UTC and ISO, has an
 * empty search_path and no statement time-out. */
enum result pg_sync_open(const char *database_url, const char *application_name,
                         struct pg_sync **out, struct err *err) MUST_CHECK;
void pg_sync_close(struct pg_sync *conn);

/* Runs one statement with parameters in text form (NULL is NULL), or, with count 0, any number of
 * statements without. *rows, unless the pointer is NULL, gets the answer, to be freed by the
 * caller. On FAILED err has it all in one line and pg_sync_refusal() in parts. */
enum result pg_sync_run(struct pg_sync *conn, const char *sql, const char *const *params,
                        size_t count, struct pg_rows **rows, struct err *err) MUST_CHECK;
const struct pg_refusal *pg_sync_refusal(const struct pg_sync *conn);

size_t pg_rows_count(const struct pg_rows *rows);
/* "" for NULL. */
const char *pg_rows_text(const struct pg_rows *rows, size_t row, size_t column);
bool pg_rows_is_null(const struct pg_rows *rows, size_t row, size_t column);
bool pg_rows_is_true(const struct pg_rows *rows, size_t row, size_t column);
/* 0 for NULL. */
long long pg_rows_number(const struct pg_rows *rows, size_t row, size_t column);
void pg_rows_free(struct pg_rows *rows);

/* Gets one row, as row 0 of `rows`, which are gone when it returns. */
typedef enum result pg_sync_row_cb(void *arg, const struct pg_rows *rows, struct err *err);

/* Runs one statement without parameters and gives its rows one by one as they come, so that no more
 * than one is in memory. After a callback has FAILED the rest is read and dropped. *count, unless
 * the pointer is NULL, is how many rows there were. */
enum result pg_sync_each(struct pg_sync *conn, const char *sql, pg_sync_row_cb *each, void *arg,
                         size_t *count, struct err *err) MUST_CHECK;

/* An array literal of text[] for a parameter; the caller frees it. */
char *pg_text_array(char *const *items, size_t count);

#endif
