/* Sending what waits, and what an answer comes to. */
#include "base/clock.h"
#include "base/log.h"
#include "dispatch/attempt.h"
#include "dispatch/dispatcher_internal.h"
#include "dispatch/headers.h"
#include "dispatch/report.h"
#include "dispatch/request.h"
#include "row/event.h"

/* splitmix64: spreads retries, guards nothing. */
static uint32_t next_random(struct dispatcher *d)
{
    uint64_t z = d->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

/* The end of an attempt */

static void tell_activity(struct dispatcher *d, const struct delivery *delivery)
{
    struct event_attempt attempt;

    if (!d->activity)
        return;
    attempt = report_event(delivery);
    queues_push(d->activity, &event_new_attempt(&attempt)->msg);
}

static void conclude(struct dispatcher *d, struct delivery *delivery)
{
    endpoints_ended(d->endpoints, delivery, clock_monotonic_ms());
    attempt_count(delivery, d->stats);
    attempt_log(delivery);
    tell_activity(d, delivery);
    ledger_add_result(&d->ledger, delivery, clock_monotonic_ms());
}

void dispatcher_give_back(struct dispatcher *d, struct delivery *delivery)
{
    struct delivery_list list = {0};

    delivery_list_add(&list, delivery);
    ledger_add_unsent(&d->ledger, &list);
}

static void tell_breaker(struct dispatcher *d, const struct delivery *delivery)
{
    const struct attempt *attempt = &delivery->attempt;

    if (!attempt->moved_breaker)
        return;
    if (attempt->breaker == BREAKER_OPEN)
        stat_add(&d->stats->breakers_opened_total, 1);
    log_info("dispatch", attempt->breaker == BREAKER_OPEN ? "breaker opened" : "breaker closed",
             log_v("endpoint", delivery->field[DELIVERY_ENDPOINT_NAME]),
             log_v("webhook", delivery->field[DELIVERY_WEBHOOK_ID]),
             log_u("pause_ms", attempt->breaker_pause_ms));
}

void dispatcher_on_answer(void *arg, void *request_arg, const struct sender_answer *answer)
{
    struct dispatcher *d = arg;
    struct delivery *delivery = request_arg;

    if (answer->broken_off) {
        endpoints_ended(d->endpoints, delivery, clock_monotonic_ms());
        dispatcher_give_back(d, delivery);
        return;
    }
    attempt_judge(delivery, answer, next_random(d));
    if (answer->blocked)
        stat_add(&d->stats->attempts_blocked_total, 1);
    else
        endpoints_learn(d->endpoints, delivery, clock_monotonic_ms(),
                        answer->complete ? answer->status_code : 0, answer->retry_after_s,
                        answer->duration_ms);
    tell_breaker(d, delivery);
    conclude(d, delivery);
}

/* Sending */

static enum result start_request(struct dispatcher *d, struct delivery *delivery)
{
    struct err *err = &delivery->attempt.error;
    struct buf headers;
    enum result result;

    buf_init(&headers, HEADERS_BYTES_MAX);
    result = request_build(delivery, clock_now_us() / 1000000, &headers, err);
    if (result == OK) {
        const struct sender_request request = {
            .url = delivery->field[DELIVERY_URL].data,
            .headers = buf_str(&headers),
            .body = delivery->field[DELIVERY_PAYLOAD],
            .timeout_ms = delivery->timeout_ms,
        };

        result = sender_send(d->sender, &request, delivery, err);
    }
    buf_fini(&headers);
    return result;
}

/* It only ends the loop's sleep. */
void dispatcher_on_wake_up(uv_timer_t *timer)
{
    (void)timer;
}

/* The loop sleeps no longer than until the next of those that are kept by a rate may leave. */
static void sleep_until_ready(struct dispatcher *d, uint64_t now_ms)
{
    uint64_t ready_ms = endpoints_ready_ms(d->endpoints, now_ms);

    if (ready_ms == UINT64_MAX)
        uv_timer_stop(&d->ready);
    else
        uv_timer_start(&d->ready, dispatcher_on_wake_up, ready_ms - now_ms, 0);
}

void dispatcher_send(struct dispatcher *d)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct delivery *delivery;

    while ((delivery = endpoints_next(d->endpoints, now_ms))) {
        delivery->attempt.started_ms = now_ms;
        buf_init(&delivery->attempt.response, d->config->webhook_response_bytes);
        if (start_request(d, delivery) != OK) {
            attempt_fail(delivery, next_random(d));
            conclude(d, delivery);
        }
    }
    sleep_until_ready(d, now_ms);
    stat_set(&d->stats->inflight, endpoints_in_flight(d->endpoints));
}
