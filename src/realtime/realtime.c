#include "realtime/realtime.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "realtime/broadcast.h"
#include "realtime/client.h"
#include "realtime/fanout.h"
#include "realtime/gate.h"
#include "realtime/jwks_watch.h"
#include "realtime/keys.h"
#include "realtime/presence.h"
#include "realtime/relay.h"
#include "realtime/remote.h"
#include "realtime/server.h"

#define TICK_MS 1000
#define EVENTS_A_TURN 64 /* then the sockets have a turn */
#define GOODBYE_MS 2000  /* for clients to take the close frame */

struct realtime {
    struct core core;
    struct queue *inbox;
    struct fanout *fanout;
    struct rls *rls;
    struct jwks_watch *jwks;
    struct gate *gate;
    struct keys *keys;
    struct server *server;
    uv_loop_t loop;
    uv_async_t wake;  /* the inbox has something */
    uv_async_t peers; /* the relay has something */
    uv_async_t stop;
    uv_timer_t tick;
    uv_timer_t presence; /* runs while a presence is still to be told */
    uint64_t presence_told_ms;
    bool stopping;
    uint64_t stopping_since_ms;
    bool is_running; /* it has a thread */
    pthread_t thread;
};

static void show_levels(struct realtime *realtime)
{
    struct core *core = &realtime->core;
    struct queue_levels levels;

    if (!realtime->inbox)
        return;
    levels = queue_levels(realtime->inbox);
    stat_set_part(&core->stats->queue_realtime_depth, &core->gauges.queue_depth, levels.depth);
    stat_set_part(&core->stats->queue_realtime_bytes, &core->gauges.queue_bytes, levels.bytes);
}

/* A turn is short, so that what was sent leaves before more comes in. */
static void drain(struct realtime *realtime)
{
    for (int i = 0; i < EVENTS_A_TURN; i++) {
        struct msg *msg;

        if (realtime->stopping || !fanout_has_room(realtime->fanout))
            return;
        msg = queue_pop(realtime->inbox);
        if (!msg)
            return;
        fanout_take(realtime->fanout, event_of(msg));
    }
    uv_async_send(&realtime->wake);
}

static void on_wake(uv_async_t *wake)
{
    drain(wake->data);
}

static void on_inbox(void *arg)
{
    struct realtime *realtime = arg;

    uv_async_send(&realtime->wake);
}

static void take_relayed(struct realtime *realtime, const struct relayed *relayed)
{
    const struct event_gap gap = {.messages = true};

    switch (relayed->kind) {
    case RELAYED_BROADCAST:
        broadcast_take(&realtime->core, relayed);
        break;
    case RELAYED_PRESENCES:
        remote_take(&realtime->core, relayed);
        break;
    case RELAYED_GAP:
        fanout_take(realtime->fanout, event_new_gap(&gap));
        break;
    }
}

static void on_peers(uv_async_t *peers)
{
    struct realtime *realtime = peers->data;

    for (int i = 0; i < EVENTS_A_TURN; i++) {
        struct relayed *relayed = relay_pop(realtime->core.relay);

        if (!relayed)
            return;
        if (!realtime->stopping)
            take_relayed(realtime, relayed);
        msg_unref(&relayed->msg);
    }
    uv_async_send(peers);
}

static void wake_peers(void *arg)
{
    struct realtime *realtime = arg;

    uv_async_send(&realtime->peers);
}

static struct relayed *list_presences(void *arg)
{
    struct realtime *realtime = arg;

    return remote_list(&realtime->core);
}

static void on_ready(void *arg)
{
    struct realtime *realtime = arg;

    fanout_ready(realtime->fanout);
    uv_async_send(&realtime->wake);
}

static void on_checked(void *arg, const struct err *err)
{
    struct realtime *realtime = arg;

    fanout_checked(realtime->fanout, err);
}

static void on_answer(void *arg, const struct err *err)
{
    struct realtime *realtime = arg;

    fanout_answered(realtime->fanout, err);
}

