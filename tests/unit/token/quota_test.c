#include "unit.h"

#include "token/quota.h"

#include <pthread.h>

#define THREADS 4
#define TRIES 1000
#define PER_MINUTE 1500

#define ID STR("00000000-0000-0000-0000-000000000001")
#define OTHER STR("00000000-0000-0000-0000-000000000002")

static void test_shared(void **state)
{
    struct quotas *quotas = quotas_new();
    struct quota *one = quota_get(quotas, ID, 2, 0);
    struct quota *same = quota_get(quotas, ID, 2, 0);
    struct quota *other = quota_get(quotas, OTHER, 2, 0);
    struct allowance left;

    (void)state;
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_int_equal(quota_take(one, 0, &left), 0);
    assert_int_equal(left.remaining, 1);
    assert_int_equal(quota_take(same, 0, &left), 0);
    assert_int_equal(quota_take(one, 0, &left), 30);
    assert_int_equal(quota_left(other, 0).remaining, 2);
    quota_unref(one);
    assert_int_equal(quota_left(same, 0).remaining, 0); /* what one ring forgets another has */
    quota_unref(same);
    quota_unref(other);
    one = quota_get(quotas, ID, 2, 0);
    assert_int_equal(quota_left(one, 0).remaining, 2); /* all had forgotten it */
    same = quota_get(quotas, ID, 10, 0);
    assert_int_equal(quota_left(one, 0).limit, 10);
    quota_unref(one);
    quota_unref(same);
    quotas_unref(quotas);
}

static void *take_many(void *arg)
{
    struct quotas *quotas = quotas_ref(arg);
    struct allowance left;
    uintptr_t taken = 0;

    for (int i = 0; i < TRIES; i++) {
        struct quota *quota = quota_get(quotas, ID, PER_MINUTE, 0);

        taken += quota_take(quota, 0, &left) == 0;
        quota_unref(quota);
    }
    quotas_unref(quotas);
    return (void *)taken;
}

static void test_threads(void **state)
{
    struct quotas *quotas = quotas_new();
    struct quota *held = quota_get(quotas, ID, PER_MINUTE, 0);
    pthread_t threads[THREADS];
    uintptr_t taken = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, quotas), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *one;

        pthread_join(threads[i], &one);
        taken += (uintptr_t)one;
    }
    assert_int_equal(taken, PER_MINUTE);
    quota_unref(held);
    quotas_unref(quotas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared),
                                       cmocka_unit_test(test_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
