/* What of PostgreSQL's operators and functions is understood, by oid: those of the server itself
 * never change (pg_operator.dat, pg_proc.dat). */
#ifndef PGHERALD_POLICY_KNOWN_H
#define PGHERALD_POLICY_KNOWN_H

#include "policy/expr.h"

struct known_operator {
    enum comparison comparison;
    enum datum_class class;
};

/* false if it is no comparison of ours. */
bool known_operator(int64_t oid, struct known_operator *out);

/* json -> text and its like. */
struct known_step {
    bool as_text; /* ->> and #>> */
    bool path;    /* #> and #>>: the right side is an array */
};
bool known_step(int64_t oid, struct known_step *out);

/* A function that gives another type the same value: integer to numeric. */
bool known_widening(int64_t oid);
#define KNOWN_BOOL_TO_TEXT 2971
#define KNOWN_CURRENT_SETTING 2077
#define KNOWN_CURRENT_SETTING_OR_NULL 3294

/* What a function such as auth.uid() is, by its source: ours in sql/migrations/000 and those that
 * Supabase has had. */
enum known_function {
    KNOWN_NO_FUNCTION,
    KNOWN_CLAIMS,       /* auth.jwt() */
    KNOWN_CLAIM,        /* a claim, cast to the function's type */
    KNOWN_CLAIM_OR_NULL /* the same, but the empty text is NULL */
};
/* *claim is a literal. */
enum known_function known_function(struct str source, uint32_t result, struct str *claim);

#endif
