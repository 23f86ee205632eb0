#include "store/store.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/conn.h"
#include "store/internal.h"

#define CONNECT_TIMEOUT_MS 10000

static const char *state_name(enum store_state state)
{
    switch (state) {
    case STORE_LOADING:
        return "loading";
    case STORE_IDLE:
        return "idle";
    case STORE_OPEN:
        return "open";
    case STORE_ASKING:
        return "asking";
    case STORE_COPYING:
        return "copying";
    case STORE_ENDING_COPY:
        return "ending-copy";
    case STORE_LOST:
        return "lost";
    }
    return "?";
}

void store_set_state(struct store *store, enum store_state state)
{
    log_debug("store", "state", log_s("from", state_name(store->state)),
              log_s("to", state_name(state)));
    store->state = state;
}

void store_lose(struct store *store, const struct err *err, const char *doing)
{
    struct err whole = *err;

    if (store->state == STORE_LOST)
        return;
    store_set_state(store, STORE_LOST);
    stat_set(&store->stats->store_up, 0);
    if (store->on_wire)
        stat_add(&store->stats->batches_failed_total, 1);
    err_context(&whole, "%s", doing);
    store->events.on_lost(store->arg, &whole);
}

static void on_conn_lost(void *arg, const struct err *err)
{
    store_lose(arg, err, "the store's connection");
}

/* Closing a batch */

static bool waited_enough(const struct store *store, const struct batch *batch)
{
    return clock_monotonic_ms() - batch->started_ms >= store->config->batch_max_wait_ms;
}

/* After a quiet moment a batch leaves at once. While transactions come without end, one batch for
 * each of them would cost the server a multiple of what their rows do. */
static bool is_calm(const struct store *store)
{
    return clock_monotonic_ms() - store->closed_ms >= store->config->batch_max_wait_ms;
}

/* A batch is closed only between source transactions, and only when it could leave at once: while
 * another one is committing it may as well grow. */
static bool should_close(const struct store *store)
{
    const struct batch *batch = store->filling;

    if (store->in_transaction || batch_is_empty(batch) || store->wire_closed)
        return false;
    return (store->drained && is_calm(store)) || waited_enough(store, batch) ||
           batch_effects(batch) >= store->config->batch_max_changes;
}

static void close_batch(struct store *store)
{
    store->on_wire = store->filling;
    store->wire_closed = true;
    store->closed_ms = clock_monotonic_ms();
    store->filling = &store->batches[store->filling == &store->batches[0]];
}

/* Taking a batch, as yet open, onto the wire because it is too large to wait in memory. */
static bool should_start_early(const struct store *store)
{
    return !store->on_wire && batch_bytes(store->filling) >= STORE_CHUNK_BYTES;
}

/* What to do next */

static void tell_room(struct store *store)
{
    if (store->out_of_room && store->state != STORE_LOST && !store->closed &&
        batch_bytes(store->filling) <= store->config->store_buffer_bytes / 2) {
        store->out_of_room = false;
        store->events.on_room(store->arg);
    }
}

void store_go_on(struct store *store)
{
    if (should_close(store))
        close_batch(store);
    if (store->state == STORE_IDLE && should_start_early(store))
        store->on_wire = store->filling;
    store_write(store);
    tell_room(store);
}

static void on_wait(uv_timer_t *timer);

/* A batch that did not close by size or by a drained input closes a few milliseconds later. */
static void arm_wait(struct store *store)
{
    if (!batch_is_empty(store->filling) && !uv_is_active((uv_handle_t *)&store->wait))
        uv_timer_start(&store->wait, on_wait, store->config->batch_max_wait_ms, 0);
}

/* The loop's clock may be a millisecond ahead of ours: then it is asked once more. */
static void on_wait(uv_timer_t *timer)
{
    struct store *store = timer->data;

    store_go_on(store);
    if (!store->closed)
        arm_wait(store);
}

/* The face */

struct store *store_open(uv_loop_t *loop, const struct config *config, struct stats *stats,
                         struct ruleset *rules, const struct store_events *events, void *arg)
{
    static const struct pg_conn_events conn_events = {store_take_up, on_conn_lost, NULL};
    const struct pg_conn_options options = {config->database_url, "pgherald store", false,
                                            CONNECT_TIMEOUT_MS, 0};
    struct store *store = mem_alloc(sizeof(*store));

    store->config = config;
    store->stats = stats;
    store->rules = rules;
    store->events = *events;
    store->arg = arg;
    batch_init(&store->batches[0]);
    batch_init(&store->batches[1]);
    store->filling = &store->batches[0];
    uv_timer_init(loop, &store->wait);
    store->wait.data = store;
    store->conn = pg_conn_open(loop, &options, &conn_events, store);
    return store;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;

    batch_fini(&store->batches[0]);
    batch_fini(&store->batches[1]);
    free(store);
}

void store_close(struct store *store)
{
    if (!store || store->closed)
        return;
    store->closed = true;
    stat_set(&store->stats->store_up, 0);
    pg_conn_close(store->conn);
    uv_close((uv_handle_t *)&store->wait, on_timer_closed);
}

struct batch *store_batch(struct store *store)
{
    return store->filling;
}

void store_advance(struct store *store)
{
    store->in_transaction = true;
    store->drained = false;
    if (batch_bytes(store->filling) >= STORE_CHUNK_BYTES)
        store_go_on(store);
}

void store_end_transaction(struct store *store, const struct store_mark *mark)
{
    store->in_transaction = false;
    store->drained = false;
    store->filling->mark = *mark;
    if (should_close(store))
        store_go_on(store);
    arm_wait(store);
}

void store_input_drained(struct store *store)
{
    store->drained = true;
    if (should_close(store))
        store_go_on(store);
}

bool store_has_room(struct store *store)
{
    if (batch_bytes(store->filling) > store->config->store_buffer_bytes)
        store->out_of_room = true;
    return !store->out_of_room;
}

static void on_answer(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;

    (void)result;
    store_set_state(store, STORE_IDLE);
    store->asked(store->asked_arg, err);
    if (!store->closed)
        store_go_on(store);
}

bool store_ask(struct store *store, const char *sql, const struct pg_param *params, size_t count,
               void (*then)(void *arg, const struct err *err), void *arg)
{
    if (store->state != STORE_IDLE || store->on_wire)
        return false;
    store->asked = then;
    store->asked_arg = arg;
    store_send(store, sql, params, count, on_answer);
    return true;
}

bool store_is_settled(const struct store *store)
{
    return !store->wire_closed && (store->in_transaction || batch_is_empty(store->filling));
}

bool store_is_idle(const struct store *store)
{
    return !store->on_wire && batch_is_empty(store->filling) && !store->in_transaction;
}
