#include "dispatch/dispatcher.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dispatch/attempt.h"
#include "dispatch/endpoint.h"
#include "dispatch/headers.h"
#include "dispatch/ledger.h"
#include "dispatch/outbox.h"
#include "dispatch/report.h"
#include "dispatch/request.h"
#include "dispatch/sender.h"
#include "row/event.h"

/* A lease is the endpoint's time-out and this margin. A delivery that waits longer than WAIT_MS for
 * its turn is given back; the rest of the margin is for recording what came of it. */
#define LEASE_MARGIN_MS 10000
#define WAIT_MS 4000
#define HOLD_AHEAD 1024 /* deliveries held beyond those under way */
#define HOLD_BYTES ((size_t)32 << 20)

#define TICK_MS 1000
#define POLL_TICKS 30 /* for those who write to the outbox and tell nobody */
#define LONE_POLL_TICKS 1
#define SWEEP_TICKS 600
#define FIRST_SWEEP 10
#define OVERDUE_MS 100 /* something due was not claimed: another dispatcher has it */
#define SETTLE_MS 2000 /* to record and give back, after the last request ended */

enum dispatcher_state {
    DISPATCHER_RUNNING,
    DISPATCHER_DRAINING, /* takes nothing new; requests are under way */
    DISPATCHER_SETTLING, /* none are; results are being recorded, the rest given back */
    DISPATCHER_STOPPED
};

struct dispatcher {
    const struct config *config;
    struct stats *stats;
    const struct queues *activity;
    void (*on_stopped)(void *arg);
    void *arg;
    enum dispatcher_state state;
    uint64_t random;
    unsigned hold; /* deliveries to hold at most */

    uv_prepare_t turn;
    uv_timer_t tick, due, flush, ready, deadline;
    unsigned handles; /* not yet closed */
    uint64_t ticks;
    unsigned poll_ticks;
    bool deadline_passed;

    struct outbox *outbox;
    struct sender *sender;
    struct endpoints *endpoints;

    struct ledger ledger;
    bool wants_claim;
    bool claiming;
    size_t claimed_count, claimed_bytes; /* by the claim under way */
    size_t asked_count, asked_bytes;
    struct buf full; /* endpoints that it left out */
};

static const char *state_name(enum dispatcher_state state)
{
    switch (state) {
    case DISPATCHER_RUNNING:
        return "running";
    case DISPATCHER_DRAINING:
        return "draining";
    case DISPATCHER_SETTLING:
        return "settling";
    case DISPATCHER_STOPPED:
        return "stopped";
    }
    return "?";
}

static void set_state(struct dispatcher *d, enum dispatcher_state state)
{
    log_debug("dispatch", "state", log_s("from", state_name(d->state)),
              log_s("to", state_name(state)));
    d->state = state;
}

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

static void give_back(struct dispatcher *d, struct delivery *delivery)
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

