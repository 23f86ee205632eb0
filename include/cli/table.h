/* A JSON array of objects as a table for people; --json prints the array itself. */
#ifndef PGHERALD_CLI_TABLE_H
#define PGHERALD_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct json_t;

struct table_column {
    const char *key; /* of the objects */
    const char *heading;
    bool right; /* numbers stand under each other at the right */
};

/* For a terminal: control characters, those beyond ASCII too, are shown as "?". */
void table_add_shown(struct buf *out, struct str text);

/* Appends a line of headings and a line a row, columns two blanks apart. What a row does not have
 * (or null) is "-". No value from a table can command the terminal: see table_add_shown(). */
void table_write(struct buf *out, const struct json_t *rows, const struct table_column *columns,
                 size_t count);

/* To stdout: the table, or `none` if it has no rows; with `json` the array as JSON. */
void table_print(const struct json_t *rows, const struct table_column *columns, size_t count,
                 const char *none, bool json);

#endif
