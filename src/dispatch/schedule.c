#include "dispatch/schedule.h"

#include <stddef.h>

#define JITTER_PERCENT 20 /* on both sides of the schedule */

#define SECONDS(n) (UINT64_C(1000) * (n))
#define MINUTES(n) (SECONDS(60) * (n))
#define HOURS(n) (MINUTES(60) * (n))

/* The wait after the first attempt, after the second, ... */
static const uint64_t delays_ms[] = {
    SECONDS(5), MINUTES(5), MINUTES(30), HOURS(2),  HOURS(5),
    HOURS(10),  HOURS(14),  HOURS(20),   HOURS(24),
};

static uint64_t delay_after(const struct schedule_plan *plan, unsigned attempt)
{
    const bool own = plan && plan->count > 0;
    const size_t count = own ? plan->count : sizeof(delays_ms) / sizeof(delays_ms[0]);
    size_t at = attempt > 0 ? attempt - 1 : 0;

    if (at >= count)
        at = count - 1;
    return own ? SECONDS(plan->seconds[at]) : delays_ms[at];
}

void schedule_plan_parse(struct str text, struct schedule_plan *out)
{
    struct str rest = text.len >= 2 ? str_from(text.data + 1, text.len - 2) : STR("");

    out->count = 0;
    while (rest.len > 0) {
        struct str head, tail = STR("");
        uint64_t seconds;

        if (!str_split(rest, ',', &head, &tail))
            head = rest;
        if (!str_to_u64(head, &seconds) || seconds > SCHEDULE_LONGEST_MS / 1000 ||
            out->count == SCHEDULE_PLAN_MAX) {
            out->count = 0;
            return;
        }
        out->seconds[out->count++] = (uint32_t)seconds;
        rest = tail;
    }
}

/* A share of `ms` between 0 and `percent` %. */
static uint64_t share(uint64_t ms, unsigned percent, uint32_t random)
{
    return ms * percent / 100 * random / UINT32_MAX;
}

static uint64_t spread(uint64_t ms, uint32_t random)
{
    return ms - ms * JITTER_PERCENT / 100 + share(ms, 2 * JITTER_PERCENT, random);
}

static uint64_t bounded(uint64_t ms)
{
    return ms < SCHEDULE_LONGEST_MS ? ms : SCHEDULE_LONGEST_MS;
}

/* Retry-After is the earliest moment that suits the receiver: its jitter only adds, so that those
 * who were all told the same do not all return at once. */
static uint64_t delay_ms(const struct schedule_outcome *outcome, uint32_t random)
{
    uint64_t planned = spread(delay_after(outcome->plan, outcome->attempt), random);
    uint64_t asked_s = outcome->retry_after_s > 0 ? (uint64_t)outcome->retry_after_s : 0;
    uint64_t asked = asked_s < SCHEDULE_LONGEST_MS / 1000 ? SECONDS(asked_s) : SCHEDULE_LONGEST_MS;

    if (asked > planned)
        planned = asked + share(asked, JITTER_PERCENT, random);
    return bounded(planned);
}

struct schedule_decision schedule_decide(const struct schedule_outcome *outcome, uint32_t random)
{
    struct schedule_decision decision = {SCHEDULE_RETRY, 0};

    if (schedule_is_success(outcome->status_code))
        decision.verdict = SCHEDULE_DELIVERED;
    else if (outcome->status_code == SCHEDULE_STATUS_GONE)
        decision.verdict = SCHEDULE_GONE;
    else if (outcome->attempt > outcome->max_retries)
        decision.verdict = SCHEDULE_EXHAUSTED;
    else
        decision.delay_ms = delay_ms(outcome, random);
    return decision;
}
