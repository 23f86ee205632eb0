/* What a predicate is once it has been parsed. predicate.c makes it of a text, predicate_match.c
 * tries it on changes; nobody else includes this. */
#ifndef PGHERALD_ROW_PREDICATE_TERM_H
#define PGHERALD_ROW_PREDICATE_TERM_H

#include "row/compare.h"
#include "row/pattern.h"
#include "row/predicate.h"

enum op {
    OP_EQ,
    OP_NEQ,
    OP_LT,
    OP_LTE,
    OP_GT,
    OP_GTE,
    OP_IN,
    OP_LIKE,
    OP_ILIKE,
    OP_IS,
    OP_MATCH,
    OP_IMATCH,
    OP_ISDISTINCT
};

enum is_what { IS_NULL, IS_TRUE, IS_FALSE, IS_CHANGED };

struct term {
    bool old; /* of the row before the change */
    bool negated;
    enum op op;
    char *column;
    char **texts;             /* what the operands borrow */
    struct operand *operands; /* one, or as many as `in` has; none for `is null` and patterns */
    size_t operand_count;
    struct pattern *pattern;
    enum is_what is;
};

struct predicate {
    struct term *terms;
    size_t count;
};

#endif
