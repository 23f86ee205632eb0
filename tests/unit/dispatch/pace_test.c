#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "dispatch/pace.h"

static const struct breaker_settings never = {0};

static void starts_small_and_grows_with_success(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    assert_int_equal(pace.limit, 1);
    assert_int_equal(pace_hold(&pace, 0), 1); /* nothing is known: nothing waits */
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, &never, 0, 200, 0, 10);
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
        pace_learn(&pace, &never, 0, 200, 0, 10000);
    assert_int_equal(pace.limit, 16);
    assert_int_equal(pace_hold(&pace, 0), 16);
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, &never, 0, 200, 0, 4000000); /* over an hour: no overflow */
    assert_int_equal(pace_hold(&pace, 0), 16);
}

static void leaves_one_slot_to_a_dead_one(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 15; i++)
        pace_learn(&pace, &never, 0, 200, 0, 1);
    assert_int_equal(pace.limit, 16);
    assert_false(pace_is_suspect(&pace));
    for (int i = 0; i < 5; i++)
        pace_learn(&pace, &never, 0, 0, 0, 0);
    assert_int_equal(pace.limit, 1);
    assert_true(pace_is_suspect(&pace));
    assert_false(pace_is_paused(&pace, 1)); /* it has a time-out and a schedule for that */
    pace_learn(&pace, &never, 0, 500, 0, 1);
    assert_false(pace_is_suspect(&pace)); /* it is there again */
    assert_int_equal(pace.limit, 1);
    pace_learn(&pace, &never, 0, 200, 0, 1);
    assert_int_equal(pace.limit, 2);
}

static void suspects_who_never_answered(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    assert_true(pace_is_suspect(&pace));
    pace_learn(&pace, &never, 0, 0, 0, 0);
    assert_true(pace_is_suspect(&pace));
    pace_learn(&pace, &never, 0, 404, 0, 1); /* an answer, if a poor one */
    assert_false(pace_is_suspect(&pace));
    pace_learn(&pace, &never, 0, 0, 0, 0);
    pace_learn(&pace, &never, 0, 0, 0, 0);
    assert_false(pace_is_suspect(&pace));
    pace_learn(&pace, &never, 0, 0, 0, 0);
    assert_true(pace_is_suspect(&pace));
}

static void suspects_who_takes_its_time(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    pace_learn(&pace, &never, 0, 200, 0, 900);
    assert_false(pace_is_suspect(&pace));
    for (int i = 0; i < 30; i++)
        pace_learn(&pace, &never, 0, 200, 0, 1500);
    assert_true(pace_is_suspect(&pace));
    assert_int_equal(pace.limit, 16); /* which takes nothing from what it may have of its half */
    for (int i = 0; i < 30; i++)
        pace_learn(&pace, &never, 0, 200, 0, 20);
    assert_false(pace_is_suspect(&pace));
}

static void leaves_alone_who_asks_for_it(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 15; i++)
        pace_learn(&pace, &never, 0, 200, 0, 1);
    pace_learn(&pace, &never, 1000, 429, 0, 1);
    assert_int_equal(pace.limit, 8);
    assert_int_equal(pace.paused_until_ms, 2000);
    assert_int_equal(pace_hold(&pace, 1999), 0);
    assert_true(pace_hold(&pace, 2000) > 0);
    pace_learn(&pace, &never, 1001, 503, 0, 1); /* was under way: the same news */
    assert_int_equal(pace.limit, 8);
    assert_int_equal(pace.paused_until_ms, 2001);
    pace_learn(&pace, &never, 1002, 429, 30, 1); /* but this one says how long */
    assert_int_equal(pace.paused_until_ms, 31002);
    pace_learn(&pace, &never, 31002, 502, 0, 1); /* again: twice as long */
    assert_int_equal(pace.limit, 4);
    assert_int_equal(pace.paused_until_ms, 33002);
    pace_learn(&pace, &never, 40000, 200, 0, 1);
    pace_learn(&pace, &never, 50000, 504, 0, 1); /* a success in between: from the start */
    assert_int_equal(pace.paused_until_ms, 51000);
}

static void sends_nothing_to_who_is_gone(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    pace_learn(&pace, &never, 1000, 410, 0, 1);
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
        pace_learn(&pace, &never, now, 429, 0, 1);
    }
    assert_int_equal(pace.paused_until_ms - now, 60000);
    now = pace.paused_until_ms;
    pace_learn(&pace, &never, now, 429, INT64_MAX, 1);
    assert_int_equal(pace.paused_until_ms - now, 3600000);
}

