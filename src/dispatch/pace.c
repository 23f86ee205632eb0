#include "dispatch/pace.h"

#include "dispatch/schedule.h"

#define FIRST_PAUSE_MS 1000
#define LONGEST_PAUSE_MS (60 * 1000)
#define LONGEST_ASKED_PAUSE_MS (UINT64_C(3600) * 1000)
#define GONE_PAUSE_MS 30000 /* until it is disabled in the database, and no longer claimed */
#define HOLDS_A_SECOND 2
#define HOLD_US (1000000 / HOLDS_A_SECOND)
#define HOLD_MAX 512
#define SMOOTHING 8 /* one answer moves the latency by an eighth */
#define SECOND_NS UINT64_C(1000000000)
#define BURST_NS                                                                                   \
    UINT64_C(100000000) /* a bucket holds a tenth of a second's requests, at least one */

void pace_init(struct pace *pace, unsigned max)
{
    *pace = (struct pace){.max = max ? max : 1, .limit = 1};
}

void pace_allow(struct pace *pace, unsigned max, unsigned rate)
{
    pace->max = max ? max : 1;
    if (pace->limit > pace->max)
        pace->limit = pace->max;
    pace->rate = rate;
}

/* The rate, as a time: the bucket is full when next_ns is a burst ago, and empty when it is now. */
static uint64_t request_ns(const struct pace *pace)
{
    return SECOND_NS / pace->rate;
}

static uint64_t burst_ns(const struct pace *pace)
{
    return BURST_NS > request_ns(pace) ? BURST_NS - request_ns(pace) : 0;
}

void pace_spend(struct pace *pace, uint64_t now_ms)
{
    uint64_t now_ns = now_ms * 1000000;

    if (pace->rate == 0)
        return;
    pace->next_ns = (pace->next_ns > now_ns ? pace->next_ns : now_ns) + request_ns(pace);
}

uint64_t pace_ready_ms(const struct pace *pace)
{
    uint64_t ready_ms = 0;

    if (pace->rate > 0 && pace->next_ns > burst_ns(pace))
        ready_ms = (pace->next_ns - burst_ns(pace) + 999999) / 1000000;
    return ready_ms > pace->paused_until_ms ? ready_ms : pace->paused_until_ms;
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

static void learn_answer(struct pace *pace, uint64_t now_ms, int status_code, int64_t retry_after_s,
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

bool pace_learn(struct pace *pace, const struct breaker_settings *settings, uint64_t now_ms,
                int status_code, int64_t retry_after_s, unsigned duration_ms)
{
    learn_answer(pace, now_ms, status_code, retry_after_s, duration_ms);
    if (!breaker_learn(&pace->breaker, settings, now_ms, schedule_is_success(status_code)))
        return false;
    if (pace->breaker.state == BREAKER_OPEN &&
        pace->paused_until_ms < now_ms + pace->breaker.pause_ms)
        pace->paused_until_ms = now_ms + pace->breaker.pause_ms;
    return true;
}

void pace_probe(struct pace *pace, unsigned opened)
{
    breaker_probe(&pace->breaker, opened);
    pace->limit = 1;
}

/* A claim that was under way when it opened brings more: only one after its pause says otherwise.
 */
void pace_no_probe(struct pace *pace, uint64_t now_ms)
{
    if (pace->breaker.state != BREAKER_CLOSED && !pace_is_paused(pace, now_ms))
        breaker_reset(&pace->breaker);
}

bool pace_is_troubled(const struct pace *pace)
{
    return pace->trouble > 0 || breaker_has_failures(&pace->breaker);
}

unsigned pace_hold(const struct pace *pace, uint64_t now_ms)
{
    uint64_t ahead = 0, hold;

    if (pace_is_paused(pace, now_ms))
        return 0;
    if (pace->breaker.state != BREAKER_CLOSED)
        return 1;
    if (pace->latency_us)
        ahead = (uint64_t)pace->limit * HOLD_US / pace->latency_us;
    hold = pace->limit + (ahead < HOLD_MAX ? ahead : HOLD_MAX);
    if (pace->rate > 0 && hold > 1 + pace->rate / HOLDS_A_SECOND)
        hold = 1 + pace->rate / HOLDS_A_SECOND;
    return (unsigned)hold;
}
