/* Comparing the text of a value with the text in a condition, as the column's type compares.
 *
 * An operand is a condition's text with everything that can be found out beforehand. It borrows the
 * text. Nothing here allocates. */
#ifndef PGHERALD_ROW_COMPARE_H
#define PGHERALD_ROW_COMPARE_H

#include "base/str.h"
#include "row/type.h"

/* A decimal number as it was written: digits * 10^x, no digit is lost and none is added. */
enum decimal_kind {
    DECIMAL_NONE, /* the text is no number */
    DECIMAL_MINUS_INFINITY,
    DECIMAL_FINITE,
    DECIMAL_INFINITY,
    DECIMAL_NAN /* equal to itself and above all others, as in PostgreSQL */
};

struct decimal {
    enum decimal_kind kind;
    bool negative;
    struct str digits; /* from the first digit that is not 0 to the last; may hold the point */
    int64_t power;     /* the first digit counts 10^power; 0 with no digits */
};

struct decimal decimal_parse(struct str s);
/* Neither may be DECIMAL_NONE. <0, 0, >0. */
int decimal_cmp(const struct decimal *a, const struct decimal *b);
/* Equal numbers have equal hashes, however they are written. */
uint64_t decimal_hash(const struct decimal *number);

/* As boolin(): true yes on 1, false no off 0, and what they can be cut to, in any case. */
bool bool_parse(struct str s, bool *out);

/* A timestamp with or without a zone, or a date; microseconds since 1970, infinity is the largest
 * and the smallest int64_t. Without a zone it is UTC, which is what our sessions speak; for the
 * type `timestamp` a zone is ignored, as PostgreSQL does. */
bool instant_parse(struct str s, bool ignore_zone, int64_t *us);

struct operand {
    struct str text;
    struct decimal number;
    bool is_bool, boolean;
    bool is_instant, is_local; /* the text as timestamptz, as timestamp */
    int64_t instant, local;
    bool is_uuid;
    uint8_t uuid[16];
};

void operand_init(struct operand *operand, struct str text);

/* Whether there is a value of the type that it can be compared with. */
bool operand_fits(const struct operand *operand, const struct type *type);

/* Compares the text of a column with the operand. `type` may be NULL (unknown: by bytes, but if
 * `literal`, by what the text is). Returns false if the two cannot be compared (`abc` with a
 * number, or what does not fit), which in SQL would be an error. */
bool operand_compare(struct str text, bool literal, const struct type *type,
                     const struct operand *operand, int *order);

#endif
