/* So many a second, and as many at once: the limit of a client. Eight bytes, zero at the start. It
 * is the generic cell rate algorithm: what is kept is when the next one would be due if all came
 * evenly. Source: ITU-T I.371, annex A. */
#ifndef PGHERALD_REALTIME_RATE_H
#define PGHERALD_REALTIME_RATE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t due_us;
};

/* Takes so many at once, or none of them: false, they are too many. `now_ms` never steps back. */
static inline bool rate_take_all(struct rate *rate, uint64_t count, unsigned per_second,
                                 uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000, due_us = rate->due_us > now_us ? rate->due_us : now_us;

    assert(per_second > 0); /* the least of the settings is 1 */
    if (due_us + count * (1000000 / per_second) > now_us + 1000000)
        return false;
    rate->due_us = due_us + count * (1000000 / per_second);
    return true;
}

/* One limit for what comes to several threads. */
struct shared_rate {
    _Atomic uint64_t due_us;
};

static inline bool shared_rate_take_all(struct shared_rate *shared, uint64_t count,
                                        unsigned per_second, uint64_t now_ms)
{
    uint64_t seen = atomic_load_explicit(&shared->due_us, memory_order_relaxed);
    struct rate rate;

    do {
        rate.due_us = seen;
        if (!rate_take_all(&rate, count, per_second, now_ms))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&shared->due_us, &seen, rate.due_us,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static inline bool rate_take(struct rate *rate, unsigned per_second, uint64_t now_ms)
{
    return rate_take_all(rate, 1, per_second, now_ms);
}

#endif
