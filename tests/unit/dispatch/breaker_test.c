#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "dispatch/breaker.h"

#define MINUTE UINT64_C(60000)

static const struct breaker_settings usual = {70, 10, 5 * MINUTE, 30000, 600000};

/* `pattern`: + for a success, - for a failure; whether it was open at the end. */
static bool opens(const struct breaker_settings *settings, const char *pattern, uint64_t step_ms)
{
    struct breaker breaker = {0};
    uint64_t now = 1000 * MINUTE;

    for (const char *p = pattern; *p; p++, now += step_ms)
        breaker_learn(&breaker, settings, now, *p == '+');
    return breaker.state == BREAKER_OPEN;
}

static const struct row {
    const char *says;
    struct breaker_settings settings;
    const char *pattern;
    uint64_t step_ms;
    bool open;
} rows[] = {
    {"nine failures are too few to judge", {70, 10, 5 * MINUTE, 1, 1}, "---------", 1, false},
    {"ten are not", {70, 10, 5 * MINUTE, 1, 1}, "----------", 1, true},
    {"seven of ten", {70, 10, 5 * MINUTE, 1, 1}, "+++-------", 1, true},
    {"six of ten", {70, 10, 5 * MINUTE, 1, 1}, "++++------", 1, false},
    {"a success is no reason to open", {70, 10, 5 * MINUTE, 1, 1}, "---------+", 1, false},
    {"those of long ago do not count", {70, 10, 5 * MINUTE, 1, 1}, "----------", 60001, false},
    {"successes of long ago do not either",
     {70, 10, 5 * MINUTE, 1, 1},
     "++++++++++++++++++++----------",
     29000,
     true},
    {"it can be switched off", {0, 1, 5 * MINUTE, 1, 1}, "----------", 1, false},
    {"a single failure, if that is wanted", {1, 1, 5 * MINUTE, 1, 1}, "-", 1, true},
    {"a window too short for ten steps", {70, 2, 5, 1, 1}, "--", 0, true},
};

static void judges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (opens(&rows[i].settings, rows[i].pattern, rows[i].step_ms) != rows[i].open)
            fail_msg("%s", rows[i].says);
}

static void fail_ten(struct breaker *breaker)
{
    for (int i = 0; i < 9; i++)
        assert_false(breaker_learn(breaker, &usual, 0, false));
    assert_true(breaker_learn(breaker, &usual, 0, false));
}

static void ignores_what_was_under_way(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    fail_ten(&breaker);
    assert_false(breaker_learn(&breaker, &usual, 1, true));
    assert_false(breaker_learn(&breaker, &usual, 1, false));
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.pause_ms, 30000);
    assert_int_equal(breaker.opened, 1);
}

static void closes_when_the_probe_succeeds(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    fail_ten(&breaker);
    breaker_probe(&breaker, 1);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_true(breaker_has_failures(&breaker));
    assert_true(breaker_learn(&breaker, &usual, 30000, true));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.opened, 0);
    assert_false(breaker_has_failures(&breaker)); /* it starts anew */
    for (int i = 0; i < 9; i++)
        assert_false(breaker_learn(&breaker, &usual, 30000, false));
}

static void doubles_up_to_a_maximum(void **state)
{
    static const uint64_t pauses[] = {30000, 60000, 120000, 240000, 480000, 600000, 600000};
    struct breaker breaker = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        breaker_probe(&breaker, i); /* also when another process has opened it before */
        assert_true(breaker_learn(&breaker, &usual, 0, false));
        assert_int_equal(breaker.pause_ms, pauses[i]);
        assert_int_equal(breaker.opened, i + 1);
    }
    breaker_probe(&breaker, UINT32_MAX - 1);
    assert_true(breaker_learn(&breaker, &usual, 0, false));
    assert_int_equal(breaker.pause_ms, 600000);
}

static void has_names(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges),
        cmocka_unit_test(ignores_what_was_under_way),
        cmocka_unit_test(closes_when_the_probe_succeeds),
        cmocka_unit_test(doubles_up_to_a_maximum),
        cmocka_unit_test(has_names),
    };

    return cmocka_run_group_tests_name("dispatch/breaker", tests, NULL, NULL);
}
