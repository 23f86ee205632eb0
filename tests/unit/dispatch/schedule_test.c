#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "dispatch/schedule.h"

#define MIDDLE (UINT32_MAX / 2) /* no jitter but for rounding */
#define S UINT64_C(1000)
#define M (60 * S)
#define H (60 * M)

static const struct row {
    const char *says;
    struct schedule_outcome outcome;
    uint32_t random;
    enum schedule_verdict verdict;
    uint64_t from_ms, to_ms;
} rows[] = {
    {"200 is delivered", {1, 9, 200, 0, NULL}, 0, SCHEDULE_DELIVERED, 0, 0},
    {"299 too", {1, 9, 299, 0, NULL}, 0, SCHEDULE_DELIVERED, 0, 0},
    {"also at the last attempt", {10, 9, 204, 0, NULL}, 0, SCHEDULE_DELIVERED, 0, 0},
    {"199 is not", {1, 9, 199, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"a redirect is a failure", {1, 9, 302, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"300 is a failure", {1, 9, 300, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"no answer", {1, 9, 0, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"after the second", {2, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * M - 1, 5 * M},
    {"after the third", {3, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 30 * M - 1, 30 * M},
    {"after the fourth", {4, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 2 * H - 1, 2 * H},
    {"after the fifth", {5, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * H - 1, 5 * H},
    {"after the sixth", {6, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 10 * H - 1, 10 * H},
    {"after the seventh", {7, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 14 * H - 1, 14 * H},
    {"after the eighth", {8, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 20 * H - 1, 20 * H},
    {"after the ninth", {9, 9, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 24 * H - 1, 24 * H},
    {"more retries than the schedule has",
     {15, 20, 500, 0, NULL},
     MIDDLE,
     SCHEDULE_RETRY,
     24 * H - 1,
     24 * H},
    {"the tenth was the last", {10, 9, 500, 0, NULL}, 0, SCHEDULE_EXHAUSTED, 0, 0},
    {"without retries the first is the last", {1, 0, 500, 0, NULL}, 0, SCHEDULE_EXHAUSTED, 0, 0},
    {"one retry", {1, 1, 500, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"jitter goes 20 % down", {1, 9, 500, 0, NULL}, 0, SCHEDULE_RETRY, 4 * S, 4 * S},
    {"and 20 % up", {1, 9, 500, 0, NULL}, UINT32_MAX, SCHEDULE_RETRY, 6 * S, 6 * S},
    {"but never beyond a day", {9, 9, 500, 0, NULL}, UINT32_MAX, SCHEDULE_RETRY, 24 * H, 24 * H},
    {"410 ends it", {1, 9, 410, 0, NULL}, 0, SCHEDULE_GONE, 0, 0},
    {"410 at the last attempt too", {10, 9, 410, 0, NULL}, 0, SCHEDULE_GONE, 0, 0},
    {"404 may be mended", {1, 9, 404, 0, NULL}, MIDDLE, SCHEDULE_RETRY, 5 * S - 1, 5 * S},
    {"Retry-After puts it off", {1, 9, 429, 60, NULL}, 0, SCHEDULE_RETRY, 60 * S, 60 * S},
    {"its jitter only adds", {1, 9, 429, 60, NULL}, UINT32_MAX, SCHEDULE_RETRY, 72 * S, 72 * S},
    {"a shorter one than planned changes nothing",
     {2, 9, 503, 1, NULL},
     MIDDLE,
     SCHEDULE_RETRY,
     5 * M - 1,
     5 * M},
    {"a day at most", {1, 9, 429, 1000000, NULL}, UINT32_MAX, SCHEDULE_RETRY, 24 * H, 24 * H},
    {"also the largest number there is",
     {1, 9, 429, INT64_MAX, NULL},
     0,
     SCHEDULE_RETRY,
     24 * H,
     24 * H},
    {"a negative one is none", {1, 9, 429, -5, NULL}, 0, SCHEDULE_RETRY, 4 * S, 4 * S},
};

static void decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct schedule_decision d = schedule_decide(&r->outcome, r->random);

        if (d.verdict != r->verdict)
            fail_msg("%s: verdict %d", r->says, d.verdict);
        if (d.delay_ms < r->from_ms || d.delay_ms > r->to_ms)
            fail_msg("%s: delay %llu ms", r->says, (unsigned long long)d.delay_ms);
    }
}

static void follows_an_own_plan(void **state)
{
    struct schedule_plan plan;
    static const struct {
        const char *says, *text;
        unsigned attempt;
        uint64_t delay_ms;
    } own[] = {
        {"after the first", "{1,7,60}", 1, 1 * S},
        {"after the second", "{1,7,60}", 2, 7 * S},
        {"the last one repeats", "{1,7,60}", 9, 60 * S},
        {"a single wait", "{3}", 4, 3 * S},
        {"none of its own", "", 1, 5 * S},
        {"what is no plan", "{}", 1, 5 * S},
        {"nor that", "{1,x}", 1, 5 * S},
        {"nor a wait of over a day", "{86401}", 1, 5 * S},
        {"nor so many", "{1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}", 1, 5 * S},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        struct schedule_outcome outcome = {own[i].attempt, 20, 500, 0, &plan};
        struct schedule_decision d;

        schedule_plan_parse(str_c(own[i].text), &plan);
        d = schedule_decide(&outcome, 0); /* 20 % less */
        if (d.delay_ms != own[i].delay_ms * 8 / 10)
            fail_msg("%s: delay %llu ms", own[i].says, (unsigned long long)d.delay_ms);
    }
}

static void knows_who_asks_for_less(void **state)
{
    (void)state;
    for (int status = 0; status < 600; status++)
        assert_int_equal(schedule_is_slow_down(status),
                         status == 429 || status == 502 || status == 503 || status == 504);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides),
        cmocka_unit_test(follows_an_own_plan),
        cmocka_unit_test(knows_who_asks_for_less),
    };

    return cmocka_run_group_tests_name("dispatch/schedule", tests, NULL, NULL);
}
