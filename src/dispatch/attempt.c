#include "dispatch/attempt.h"

#include "base/log.h"

static void decide(struct delivery *delivery, int status_code, int64_t retry_after_s,
                   uint32_t random)
{
    const struct schedule_outcome outcome = {
        .attempt = delivery->attempts + 1,
        .max_retries = delivery->max_retries,
        .status_code = status_code,
        .retry_after_s = retry_after_s,
        .plan = &delivery->plan,
    };

    delivery->attempt.decision = schedule_decide(&outcome, random);
}

static void describe_status(struct err *err, int status_code)
{
    if (status_code >= 300 && status_code <= 399)
        err_set(err, "HTTP %d: redirects are not followed", status_code);
    else
        err_set(err, "HTTP %d", status_code);
}

void attempt_judge(struct delivery *delivery, const struct sender_answer *answer, uint32_t random)
{
    struct attempt *attempt = &delivery->attempt;
    /* A status whose answer then broke off or never ended is no answer to rely on. */
    int status_code = answer->complete ? answer->status_code : 0;

    attempt->duration_ms = answer->duration_ms;
    attempt->status_code = answer->status_code;
    buf_add_str(&attempt->response, answer->body);
    if (answer->error)
        err_set(&attempt->error, "%s", answer->error);
    else if (!schedule_is_success(status_code))
        describe_status(&attempt->error, status_code);
    decide(delivery, status_code, answer->retry_after_s, random);
}

void attempt_fail(struct delivery *delivery, uint32_t random)
{
    decide(delivery, 0, 0, random);
}

void attempt_count(const struct delivery *delivery, struct stats *stats)
{
    enum schedule_verdict verdict = delivery->attempt.decision.verdict;

    stat_add(&stats->attempts_total, 1);
    if (verdict == SCHEDULE_DELIVERED) {
        stat_add(&stats->delivered_total, 1);
        return;
    }
    stat_add(&stats->attempts_failed_total, 1);
    if (verdict != SCHEDULE_RETRY)
        stat_add(&stats->exhausted_total, 1);
}

static void log_with(const struct delivery *delivery, enum log_level level, const char *message)
{
    const struct attempt *attempt = &delivery->attempt;

    log_write(level, "dispatch", message,
              LOG_FIELDS(log_v("endpoint", delivery->field[DELIVERY_ENDPOINT_NAME]),
                         log_v("webhook", delivery->field[DELIVERY_WEBHOOK_ID]),
                         log_v("message", delivery->field[DELIVERY_MESSAGE_ID]),
                         log_u("attempt", delivery->attempts + 1),
                         log_i("status", attempt->status_code),
                         log_u("duration_ms", attempt->duration_ms), log_err(&attempt->error)));
}

void attempt_log(const struct delivery *delivery)
{
    switch (delivery->attempt.decision.verdict) {
    case SCHEDULE_DELIVERED:
        log_with(delivery, LOG_LEVEL_DEBUG, "delivered");
        break;
    case SCHEDULE_RETRY:
        log_with(delivery, LOG_LEVEL_DEBUG, "attempt failed");
        break;
    case SCHEDULE_EXHAUSTED:
        log_with(delivery, LOG_LEVEL_WARN, "delivery given up after its last attempt");
        break;
    case SCHEDULE_GONE:
        log_with(delivery, LOG_LEVEL_WARN,
                 "delivery given up, since the endpoint answered 410 Gone");
        break;
    }
}