static void on_answer(void *arg, void *request_arg, const struct sender_answer *answer)
{
    struct dispatcher *d = arg;
    struct delivery *delivery = request_arg;

    if (answer->broken_off) {
        endpoints_ended(d->endpoints, delivery, clock_monotonic_ms());
        give_back(d, delivery);
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
static void on_wake_up(uv_timer_t *timer)
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
        uv_timer_start(&d->ready, on_wake_up, ready_ms - now_ms, 0);
}

static void send_waiting(struct dispatcher *d)
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

/* Recording and giving back */

static void on_due(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    d->wants_claim = true;
}

static void wake_in(struct dispatcher *d, uint64_t delay_ms)
{
    if (d->state == DISPATCHER_RUNNING && delay_ms < POLL_TICKS * TICK_MS &&
        (!uv_is_active((uv_handle_t *)&d->due) || uv_timer_get_due_in(&d->due) > delay_ms))
        uv_timer_start(&d->due, on_due, delay_ms, 0);
}

static void on_recorded(void *arg, bool released)
{
    struct dispatcher *d = arg;

    wake_in(d, ledger_recorded(&d->ledger));
    if (released)
        d->wants_claim = true;
}

static void on_refused(void *arg)
{
    struct dispatcher *d = arg;

    ledger_refused(&d->ledger);
}

static void on_released(void *arg)
{
    struct dispatcher *d = arg;

    ledger_released(&d->ledger);
}

static void write_ledger(struct dispatcher *d)
{
    bool hurry = d->state != DISPATCHER_RUNNING;
    uint64_t wait_ms = ledger_write(&d->ledger, d->outbox, clock_monotonic_ms(), hurry);

    if (wait_ms != UINT64_MAX && !uv_is_active((uv_handle_t *)&d->flush))
        uv_timer_start(&d->flush, on_wake_up, wait_ms, 0);
}

/* Claiming */

static bool may_claim(const struct dispatcher *d)
{
    return d->state == DISPATCHER_RUNNING && !d->claiming && outbox_is_up(d->outbox) &&
           endpoints_held(d->endpoints) < d->hold / 2 + d->config->webhook_concurrency &&
           endpoints_held_bytes(d->endpoints) < HOLD_BYTES / 2 && !ledger_is_behind(&d->ledger);
}

static void claim_deliveries(struct dispatcher *d)
{
    size_t held_bytes = endpoints_held_bytes(d->endpoints);
    struct endpoints_room room;
    struct outbox_claim claim;

    if (!(d->wants_claim || endpoints_hungry(d->endpoints)) || !may_claim(d))
        return;
    d->wants_claim = false;
    d->claiming = true;
    endpoints_ask(d->endpoints, clock_monotonic_ms(), &room);
    claim = (struct outbox_claim){
        .deliveries = room.total,
        .bytes = HOLD_BYTES - held_bytes,
        .first_slots = room.first,
        .ids = buf_str(&room.ids),
        .slots = buf_str(&room.slots),
        .margin_ms = LEASE_MARGIN_MS,
    };
    d->claimed_count = d->claimed_bytes = 0;
    d->asked_count = claim.deliveries;
    d->asked_bytes = claim.bytes;
    outbox_claim(d->outbox, &claim);
    buf_clear(&d->full);
    buf_add_str(&d->full, buf_str(&room.full));
    endpoints_room_fini(&room);
}

static void on_delivery(void *arg, struct delivery *delivery)
{
    struct dispatcher *d = arg;

    d->claimed_count++;
    d->claimed_bytes += delivery->field[DELIVERY_PAYLOAD].len;
    if (d->state == DISPATCHER_RUNNING)
        endpoints_add(d->endpoints, delivery, clock_monotonic_ms());
    else
        give_back(d, delivery);
}

static void on_claimed(void *arg, bool more)
{
    struct dispatcher *d = arg;

    d->claiming = false;
    if (more)
        d->wants_claim = true;
    endpoints_answered(d->endpoints,
                       d->claimed_count >= d->asked_count || d->claimed_bytes >= d->asked_bytes);
    if (!d->wants_claim && !endpoints_hungry(d->endpoints))
        outbox_ask_next(d->outbox, buf_str(&d->full));
}

static void on_next(void *arg, uint64_t delay_ms)
{
    wake_in(arg, delay_ms > OVERDUE_MS ? delay_ms : OVERDUE_MS);
}

/* The connection */

static void on_up(void *arg)
{
    struct dispatcher *d = arg;

    d->wants_claim = true;
}

static void on_down(void *arg)
{
    struct dispatcher *d = arg;

    ledger_lost(&d->ledger);
    d->claiming = false;
}

/* Time */

static void on_tick(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;
    uint64_t now_ms = clock_monotonic_ms();
    struct delivery_list late = endpoints_take_late(d->endpoints, now_ms - WAIT_MS, now_ms);

    if (outbox_is_up(d->outbox))
        ledger_add_unsent(&d->ledger, &late);
    else
        delivery_list_free(&late);
    endpoints_look(d->endpoints, now_ms);
    d->ticks++;
    if (d->ticks % d->poll_ticks == 0)
        d->wants_claim = true;
    if (d->ticks % SWEEP_TICKS == FIRST_SWEEP && outbox_is_up(d->outbox))
        outbox_sweep(d->outbox);
}

static void on_deadline(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    d->deadline_passed = true;
}

/* Stopping */

static void set_deadline(struct dispatcher *d, uint64_t ms)
{
    d->deadline_passed = false;
    uv_timer_start(&d->deadline, on_deadline, ms, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct dispatcher *d = handle->data;

    if (--d->handles > 0)
        return;
    endpoints_free(d->endpoints);
    ledger_fini(&d->ledger);
    buf_fini(&d->full);
    free(d);
}

static void close_everything(struct dispatcher *d)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&d->turn,  (uv_handle_t *)&d->tick,
                              (uv_handle_t *)&d->due,   (uv_handle_t *)&d->flush,
                              (uv_handle_t *)&d->ready, (uv_handle_t *)&d->deadline};

    if (!ledger_is_settled(&d->ledger))
        log_warn("dispatch", "stopped before everything was recorded; it will be sent again",
                 log_u("attempts", d->ledger.done.count + d->ledger.recording.count));
    outbox_close(d->outbox);
    sender_close(d->sender);
    stat_set(&d->stats->inflight, 0);
    d->handles = sizeof(handles) / sizeof(handles[0]);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        uv_close(handles[i], on_closed);
    d->on_stopped(d->arg);
}

