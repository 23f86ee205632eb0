#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <string.h>

#include "dispatch/attempt.h"

#define MAX_RETRIES 2

static const struct row {
    const char *says;
    unsigned attempts; /* before this one */
    struct sender_answer answer;
    enum schedule_verdict verdict;
    int status_code;
    const char *error;
} rows[] = {
    {"delivered", 0, {.status_code = 200, .complete = true}, SCHEDULE_DELIVERED, 200, ""},
    {"failed", 0, {.status_code = 500, .complete = true}, SCHEDULE_RETRY, 500, "HTTP 500"},
    {"redirected",
     0,
     {.status_code = 307, .complete = true},
     SCHEDULE_RETRY,
     307,
     "HTTP 307: redirects are not followed"},
    {"no answer", 0, {.error = "connecting: no"}, SCHEDULE_RETRY, 0, "connecting: no"},
    {"200, and then no end of it",
     0,
     {.status_code = 200, .error = "timed out"},
     SCHEDULE_RETRY,
     200,
     "timed out"},
    {"410, and then no end of it",
     0,
     {.status_code = 410, .error = "timed out"},
     SCHEDULE_RETRY,
     410,
     "timed out"},
    {"gone", 0, {.status_code = 410, .complete = true}, SCHEDULE_GONE, 410, "HTTP 410"},
    {"the last attempt",
     MAX_RETRIES,
     {.status_code = 503, .complete = true},
     SCHEDULE_EXHAUSTED,
     503,
     "HTTP 503"},
    {"delivered at the last",
     MAX_RETRIES,
     {.status_code = 201, .complete = true},
     SCHEDULE_DELIVERED,
     201,
     ""},
};

static struct delivery *delivery_with(unsigned attempts)
{
    const struct str field[DELIVERY_FIELDS] = {[DELIVERY_ID] = STR("1")};
    struct delivery *delivery = delivery_new(field);

    delivery->attempts = attempts;
    delivery->max_retries = MAX_RETRIES;
    buf_init(&delivery->attempt.response, 4);
    return delivery;
}

static void judges_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct delivery *delivery = delivery_with(rows[i].attempts);
        const struct attempt *attempt = &delivery->attempt;

        attempt_judge(delivery, &rows[i].answer, 0);
        if (attempt->decision.verdict != rows[i].verdict)
            fail_msg("%s: verdict %d", rows[i].says, attempt->decision.verdict);
        if (attempt->status_code != rows[i].status_code)
            fail_msg("%s: status %d", rows[i].says, attempt->status_code);
        if (strcmp(attempt->error.message, rows[i].error) != 0)
            fail_msg("%s: says %s", rows[i].says, attempt->error.message);
        delivery_free(delivery);
    }
}

static void counts(void **state)
{
    static struct stats stats;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct delivery *delivery = delivery_with(rows[i].attempts);

        attempt_judge(delivery, &rows[i].answer, 0);
        attempt_count(delivery, &stats);
        attempt_log(delivery);
        delivery_free(delivery);
    }
    assert_int_equal(stat_get(&stats.attempts_total), 9);
    assert_int_equal(stat_get(&stats.delivered_total), 2);
    assert_int_equal(stat_get(&stats.attempts_failed_total), 7);
    assert_int_equal(stat_get(&stats.exhausted_total), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_answers),
        cmocka_unit_test(counts),
    };

    return cmocka_run_group_tests_name("dispatch/attempt", tests, NULL, NULL);
}
