#include "token/bucket.h"

#define MINUTE_MS 60000u
#define REQUEST ((uint64_t)MINUTE_MS) /* of level */

static uint64_t capacity(const struct bucket *bucket)
{
    return bucket->per_minute * REQUEST;
}

static void refill(struct bucket *bucket, uint64_t now_ms)
{
    uint64_t passed = now_ms > bucket->filled_ms ? now_ms - bucket->filled_ms : 0;
    uint64_t room = capacity(bucket) - bucket->level;

    if (passed >= MINUTE_MS || passed * bucket->per_minute >= room)
        bucket->level = capacity(bucket);
    else
        bucket->level += passed * bucket->per_minute;
    bucket->filled_ms += passed;
}

void bucket_init(struct bucket *bucket, uint32_t per_minute, uint64_t now_ms)
{
    bucket->per_minute = per_minute;
    bucket->level = capacity(bucket);
    bucket->filled_ms = now_ms;
}

void bucket_resize(struct bucket *bucket, uint32_t per_minute, uint64_t now_ms)
{
    uint64_t used;

    refill(bucket, now_ms);
    used = capacity(bucket) - bucket->level;
    bucket->per_minute = per_minute;
    bucket->level = used < capacity(bucket) ? capacity(bucket) - used : 0;
}

/* Seconds until `missing` has been refilled, rounded up. */
static unsigned seconds_for(const struct bucket *bucket, uint64_t missing)
{
    uint64_t a_second = bucket->per_minute * UINT64_C(1000);

    return (unsigned)((missing + a_second - 1) / a_second);
}

unsigned bucket_take(struct bucket *bucket, uint64_t now_ms)
{
    refill(bucket, now_ms);
    if (bucket->level < REQUEST)
        return seconds_for(bucket, REQUEST - bucket->level);
    bucket->level -= REQUEST;
    return 0;
}

struct allowance bucket_allowance(struct bucket *bucket, uint64_t now_ms)
{
    refill(bucket, now_ms);
    return (struct allowance){bucket->per_minute, (uint32_t)(bucket->level / REQUEST),
                              seconds_for(bucket, capacity(bucket) - bucket->level)};
}
