#include "cli/ask.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum result ask_json(struct pg_sync *conn, const char *sql, const char *const *params, size_t count,
                     struct json_t **out, struct err *err)
{
    struct pg_rows *rows;
    json_error_t wrong;

    *out = NULL;
    if (pg_sync_run(conn, sql, params, count, &rows, err) != OK)
        return FAILED;
    if (pg_rows_count(rows) == 1)
        *out = json_loads(pg_rows_text(rows, 0, 0), JSON_DECODE_ANY, &wrong);
    else
        snprintf(wrong.text, sizeof(wrong.text), "%zu rows", pg_rows_count(rows));
    pg_rows_free(rows);
    return *out ? OK : err_set(err, "the database's answer is no JSON: %s", wrong.text);
}

/* Not installed at all, or by an older version: a schema, a table or a function is missing. */
static bool is_missing(const char *sqlstate)
{
    return strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42P01") == 0 ||
           strcmp(sqlstate, "42883") == 0;
}

void ask_complain(const struct pg_sync *conn, const struct err *err)
{
    const struct pg_refusal *refusal = pg_sync_refusal(conn);

    if (!refusal->message[0]) {
        fprintf(stderr, "pgherald: %s\n", err->message);
        return;
    }
    fprintf(stderr, "pgherald: %s\n", refusal->message);
    if (is_missing(refusal->sqlstate))
        fputs("  hint: run pgherald init\n", stderr);
    else if (refusal->hint[0])
        fprintf(stderr, "  hint: %s\n", refusal->hint);
}
