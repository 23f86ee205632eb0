/* Random numbers that a seed repeats. */
#ifndef PGHERALD_TESTS_RANDOM_H
#define PGHERALD_TESTS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to below - 1 */
static inline size_t random_below(struct random *r, size_t below)
{
    return (size_t)(random_next(r) % below);
}

static inline bool random_one_in(struct random *r, size_t n)
{
    return random_below(r, n) == 0;
}

#define RANDOM_OF(r, array) ((array)[random_below(r, sizeof(array) / sizeof(*(array)))])

#endif
