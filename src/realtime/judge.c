#include "realtime/judge.h"

#include <string.h>

#include "base/mem.h"

void reading_init(struct reading *reading, struct table_access *access, const struct change *change)
{
    struct columns record, rest;

    memset(reading, 0, sizeof(*reading));
    if (!access)
        return;
    reading->access = access_ref(access);
    reading->gone = change->kind == CHANGE_DELETE;
    if (access->kind != ACCESS_JUDGED)
        return;
    question_image(change, &record, &rest);
    policy_row_init(&reading->now, access->policy, record, rest);
    policy_row_init(&reading->old, access->policy, change->identity, (struct columns){0});
    reading->judged = true;
}

void reading_fini(struct reading *reading)
{
    if (reading->judged) {
        policy_row_fini(&reading->now);
        policy_row_fini(&reading->old);
    }
    access_unref(reading->access);
}

/* The claims are of no use for these policies, whatever the row. A cast of `sub` to uuid is the
 * only one that is known to fail. */
static void fail(struct verdict *verdict)
{
    verdict->failed = true;
    strcpy(verdict->sqlstate, "22P02");
    verdict->problem = mem_strdup("the claims are not what a policy wants of them");
}

static void decide(const struct reading *reading, bool wants_old,
                   const struct policy_session *bound, struct verdict *verdict)
{
    const struct policy *policy = reading->access->policy;
    enum policy_verdict now = POLICY_NO, old = POLICY_NO;

    /* of a deleted row nothing more can be found out than what is there */
    if (!reading->gone || !reading->now.lacks)
        now = policy_judge(policy, &reading->now, bound);
    if (wants_old && !reading->old.lacks)
        old = policy_judge(policy, &reading->old, bound);
    if (now == POLICY_ASK || old == POLICY_ASK)
        return;
    verdict->state = now == POLICY_YES ? VERDICT_YES : VERDICT_NO;
    verdict->old_visible = old == POLICY_YES;
    if (now == POLICY_RAISES)
        fail(verdict);
}

void judge(const struct reading *reading, bool wants_old, const struct policy_session *bound,
           struct verdict *verdict)
{
    if (!reading->access)
        return;
    switch (reading->access->kind) {
    case ACCESS_ASK:
        return;
    case ACCESS_NONE:
        verdict->state = VERDICT_NO;
        break;
    case ACCESS_ALL:
        verdict->state = VERDICT_YES;
        verdict->old_visible = wants_old;
        break;
    case ACCESS_JUDGED:
        decide(reading, wants_old, bound, verdict);
        break;
    }
    if (verdict->state == VERDICT_ASK)
        return;
    verdict->rls = reading->access->rls;
    verdict->access = access_ref(reading->access);
}
