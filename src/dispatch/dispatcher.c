#include "dispatch/dispatcher.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dispatch/dispatcher_internal.h"

#define HOLD_AHEAD 1024 /* deliveries held beyond those under way */
#define LONE_POLL_TICKS 1
#define SWEEP_TICKS 600
#define FIRST_SWEEP 10
#define SETTLE_MS 2000 /* to record and give back, after the last request ended */

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

/* Recording and giving back */

static void on_recorded(void *arg, bool released)
{
    struct dispatcher *d = arg;

    dispatcher_claim_in(d, ledger_recorded(&d->ledger));
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
        uv_timer_start(&d->flush, dispatcher_on_wake_up, wait_ms, 0);
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

    dispatcher_send(d);
    settle_if_drained(d);
    write_ledger(d);
    dispatcher_claim(d);
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
        .on_delivery = dispatcher_on_delivery,
        .on_claimed = dispatcher_on_claimed,
        .on_recorded = on_recorded,
        .on_refused = on_refused,
        .on_released = on_released,
        .on_next = dispatcher_on_next,
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
    if (sender_new(loop, &options, dispatcher_on_answer, d, &d->sender, err) != OK) {
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