static void on_lost(void *arg)
{
    struct realtime *realtime = arg;

    fanout_lost(realtime->fanout);
}

static void on_presence(uv_timer_t *timer)
{
    struct realtime *realtime = timer->data;

    realtime->presence_told_ms = uv_now(&realtime->loop);
    presence_flush(&realtime->core);
}

/* The first change after a quiet while is told at once, those that follow it together. */
static void on_presence_due(void *arg)
{
    struct realtime *realtime = arg;
    uint64_t since_ms = uv_now(&realtime->loop) - realtime->presence_told_ms;

    if (realtime->stopping || uv_is_active((const uv_handle_t *)&realtime->presence))
        return;
    uv_timer_start(&realtime->presence, on_presence,
                   since_ms < PRESENCE_BATCH_MS ? PRESENCE_BATCH_MS - since_ms : 0, 0);
}

static enum rls_role check_role(void *arg, const char *role)
{
    struct realtime *realtime = arg;

    return rls_role(realtime->rls, role);
}

static void finish_stopping(struct realtime *realtime)
{
    gate_close(realtime->gate);
    realtime->gate = NULL;
    rls_close(realtime->rls);
    realtime->rls = NULL;
    keys_close(realtime->keys);
    realtime->keys = NULL;
    fanout_set_rls(realtime->fanout, NULL);
    jwks_watch_close(realtime->jwks);
    uv_close((uv_handle_t *)&realtime->tick, NULL);
    uv_close((uv_handle_t *)&realtime->presence, NULL);
    uv_close((uv_handle_t *)&realtime->wake, NULL);
    uv_close((uv_handle_t *)&realtime->peers, NULL);
    uv_close((uv_handle_t *)&realtime->stop, NULL);
    server_close(realtime->server);
}

/* Nothing is closed that another loop may still wake. */
static void try_to_stop(struct realtime *realtime, uint64_t now_ms)
{
    bool finished = keys_finish(realtime->keys) && !realtime->core.clients;

    if (finished || now_ms - realtime->stopping_since_ms > GOODBYE_MS)
        relay_leave(realtime->core.relay);
    else
        return;
    if (relay_is_left(realtime->core.relay))
        finish_stopping(realtime);
}

static void on_tick(uv_timer_t *timer)
{
    struct realtime *realtime = timer->data;
    uint64_t now_ms = clock_monotonic_ms();
    int64_t now = clock_now_us() / 1000000;
    struct client *next;

    if (realtime->stopping) {
        try_to_stop(realtime, now_ms);
        return;
    }
    keys_tick(realtime->keys, now_ms, now);
    for (struct client *client = realtime->core.clients; client; client = next) {
        next = client->next;
        client_tick(client, now_ms, now);
    }
    server_tick(realtime->server);
    jwks_watch_tick(realtime->jwks, now_ms);
    if (realtime->gate)
        gate_tick(realtime->gate, now_ms);
    relay_retry(realtime->core.relay);
    show_levels(realtime);
}

static void on_stop(uv_async_t *stop)
{
    struct realtime *realtime = stop->data;

    if (realtime->stopping)
        return;
    realtime->stopping = true;
    realtime->stopping_since_ms = clock_monotonic_ms();
    server_retire(realtime->server);
    uv_timer_start(&realtime->tick, on_tick, 0, 20);
}

