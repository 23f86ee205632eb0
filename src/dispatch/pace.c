#include "dispatch/pace.h"

#include "dispatch/schedule.h"

#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS (60 * 1000)
#define LONGEST_ASKED_PAUSE_MS (UINT64_C(3600) * 1000)
#define GONE_PAUSE_MS 30000 /* until it is disabled in the database, and no longer claimed */
#define HOLD_US 500000
#define HOLD_MAX 512
#define SMOOTHING 8 /* one answer moves the latency by an eighth */

void pace_init(struct pace *pace, unsigned max)
{
    *pace = (struct pace){.max = max ? max : 1, .limit = 1};
}

static void shrink(struct pace *pace)
{
    pace->limit = pace->limit > 1 ? pace->limit / 2 : 1;
}

/* All requests that were under way may bring the same news: only the first of them counts, though
 * a longer Retry-After is heard. */
static void pause(struct pace *pace, uint64_t now_ms, int64_t retry_after_s)
{
    uint64_t asked = retry_after_s > 0 ? (uint64_t)retry_after_s : 0;
    uint64_t pause_ms;

    asked = asked < LONGEST_ASKED_PAUSE_MS / 1000 ? asked * 1000 : LONGEST_ASKED_PAUSE_MS;
    if (!pace_is_paused(pace, now_ms)) {
        shrink(pace);
        pace->pause_ms = pace->pause_ms ? pace->pause_ms * 2 : FIRST_PAUSE_MS;
        if (pace->pause_ms > LONGEST_PAUSE_MS)
            pace->pause_ms = LONGEST_PAUSE_MS;
    }
    pause_ms = asked > pace->pause_ms ? asked : pace->pause_ms;
    if (pace->paused_until_ms < now_ms + pause_ms)
        pace->paused_until_ms = now_ms + pause_ms;
}

static void learn_latency(struct pace *pace, unsigned duration_ms)
{
    unsigned us = duration_ms < 1000000 ? duration_ms * 1000 : 1000000000;

    if (us == 0)
        us = 500;
    if (pace->latency_us == 0)
        pace->latency_us = us;
    else
        pace->latency_us = pace->latency_us - pace->latency_us / SMOOTHING + us / SMOOTHING;
}

void pace_learn(struct pace *pace, uint64_t now_ms, int status_code, int64_t retry_after_s,
                unsigned duration_ms)
{
    if (status_code == 0) {
        pace->trouble++;
        shrink(pace);
        return;
    }
    learn_latency(pace, duration_ms);
    if (schedule_is_slow_down(status_code)) {
        pace->trouble++;
        pause(pace, now_ms, retry_after_s);
        return;
    }
    pace->trouble = 0;
    if (status_code == SCHEDULE_STATUS_GONE)
        pace->paused_until_ms = now_ms + GONE_PAUSE_MS;
    if (schedule_is_success(status_code)) {
        pace->pause_ms = 0;
        if (pace->limit < pace->max)
            pace->limit++;
    }
}

unsigned pace_hold(const struct pace *pace, uint64_t now_ms)
{
    uint64_t ahead = 0;

    if (pace_is_paused(pace, now_ms))
        return 0;
    if (pace->latency_us)
        ahead = (uint64_t)pace->limit * HOLD_US / pace->latency_us;
    return pace->limit + (unsigned)(ahead < HOLD_MAX ? ahead : HOLD_MAX);
}
