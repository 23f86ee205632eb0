/* A small set of column names, such as those a role may not read, or those a client selected. */
#ifndef PGHERALD_REALTIME_NAMES_H
#define PGHERALD_REALTIME_NAMES_H

#include "base/str.h"

struct json_t;

#define NAMES_MAX 1664 /* columns that a PostgreSQL table can have, about */

struct names {
    char **items; /* sorted, no one twice */
    size_t count;
    uint64_t hash; /* equal sets have equal hashes; 0 only when empty */
};

/* From an array of strings; false (and empty) if it is anything else. */
bool names_read(const struct json_t *array, struct names *out);
/* The same from JSON text; the empty text is the empty set. */
bool names_parse(struct str json, struct names *out);
void names_fini(struct names *names);

bool names_has(const struct names *names, struct str name);
bool names_equal(const struct names *a, const struct names *b);

#endif
