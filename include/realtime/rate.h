/* So many a second, and as many at once: the limit of a client. Eight bytes, zero at the start. It
 * is the generic cell rate algorithm: what is kept is when the next one would be due if all came
 * evenly. Source: ITU-T I.371, annex A. */
#ifndef PGHERALD_REALTIME_RATE_H
#define PGHERALD_REALTIME_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t due_us;
};

/* false: one too many, which does not count. `now_ms` never steps back. */
static inline bool rate_take(struct rate *rate, unsigned per_second, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000, gap_us = 1000000 / per_second;
    uint64_t due_us = rate->due_us > now_us ? rate->due_us : now_us;

    if (due_us + gap_us > now_us + 1000000)
        return false;
    rate->due_us = due_us + gap_us;
    return true;
}

#endif
