/* How much an endpoint is given at once, learned from how it answers.
 *
 * It starts with one request, doubles with every round that succeeds, up to the configured maximum,
 * and is halved when there is no answer: an endpoint that is down holds one slot and not all of
 * them. When it asks for less (429, 502, 503, 504) it is also left alone for a while. Source of the
 * idea: TCP's slow start. */
#ifndef PGHERALD_DISPATCH_PACE_H
#define PGHERALD_DISPATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    unsigned max;             /* requests at once, configured */
    unsigned limit;           /* requests at once, now; 1 to max */
    unsigned latency_us;      /* of recent answers, smoothed; 0: none yet */
    unsigned trouble;         /* how often in a row there was no answer, or a plea for less */
    unsigned pause_ms;        /* how long the last pause was; 0 after a success */
    uint64_t paused_until_ms; /* clock_monotonic_ms() */
};

void pace_init(struct pace *pace, unsigned max);

/* One request ended. status_code 0: no answer, and then duration counts for nothing. */
void pace_learn(struct pace *pace, uint64_t now_ms, int status_code, int64_t retry_after_s,
                unsigned duration_ms);

static inline bool pace_is_paused(const struct pace *pace, uint64_t now_ms)
{
    return now_ms < pace->paused_until_ms;
}

/* It has not answered as it should, several times or ever: such endpoints share half of all slots.
 */
static inline bool pace_is_suspect(const struct pace *pace)
{
    return pace->trouble >= 3 || (pace->trouble > 0 && pace->latency_us == 0);
}

/* How many deliveries to hold for it, under way and waiting: what keeps it busy for about half a
 * second, so that what waits is sent long before its lease ends. 0 while paused. */
unsigned pace_hold(const struct pace *pace, uint64_t now_ms);

#endif
