/* A token bucket: so many requests a minute, refilled all the time, with a burst of a whole
 * minute's. Integers only, so that nothing drifts. Pure. */
#ifndef PGHERALD_TOKEN_BUCKET_H
#define PGHERALD_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint32_t per_minute;
    uint64_t level;     /* in sixty-thousandths of a request: what a millisecond refills */
    uint64_t filled_ms; /* as of when */
};

/* What RateLimit-* headers say. `limit` 0: there is no limit. */
struct allowance {
    uint32_t limit, remaining;
    uint32_t reset_s; /* until it is full again */
};

/* A full one. per_minute is 1 to 1,000,000. */
void bucket_init(struct bucket *bucket, uint32_t per_minute, uint64_t now_ms);
/* From now on it is so many; what was used stays used. */
void bucket_resize(struct bucket *bucket, uint32_t per_minute, uint64_t now_ms);

/* Takes one request; 0, or the seconds (1 to 60) after which there will be one. */
unsigned bucket_take(struct bucket *bucket, uint64_t now_ms);
struct allowance bucket_allowance(struct bucket *bucket, uint64_t now_ms);

#endif