static void keeps_to_what_is_allowed(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 15; i++)
        pace_learn(&pace, &never, 0, 200, 0, 1);
    pace_allow(&pace, 3, 0);
    assert_int_equal(pace.limit, 3);
    pace_learn(&pace, &never, 0, 200, 0, 1);
    assert_int_equal(pace.limit, 3);
    pace_allow(&pace, 16, 0); /* more again: it has to earn it */
    assert_int_equal(pace.limit, 3);
    pace_allow(&pace, 0, 0);
    assert_int_equal(pace.max, 1);
}

/* How many leave within `ms`, if as many are sent as may be. */
static unsigned sent_within(struct pace *pace, uint64_t from_ms, uint64_t ms)
{
    unsigned count = 0;

    for (uint64_t now = from_ms; now < from_ms + ms; now++)
        for (; pace_ready_ms(pace) <= now; count++)
            pace_spend(pace, now);
    return count;
}

static void keeps_to_a_rate(void **state)
{
    static const struct {
        const char *says;
        unsigned rate;
        uint64_t ms;
        unsigned least, most;
    } rows[] = {
        {"one a second, and none ahead of time", 1, 999, 1, 1},
        {"the second one a second later", 1, 1001, 2, 2},
        {"ten seconds", 1, 10000, 10, 10},
        {"10 a second", 10, 1000, 10, 10},
        {"100 a second and a burst of 10", 100, 1000, 100, 110},
        {"not all of them at once", 100, 10, 10, 11},
        {"1,000 a second", 1000, 1000, 1000, 1100},
        {"more than the clock has ticks", 300000, 100, 30000, 63000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace pace;
        unsigned sent;

        pace_init(&pace, 16);
        pace_allow(&pace, 16, rows[i].rate);
        sent = sent_within(&pace, 5000, rows[i].ms);
        if (sent < rows[i].least || sent > rows[i].most)
            fail_msg("%s: %u", rows[i].says, sent);
    }
}

static void holds_what_the_rate_takes(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    for (int i = 0; i < 100; i++)
        pace_learn(&pace, &never, 0, 200, 0, 10);
    pace_allow(&pace, 16, 1);
    assert_int_equal(pace_hold(&pace, 0), 1);
    pace_allow(&pace, 16, 100);
    assert_int_equal(pace_hold(&pace, 0), 51);
}

static void leaves_alone_while_the_breaker_is_open(void **state)
{
    static const struct breaker_settings two = {50, 2, 10000, 3000, 60000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 16);
    assert_false(pace_learn(&pace, &two, 1000, 500, 0, 1));
    assert_true(pace_learn(&pace, &two, 1000, 404, 0, 1));
    assert_int_equal(pace_ready_ms(&pace), 4000);
    assert_int_equal(pace_hold(&pace, 3999), 0);
    assert_true(pace_is_troubled(&pace));
    pace_no_probe(&pace, 1001); /* of a claim that was under way: it stays open */
    assert_int_equal(pace.breaker.state, BREAKER_OPEN);
    pace_probe(&pace, 1);
    assert_true(pace_learn(&pace, &two, 4000, 500, 0, 1));
    assert_int_equal(pace_ready_ms(&pace), 10000);
    pace_probe(&pace, 2);
    assert_int_equal(pace_hold(&pace, 10000), 1);
    assert_true(pace_learn(&pace, &two, 10000, 200, 0, 1));
    assert_false(pace_is_troubled(&pace));
    pace_learn(&pace, &two, 10000, 500, 0, 1);
    pace_learn(&pace, &two, 10000, 500, 0, 1);
    pace_no_probe(&pace, 20000); /* the table says so: somebody has seen to it */
    assert_int_equal(pace.breaker.state, BREAKER_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_small_and_grows_with_success),
        cmocka_unit_test(keeps_little_waiting_for_a_slow_one),
        cmocka_unit_test(leaves_one_slot_to_a_dead_one),
        cmocka_unit_test(suspects_who_never_answered),
        cmocka_unit_test(suspects_who_takes_its_time),
        cmocka_unit_test(leaves_alone_who_asks_for_it),
        cmocka_unit_test(sends_nothing_to_who_is_gone),
        cmocka_unit_test(bounds_the_pause),
        cmocka_unit_test(keeps_to_what_is_allowed),
        cmocka_unit_test(keeps_to_a_rate),
        cmocka_unit_test(holds_what_the_rate_takes),
        cmocka_unit_test(leaves_alone_while_the_breaker_is_open),
    };

    return cmocka_run_group_tests_name("dispatch/pace", tests, NULL, NULL);
}
