/* What a role may do with a table, as pgherald.realtime_policies() told it. Immutable, counted
 * without atomics: one thread. */
#ifndef PGHERALD_REALTIME_ACCESS_H
#define PGHERALD_REALTIME_ACCESS_H

#include "policy/policy.h"
#include "realtime/names.h"

enum access_kind {
    ACCESS_ASK, /* nothing can be said here */
    ACCESS_NONE,
    ACCESS_ALL,
    ACCESS_JUDGED /* by its policies */
};

struct table_access {
    unsigned refs;
    enum access_kind kind;
    unsigned sent;         /* bits 1 << CHANGE_: those that are sent at all */
    bool rls;              /* row level security is on for the table */
    struct names hidden;   /* columns that the role may not read */
    struct policy *policy; /* ACCESS_JUDGED */
};

/* From the JSON text of the facts; the empty text: there is no such table. One reference. What
 * cannot be read is ACCESS_ASK. */
struct table_access *access_read(struct str facts);
struct table_access *access_ref(struct table_access *access);
void access_unref(struct table_access *access); /* NULL is fine */

#endif
