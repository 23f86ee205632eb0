/* The policies of a table that hold for a role, compiled: one condition for all of them, and what
 * it takes to try it on a row for a session. Pure. Source for how policies are put together:
 * rowsecurity.c of PostgreSQL. */
#ifndef PGHERALD_POLICY_POLICY_H
#define PGHERALD_POLICY_POLICY_H

#include "base/arena.h"
#include "policy/facts.h"
#include "row/change.h"

#define POLICY_MAX_KEYS 4

struct policy;

/* Copies what it needs of the facts. Never NULL: a clause that is not understood leaves its place
 * open. */
struct policy *policy_compile(const struct policy_facts *facts);
void policy_free(struct policy *policy);

/* Whether every part of it was understood. */
bool policy_is_clear(const struct policy *policy);

/* What a session's claims come to in this policy. */
struct policy_session;

struct policy_session *policy_bind(const struct policy *policy, struct str claims);
void policy_session_free(struct policy_session *session); /* NULL is fine */

/* A row as this policy looks at it. Views of the row stay in it. */
struct policy_row {
    struct arena arena;
    struct datum *values;
    bool lacks; /* a column that a clause looks at was not carried by the stream */
};

/* `rest` has what `record` lacks: values that did not change, in the old row. */
void policy_row_init(struct policy_row *row, const struct policy *policy, struct columns record,
                     struct columns rest);
void policy_row_fini(struct policy_row *row);

/* Whether a column's value came with the stream. NaN and the infinities of numeric and float come
 * as NULL, so of those types a NULL says nothing. */
bool policy_is_carried(const struct column *column);

enum policy_verdict {
    POLICY_YES,
    POLICY_NO,
    POLICY_RAISES, /* whatever the row: the claims are not what the policy wants of them */
    POLICY_ASK     /* PostgreSQL has to be asked */
};

enum policy_verdict policy_judge(const struct policy *policy, const struct policy_row *row,
                                 const struct policy_session *session);

/* Comparisons `column = claim` are keys, by which sessions can be filed: those for which one may be
 * true are filed under the claim's value, and a row finds them by the column's. */
size_t policy_key_count(const struct policy *policy);

enum policy_filing {
    POLICY_FILED,   /* under *out */
    POLICY_NOWHERE, /* the comparison is never true for it */
    POLICY_ALWAYS   /* it has to be looked at for every row */
};
enum policy_filing policy_session_key(const struct policy *policy,
                                      const struct policy_session *session, size_t key,
                                      uint64_t *out);

/* Which keys a row's readers are under: a set of bits; all sessions that may read it (or that have
 * to ask) are filed under one of these, or always. 0: there is no such set, try everybody. */
unsigned policy_keys_for(const struct policy *policy, const struct policy_row *row);
/* false: nobody is found by this key. */
bool policy_row_key(const struct policy *policy, const struct policy_row *row, size_t key,
                    uint64_t *out);

#endif
