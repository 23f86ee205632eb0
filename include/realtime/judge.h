/* A row under the policies of its table, in memory. Pure. */
#ifndef PGHERALD_REALTIME_JUDGE_H
#define PGHERALD_REALTIME_JUDGE_H

#include "realtime/question.h"

/* A row as the policies for one role look at it. */
struct reading {
    struct table_access *access; /* one reference; NULL: nothing is known */
    struct policy_row now, old;
    bool judged; /* `now` and `old` are filled in */
    bool gone;   /* the row was deleted: what is not in it is nowhere */
};

void reading_init(struct reading *reading, struct table_access *access,
                  const struct change *change);
void reading_fini(struct reading *reading);

/* Fills in a verdict that is ASK. `bound` is what the session's claims come to in the policies; it
 * is looked at only if they decide. What cannot be told here stays ASK. */
void judge(const struct reading *reading, bool wants_old, const struct policy_session *bound,
           struct verdict *verdict);

/* Whether the verdict depends on the session's claims, so that it takes a policy_session. */
static inline bool judge_needs_claims(const struct table_access *access)
{
    return access && access->kind == ACCESS_JUDGED;
}

#endif
