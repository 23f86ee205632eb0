/* Random columns, values, conditions and claims. */
#ifndef PGHERALD_TESTS_CONDITIONS_H
#define PGHERALD_TESTS_CONDITIONS_H

#include "base/buf.h"
#include "random.h"

#define MAX_COLUMNS 24

struct kind; /* of a column: its type, its values, the comparisons that it knows */

struct columns_of {
    const struct kind *kinds[MAX_COLUMNS];
    size_t count;
};

/* Some of all kinds of columns; without id. */
void choose_columns(struct random *r, struct columns_of *out);
void write_definition(struct buf *out, const struct kind *kind);
const char *kind_column(const struct kind *kind); /* its name, quoted where need be */

/* A literal of the column's type, or null. */
void write_value(struct buf *out, struct random *r, const struct kind *kind);

/* One of those that most applications have. */
void write_usual(struct buf *out, struct random *r);
/* A condition over these columns. Unless `beyond`, of the grammar that is judged in memory. */
void write_condition(struct buf *out, struct random *r, const struct columns_of *columns,
                     bool beyond, unsigned depth);

/* A JSON object. */
void write_claims(struct buf *out, struct random *r);

#endif
