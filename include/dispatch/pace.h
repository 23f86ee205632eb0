/* How much an endpoint is given, and when: what its owner allows (requests at once, requests a
 * second), and what is learned from how it answers.
 *
 * It starts with one request, doubles with every round that succeeds, up to the configured maximum,
 * and is halved when there is no answer: an endpoint that is down holds one slot and not all of
 * them. When it asks for less (429, 502, 503, 504) it is also left alone for a while, and for
 * longer when its breaker opens. Source of the idea: TCP's slow start. */
#ifndef PGHERALD_DISPATCH_PACE_H
#define PGHERALD_DISPATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "dispatch/breaker.h"

struct pace {
    unsigned max;             /* requests at once, allowed */
    unsigned limit;           /* requests at once, now; 1 to max */
    unsigned latency_us;      /* of recent answers, smoothed; 0: none yet */
    unsigned trouble;         /* how often in a row there was no answer, or a plea for less */
    unsigned pause_ms;        /* how long the last pause was; 0 after a success */
    uint64_t paused_until_ms; /* clock_monotonic_ms() */
    unsigned rate;            /* requests a second, allowed; 0: any */
    uint64_t next_ns;         /* when the next request is due by that, were there no burst */
    struct breaker breaker;
};

void pace_init(struct pace *pace, unsigned max);

/* What is allowed from now on. rate 0: any; max is at least 1. */
void pace_allow(struct pace *pace, unsigned max, unsigned rate);

/* A request leaves: it uses up its share of the rate. */
void pace_spend(struct pace *pace, uint64_t now_ms);

/* One request ended. status_code 0: no answer, and then duration counts for nothing. Whether that
 * moved the breaker. */
bool pace_learn(struct pace *pace, const struct breaker_settings *settings, uint64_t now_ms,
                int status_code, int64_t retry_after_s, unsigned duration_ms);

/* What the claim says of its breaker: the delivery that it brought is the probe after `opened`
 * openings, or it is not open (any more). */
void pace_probe(struct pace *pace, unsigned opened);
void pace_no_probe(struct pace *pace, uint64_t now_ms);

static inline bool pace_is_paused(const struct pace *pace, uint64_t now_ms)
{
    return now_ms < pace->paused_until_ms;
}

/* From when on it may be sent a request, as far as time is concerned; not after now: at once. */
uint64_t pace_ready_ms(const struct pace *pace);

/* It never answered yet, or several times not as it should, or takes its time over it: such
 * endpoints share half of all slots, so that the others always find one soon. */
#define PACE_SLOW_US 1000000
static inline bool pace_is_suspect(const struct pace *pace)
{
    return pace->trouble >= 3 || pace->latency_us == 0 || pace->latency_us > PACE_SLOW_US;
}

/* There is something to remember of it for a while. */
bool pace_is_troubled(const struct pace *pace);

/* How many deliveries to hold for it, under way and waiting: what keeps it busy for about half a
 * second, so that what waits is sent long before its lease ends. 0 while paused. */
unsigned pace_hold(const struct pace *pace, uint64_t now_ms);

#endif
