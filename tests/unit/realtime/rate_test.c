#include "unit.h"

#include "realtime/rate.h"

#include <pthread.h>

#define THREADS 4
#define TRIES 1500000
#define PER_SECOND 1000
#define MANY_PER_SECOND 1000000 /* so that all threads are at it at the same time */

static void test_as_one(void **state)
{
    struct shared_rate shared = {0};
    struct rate rate = {0};

    static const struct {
        uint64_t now_ms, count;
    } calls[] = {{5000, 1}, {5000, 999}, {5000, 1},  {5001, 1},    {5001, 1},
                 {5000, 1}, {5500, 500}, {5500, 10}, {9000, 1001}, {9000, 1000}};

    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++)
        CHECK(shared_rate_take_all(&shared, calls[i].count, PER_SECOND, calls[i].now_ms) ==
                  rate_take_all(&rate, calls[i].count, PER_SECOND, calls[i].now_ms),
              "what one thread takes is as with a rate of its own");
}

struct contest {
    struct shared_rate shared;
    pthread_barrier_t start;
};

static void *take(void *arg)
{
    struct contest *contest = arg;
    uintptr_t taken = 0;

    pthread_barrier_wait(&contest->start);
    for (unsigned i = 0; i < TRIES; i++)
        taken += shared_rate_take_all(&contest->shared, 1, MANY_PER_SECOND, 5000);
    return (void *)taken;
}

static void test_threads(void **state)
{
    struct contest contest = {.shared = {0}};
    pthread_t threads[THREADS];
    uintptr_t sum = 0;
    void *taken;

    (void)state;
    pthread_barrier_init(&contest.start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take, &contest), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &taken), 0);
        sum += (uintptr_t)taken;
    }
    pthread_barrier_destroy(&contest.start);
    assert_int_equal(sum, MANY_PER_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_one),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
