/* What follows from an attempt: delivered, again and when, or given up.
 * Source: Standard Webhooks 1.0.0, "Deliverability and reliability". */
#ifndef PGHERALD_DISPATCH_SCHEDULE_H
#define PGHERALD_DISPATCH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The longest a delivery waits for its next attempt, whatever a receiver's Retry-After says. */
#define SCHEDULE_LONGEST_MS (UINT64_C(24) * 3600 * 1000)

#define SCHEDULE_STATUS_GONE 410

#define SCHEDULE_PLAN_MAX 20

/* An endpoint's own waits: after the first attempt, after the second, ...; the last one repeats. */
struct schedule_plan {
    unsigned count; /* 0: the standard one */
    uint32_t seconds[SCHEDULE_PLAN_MAX];
};

/* Reads PostgreSQL's text of an int[], `{1,5,30}`; the empty text, and whatever does not fit, is
 * the standard plan (the table refuses it, so nobody loses what he asked for). */
void schedule_plan_parse(struct str text, struct schedule_plan *out);

enum schedule_verdict {
    SCHEDULE_DELIVERED,
    SCHEDULE_RETRY,
    SCHEDULE_EXHAUSTED, /* failed, and it was the last attempt */
    SCHEDULE_GONE       /* 410: failed, and the endpoint wants no more of them */
};

struct schedule_outcome {
    unsigned attempt;                 /* the attempt that was just made, from 1 */
    unsigned max_retries;             /* attempts after the first */
    int status_code;                  /* 0: no complete answer */
    int64_t retry_after_s;            /* what the receiver asked for; 0: nothing */
    const struct schedule_plan *plan; /* NULL: the standard one */
};

struct schedule_decision {
    enum schedule_verdict verdict;
    uint64_t delay_ms; /* from now to the next attempt, with SCHEDULE_RETRY */
};

/* `random` is any number, evenly spread: it decides the jitter. */
struct schedule_decision schedule_decide(const struct schedule_outcome *outcome, uint32_t random);

static inline bool schedule_is_success(int status_code)
{
    return status_code >= 200 && status_code <= 299;
}

/* The receiver asks to be called less often. */
static inline bool schedule_is_slow_down(int status_code)
{
    return status_code == 429 || status_code == 502 || status_code == 503 || status_code == 504;
}

#endif
