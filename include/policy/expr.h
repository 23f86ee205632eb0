/* A policy's condition, as far as it is understood, and what it can come to.
 *
 * SQL has three truth values; here an expression has a set of them: those that it may have as far
 * as we know. What is not understood may be anything, which does no harm where it does not matter:
 * `user_id = auth.uid() and f(x)` is never true for a row of somebody else's. */
#ifndef PGHERALD_POLICY_EXPR_H
#define PGHERALD_POLICY_EXPR_H

#include "policy/datum.h"

/* A set of outcomes. */
enum {
    OUTCOME_TRUE = 1,
    OUTCOME_FALSE = 2,
    OUTCOME_NULL = 4,
    OUTCOME_RAISES = 8,  /* PostgreSQL raises an error, or would if it came to that part */
    OUTCOME_UNSURE = 16, /* a part of it was not understood; never alone */
    OUTCOME_ANY = OUTCOME_TRUE | OUTCOME_FALSE | OUTCOME_NULL | OUTCOME_UNSURE
};

enum expr_kind {
    EXPR_OPAQUE, /* not understood */
    EXPR_CONSTANT,
    EXPR_AND,
    EXPR_OR,
    EXPR_NOT,
    EXPR_COALESCE, /* of booleans */
    EXPR_TEST,     /* IS [NOT] TRUE, FALSE, UNKNOWN */
    EXPR_VALUE,    /* a boolean value: a column, a claim */
    EXPR_COMPARE,
    EXPR_DISTINCT, /* IS DISTINCT FROM */
    EXPR_ANY,      /* operator ANY (list) */
    EXPR_ALL,
    EXPR_IS_NULL
};

enum comparison { IS_EQUAL, IS_UNEQUAL, IS_LESS, IS_LESS_OR_EQUAL, IS_MORE, IS_MORE_OR_EQUAL };

/* BoolTestType of primnodes.h. */
enum truth_test {
    TEST_TRUE,
    TEST_NOT_TRUE,
    TEST_FALSE,
    TEST_NOT_FALSE,
    TEST_UNKNOWN,
    TEST_NOT_UNKNOWN
};

/* Where a side of a comparison comes from. */
enum source { FROM_CONSTANT, FROM_ROW, FROM_SESSION };

struct side {
    enum source source;
    size_t slot; /* in the row's or the session's values */
    struct datum value;
};

#define EXPR_NO_KEY SIZE_MAX

struct expr {
    enum expr_kind kind;
    struct expr **args; /* AND, OR, COALESCE; NOT and TEST have one */
    size_t arg_count;
    unsigned outcome;     /* EXPR_CONSTANT */
    enum truth_test test; /* EXPR_TEST */
    enum comparison comparison;
    enum datum_class class;
    struct side left;   /* of a comparison; the only one of VALUE and IS_NULL */
    struct side *right; /* one, or the list of ANY and ALL */
    size_t right_count;
    bool null_list; /* ANY (NULL) */
    size_t key;     /* `column = claim`: its number among such comparisons, or EXPR_NO_KEY */
};

/* What the operands stand for. */
struct expr_values {
    const struct datum *row;
    const struct datum *session; /* NULL: a session of which nothing is known */
    unsigned unequal_keys;       /* ... but that these comparisons are not true for it */
};

/* A set of OUTCOME_. */
unsigned expr_evaluate(const struct expr *expr, const struct expr_values *values);

#endif