static void *run(void *arg)
{
    struct realtime *realtime = arg;

    uv_run(&realtime->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void init_loop(struct realtime *realtime)
{
    uv_loop_init(&realtime->loop);
    uv_async_init(&realtime->loop, &realtime->wake, on_wake);
    uv_async_init(&realtime->loop, &realtime->peers, on_peers);
    uv_async_init(&realtime->loop, &realtime->stop, on_stop);
    uv_timer_init(&realtime->loop, &realtime->tick);
    uv_timer_init(&realtime->loop, &realtime->presence);
    realtime->wake.data = realtime->peers.data = realtime->stop.data = realtime;
    realtime->tick.data = realtime->presence.data = realtime;
}

static void free_all(struct realtime *realtime)
{
    server_free(realtime->server);
    uv_run(&realtime->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&realtime->loop) != 0)
        log_warn("realtime", "the loop still had handles when it was closed");
    fanout_free(realtime->fanout);
    core_fini(&realtime->core);
    relay_close(realtime->core.relay);
    free(realtime);
}

static void set_wake(struct realtime *realtime, void (*wake)(void *arg))
{
    if (realtime->inbox)
        queue_set_wake(realtime->inbox, wake, realtime);
}

/* What came of realtime_open() until it failed, or of a loop that was never run. */
static void discard(struct realtime *realtime)
{
    finish_stopping(realtime);
    uv_run(&realtime->loop, UV_RUN_DEFAULT);
    set_wake(realtime, NULL);
    free_all(realtime);
}

static void join_others(struct realtime *realtime, const struct realtime_place *place)
{
    const struct relay_events events = {wake_peers, list_presences, realtime};
    struct core *core = &realtime->core;

    core->rest = place->rest;
    keyring_share(core->authority.ring, place->quotas);
    if (place->relay)
        core->relay = relay_open(place->relay, place->index, core->stats, &events);
}

static void open_for_clients(struct realtime *realtime)
{
    static const struct rls_events events = {on_ready, on_checked, on_answer, on_lost};
    const struct config *config = realtime->core.config;

    realtime->rls =
        rls_open(&realtime->loop, config->database_url, realtime->core.stats, &events, realtime);
    fanout_set_rls(realtime->fanout, realtime->rls);
    realtime->gate = gate_open(&realtime->loop, &realtime->core);
}

enum result realtime_open(const struct config *config, struct stats *stats,
                          const struct realtime_place *place, struct realtime **out,
                          struct err *err)
{
    struct realtime *realtime = mem_alloc(sizeof(*realtime));

    *out = NULL;
    core_init(&realtime->core, config, stats);
    realtime->core.check_role = check_role;
    realtime->core.check_role_arg = realtime;
    realtime->core.presence_due = on_presence_due;
    realtime->core.presence_due_arg = realtime;
    realtime->inbox = place->inbox;
    realtime->fanout = fanout_new(&realtime->core);
    init_loop(realtime);
    join_others(realtime, place);
    if (jwks_watch_open(&realtime->loop, &realtime->core, &realtime->jwks, err) != OK ||
        server_open(&realtime->loop, &realtime->core, place->index, place->inbox != NULL,
                    &realtime->server, err) != OK) {
        relay_leave(realtime->core.relay);
        discard(realtime);
        return FAILED;
    }
    if (place->inbox)
        open_for_clients(realtime);
    realtime->keys = keys_open(&realtime->loop, config, realtime->core.authority.ring, stats);
    uv_timer_start(&realtime->tick, on_tick, TICK_MS, TICK_MS);
    set_wake(realtime, on_inbox);
    *out = realtime;
    return OK;
}

enum result realtime_run(struct realtime *realtime, struct err *err)
{
    int failure = pthread_create(&realtime->thread, NULL, run, realtime);

    if (failure)
        return err_set_errno(err, failure, "cannot start a realtime thread");
    realtime->is_running = true;
    if (realtime->inbox)
        uv_async_send(&realtime->wake); /* for what was there before the wake was set */
    return OK;
}

void realtime_ask_to_stop(struct realtime *realtime)
{
    if (realtime->is_running)
        uv_async_send(&realtime->stop);
    else
        relay_leave(realtime->core.relay);
}

void realtime_close(struct realtime *realtime)
{
    if (!realtime->is_running) {
        discard(realtime);
        return;
    }
    pthread_join(realtime->thread, NULL);
    set_wake(realtime, NULL);
    free_all(realtime);
}