/* Before recording and giving back, since it adds to both. */
static void settle_if_drained(struct dispatcher *d)
{
    if (d->state != DISPATCHER_DRAINING ||
        (endpoints_in_flight(d->endpoints) > 0 && !d->deadline_passed))
        return;
    sender_break_off(d->sender);
    set_deadline(d, SETTLE_MS);
    set_state(d, DISPATCHER_SETTLING);
}

static void stop_if_settled(struct dispatcher *d)
{
    if (d->state != DISPATCHER_SETTLING ||
        ((!ledger_is_settled(&d->ledger) || d->claiming) && !d->deadline_passed))
        return;
    set_state(d, DISPATCHER_STOPPED);
    close_everything(d);
}

void dispatcher_stop(struct dispatcher *d)
{
    struct delivery_list waiting;

    if (d->state != DISPATCHER_RUNNING)
        return;
    waiting = endpoints_take_late(d->endpoints, UINT64_MAX, clock_monotonic_ms());
    ledger_add_unsent(&d->ledger, &waiting);
    uv_timer_stop(&d->due);
    uv_timer_stop(&d->tick);
    set_deadline(d, d->config->shutdown_timeout_ms);
    set_state(d, DISPATCHER_DRAINING);
}

/* The turn of the loop: after all callbacks, before it sleeps. */
static void on_turn(uv_prepare_t *turn)
{
    struct dispatcher *d = turn->data;

    send_waiting(d);
    settle_if_drained(d);
    write_ledger(d);
    claim_deliveries(d);
    stop_if_settled(d);
}

void dispatcher_wake(struct dispatcher *d)
{
    d->wants_claim = true;
}

static void init_handles(struct dispatcher *d, uv_loop_t *loop)
{
    uv_timer_t *timers[] = {&d->tick, &d->due, &d->flush, &d->ready, &d->deadline};

    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = d;
    }
    uv_prepare_init(loop, &d->turn);
    d->turn.data = d;
    uv_prepare_start(&d->turn, on_turn);
    uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
}

static void seed(struct dispatcher *d)
{
    if (getrandom(&d->random, sizeof(d->random), GRND_NONBLOCK) != (ssize_t)sizeof(d->random))
        d->random = (uint64_t)clock_now_us();
}

enum result dispatcher_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                           const struct queues *activity, bool is_woken,
                           void (*on_stopped)(void *arg), void *arg, struct dispatcher **out,
                           struct err *err)
{
    static const struct outbox_events events = {
        .on_up = on_up,
        .on_down = on_down,
        .on_delivery = on_delivery,
        .on_claimed = on_claimed,
        .on_recorded = on_recorded,
        .on_refused = on_refused,
        .on_released = on_released,
        .on_next = on_next,
    };
    const struct sender_options options = sender_options_of(config);
    const struct breaker_settings breaker = {
        .percent = config->webhook_breaker_percent,
        .attempts = config->webhook_breaker_attempts,
        .window_ms = config->webhook_breaker_window_ms,
        .pause_ms = config->webhook_breaker_pause_ms,
        .pause_max_ms = config->webhook_breaker_pause_max_ms,
    };
    struct dispatcher *d = mem_alloc(sizeof(*d));

    *out = NULL;
    if (sender_new(loop, &options, on_answer, d, &d->sender, err) != OK) {
        free(d);
        return FAILED;
    }
    d->config = config;
    d->stats = stats;
    d->activity = activity;
    d->poll_ticks = is_woken ? POLL_TICKS : LONE_POLL_TICKS;
    d->on_stopped = on_stopped;
    d->arg = arg;
    d->hold = config->webhook_concurrency + HOLD_AHEAD;
    d->endpoints = endpoints_new(config->webhook_concurrency, config->webhook_endpoint_concurrency,
                                 d->hold, &breaker);
    buf_init(&d->full, (size_t)1 << 20);
    seed(d);
    init_handles(d, loop);
    d->outbox = outbox_new(loop, config, stats, &events, d);
    *out = d;
    return OK;
}
