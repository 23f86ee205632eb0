#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "dispatch/pace.h"

static void starts_small_and_grows_with_success(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    assert_int_equal(pace.limit, 1);
    assert_int_equal(pace_hold(&pace, 0), 1); /* nothing is known: nothing waits */
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, 0, 200, 0, 10);
    assert_int_equal(pace.limit, 16);
    assert_true(pace_hold(&pace, 0) > 400); /* 16 at once, 10 ms each: 800 in half a second */
    pace_init(&pace, 0);
    assert_int_equal(pace.limit, 1);
}

static void keeps_little_waiting_for_a_slow_one(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, 0, 200, 0, 10000);
    assert_int_equal(pace.limit, 16);
    assert_int_equal(pace_hold(&pace, 0), 16);
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, 0, 200, 0, 4000000); /* over an hour: no overflow */
    assert_int_equal(pace_hold(&pace, 0), 16);
}

static void leaves_one_slot_to_a_dead_one(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 15; i++)
        pace_learn(&pace, 0, 200, 0, 1);
    assert_int_equal(pace.limit, 16);
    assert_false(pace_is_suspect(&pace));
    for (int i = 0; i < 5; i++)
        pace_learn(&pace, 0, 0, 0, 0);
    assert_int_equal(pace.limit, 1);
    assert_true(pace_is_suspect(&pace));
    assert_false(pace_is_paused(&pace, 1)); /* it has a time-out and a schedule for that */
    pace_learn(&pace, 0, 500, 0, 1);
    assert_false(pace_is_suspect(&pace)); /* it is there again */
    assert_int_equal(pace.limit, 1);
    pace_learn(&pace, 0, 200, 0, 1);
    assert_int_equal(pace.limit, 2);
}

static void suspects_who_never_answered_at_once(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    assert_false(pace_is_suspect(&pace));
    pace_learn(&pace, 0, 0, 0, 0);
    assert_true(pace_is_suspect(&pace));
    pace_learn(&pace, 0, 404, 0, 1); /* an answer, if a poor one */
    assert_false(pace_is_suspect(&pace));
    pace_learn(&pace, 0, 0, 0, 0);
    pace_learn(&pace, 0, 0, 0, 0);
    assert_false(pace_is_suspect(&pace));
    pace_learn(&pace, 0, 0, 0, 0);
    assert_true(pace_is_suspect(&pace));
}

static void leaves_alone_who_asks_for_it(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 15; i++)
        pace_learn(&pace, 0, 200, 0, 1);
    pace_learn(&pace, 1000, 429, 0, 1);
    assert_int_equal(pace.limit, 8);
    assert_int_equal(pace.paused_until_ms, 2000);
    assert_int_equal(pace_hold(&pace, 1999), 0);
    assert_true(pace_hold(&pace, 2000) > 0);
    pace_learn(&pace, 1001, 503, 0, 1); /* was under way: the same news */
    assert_int_equal(pace.limit, 8);
    assert_int_equal(pace.paused_until_ms, 2001);
    pace_learn(&pace, 1002, 429, 30, 1); /* but this one says how long */
    assert_int_equal(pace.paused_until_ms, 31002);
    pace_learn(&pace, 31002, 502, 0, 1); /* again: twice as long */
    assert_int_equal(pace.limit, 4);
    assert_int_equal(pace.paused_until_ms, 33002);
    pace_learn(&pace, 40000, 200, 0, 1);
    pace_learn(&pace, 50000, 504, 0, 1); /* a success in between: from the start */
    assert_int_equal(pace.paused_until_ms, 51000);
}

static void sends_nothing_to_who_is_gone(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    pace_learn(&pace, 1000, 410, 0, 1);
    assert_int_equal(pace_hold(&pace, 30999), 0);
    assert_true(pace_hold(&pace, 31000) > 0); /* it may have been enabled again */
}

static void bounds_the_pause(void **state)
{
    struct pace pace;
    uint64_t now = 0;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 40; i++) {
        now = pace.paused_until_ms;
        pace_learn(&pace, now, 429, 0, 1);
    }
    assert_int_equal(pace.paused_until_ms - now, 60000);
    now = pace.paused_until_ms;
    pace_learn(&pace, now, 429, INT64_MAX, 1);
    assert_int_equal(pace.paused_until_ms - now, 3600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_small_and_grows_with_success),
        cmocka_unit_test(keeps_little_waiting_for_a_slow_one),
        cmocka_unit_test(leaves_one_slot_to_a_dead_one),
        cmocka_unit_test(suspects_who_never_answered_at_once),
        cmocka_unit_test(leaves_alone_who_asks_for_it),
        cmocka_unit_test(sends_nothing_to_who_is_gone),
        cmocka_unit_test(bounds_the_pause),
    };

    return cmocka_run_group_tests_name("dispatch/pace", tests, NULL, NULL);
}
