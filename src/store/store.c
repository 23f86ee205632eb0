#include "store/store.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"
#include "pg/copy.h"

#define CONNECT_TIMEOUT_MS 10000
#define CHUNK_BYTES ((size_t)64 << 10) /* rows go to the socket in pieces of about this size */
#define SIDE_BYTES ((size_t)1 << 20)   /* of deliveries and notifications before the COPY pauses */

/* What the connection is doing. All moves go through set_state(). */
enum store_state {
    STORE_LOADING,     /* connecting, attaching, reading rules */
    STORE_IDLE,        /* no SQL transaction open */
    STORE_OPEN,        /* a SQL transaction is open, nothing under way in it */
    STORE_ASKING,      /* a statement is under way */
    STORE_COPYING,     /* audit_logs takes rows */
    STORE_ENDING_COPY, /* CopyDone is sent */
    STORE_LOST
};

struct store {
    const struct config *config;
    struct stats *stats;
    struct ruleset *rules;
    struct store_events events;
    void *arg;
    struct pg_conn *conn;
    uv_timer_t wait;
    uint64_t closed_ms; /* when the last batch was; 0: none yet */
    enum store_state state;

    struct batch batches[2];
    struct batch *filling; /* effects go here; may be on the wire at the same time */
    struct batch *on_wire; /* NULL: no SQL transaction */
    bool wire_closed;      /* on_wire gets no more effects */
    bool in_transaction;   /* filling ends in the middle of a source transaction */
    bool drained;          /* nothing was waiting to be read when it was last asked */
    bool socket_full;
    bool out_of_room;
    bool closed;

    void (*asked)(void *arg, const struct err *err); /* who waits for store_ask() */
    void *asked_arg;
};

static void advance(struct store *store);

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

static void set_state(struct store *store, enum store_state state)
{
    log_debug("store", "state", log_s("from", state_name(store->state)),
              log_s("to", state_name(state)));
    store->state = state;
}

static void lose(struct store *store, const struct err *err, const char *doing)
{
    struct err whole = *err;

    if (store->state == STORE_LOST)
        return;
    set_state(store, STORE_LOST);
    stat_set(&store->stats->store_up, 0);
    if (store->on_wire)
        stat_add(&store->stats->batches_failed_total, 1);
    err_context(&whole, "%s", doing);
    store->events.on_lost(store->arg, &whole);
}

/* Loading */

static void on_rules(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    enum rule_kind kind;
    struct err why;

    if (err) {
        lose(store, err, "reading pgherald.rules");
        return;
    }
    for (unsigned k = 0; k < RULE_KINDS; k++)
        ruleset_clear(store->rules, (enum rule_kind)k);
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        if (!rule_kind_parse(pg_result_value(result, row, 0), &kind))
            continue;
        if (ruleset_put(store->rules, kind, pg_result_value(result, row, 1),
                        pg_result_value(result, row, 2), &why) != OK)
            log_warn("rules", "a rule cannot be used until it is corrected", log_err(&why));
    }
    set_state(store, STORE_IDLE);
    stat_set(&store->stats->store_up, 1);
    store->events.on_ready(store->arg, store->batches[0].mark.commit_lsn);
}

static void on_attached(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct store_mark *mark = &store->batches[0].mark;
    const struct pg_param slot = {str_c(store->config->slot_name)};
    struct err wrong = {"pgherald.attach() gave no checkpoint"};

    if (err) {
        lose(store, err, "taking up the slot (was `pgherald init` run?)");
    } else if (pg_result_rows(result) != 1 ||
               !lsn_parse(pg_result_value(result, 0, 0), &mark->commit_lsn) ||
               !lsn_parse(pg_result_value(result, 0, 1), &mark->end_lsn)) {
        lose(store, &wrong, "taking up the slot");
    } else {
        pg_conn_query(store->conn, sql_store_load_rules, &slot, 1, on_rules, store);
    }
}

static void on_open(void *arg)
{
    struct store *store = arg;
    const struct pg_param slot = {str_c(store->config->slot_name)};

    pg_conn_query(store->conn, sql_store_attach, &slot, 1, on_attached, store);
}

static void on_conn_lost(void *arg, const struct err *err)
{
    lose(arg, err, "the store's connection");
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
    return !store->on_wire && batch_bytes(store->filling) >= CHUNK_BYTES;
}

/* The steps of one SQL transaction */

static void on_step(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;

    (void)result;
    if (err) {
        lose(store, err, "storing a batch");
        return;
    }
    set_state(store, STORE_OPEN);
    advance(store);
}

static void ask(struct store *store, const char *sql, const struct pg_param *params, size_t count,
                pg_result_cb *then)
{
    set_state(store, STORE_ASKING);
    pg_conn_query(store->conn, sql, params, count, then, store);
}

static void on_copy_ready(void *arg)
{
    struct store *store = arg;
    struct buf header;

    buf_init(&header, 64);
    copy_add_header(&header);
    pg_conn_copy_put(store->conn, buf_str(&header));
    buf_fini(&header);
    set_state(store, STORE_COPYING);
    advance(store);
}

static void on_socket_room(void *arg)
{
    struct store *store = arg;

    store->socket_full = false;
    advance(store);
}

static void end_copy(struct store *store)
{
    struct buf trailer;

    buf_init(&trailer, 8);
    copy_add_trailer(&trailer);
    pg_conn_copy_put(store->conn, buf_str(&trailer));
    buf_fini(&trailer);
    set_state(store, STORE_ENDING_COPY);
    store->socket_full = false;
    pg_conn_copy_end(store->conn);
}

static void start_audit_copy(struct store *store)
{
    static const struct pg_copy_events events = {on_copy_ready, on_socket_room, on_step};

    set_state(store, STORE_ASKING);
    pg_conn_copy_in(store->conn, sql_store_copy_audit, &events, store);
}

static void on_deliveries_ready(void *arg)
{
    struct store *store = arg;
    struct buf edge;

    buf_init(&edge, 64);
    copy_add_header(&edge);
    pg_conn_copy_put(store->conn, buf_str(&edge));
    buf_fini(&edge);
    pg_conn_copy_put(store->conn, buf_str(&store->on_wire->deliveries));
    buf_clear(&store->on_wire->deliveries);
    end_copy(store);
}

static void store_deliveries(struct store *store)
{
    static const struct pg_copy_events events = {on_deliveries_ready, on_socket_room, on_step};

    set_state(store, STORE_ASKING);
    pg_conn_copy_in(store->conn, sql_store_copy_deliveries, &events, store);
}

static struct str as_array(struct buf *out, struct buf *items)
{
    buf_init(out, items->len + 2);
    buf_add_char(out, '[');
    buf_add_str(out, buf_str(items));
    buf_add_char(out, ']');
    buf_clear(items);
    return buf_str(out);
}

static void on_marked(void *arg, const struct pg_result *result, const struct err *err)
{
    (void)result;
    if (err)
        lose(arg, err, "marking a batch as our own");
}

/* What the table refused is left out of the batch, and told here. */
static void on_notified(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct str refused = {0};
    uint64_t count;

    if (!err && pg_result_rows(result) == 1)
        refused = pg_result_value(result, 0, 0);
    if (str_to_u64(refused, &count) && count > 0) {
        stat_add(&store->stats->notifications_refused_total, count);
        log_warn("store", "notifications were left out: public.notifications refused them",
                 log_u("count", count), log_v("first", pg_result_value(result, 0, 1)));
    }
    on_step(store, result, err);
}

/* Clients must see notifications, so they are not filtered out of the stream: the mark in the same
 * transaction tells us there that they are our own. */
static void store_notifications(struct store *store)
{
    const struct pg_param slot = {str_c(store->config->slot_name)};
    struct buf array;
    struct pg_param rows = {as_array(&array, &store->on_wire->notifications)};

    pg_conn_query(store->conn, sql_store_mark_own, &slot, 1, on_marked, store);
    ask(store, sql_store_insert_notifications, &rows, 1, on_notified);
    buf_fini(&array);
}

static void store_rules(struct store *store)
{
    struct buf array;
    const struct pg_param params[] = {{str_c(store->config->slot_name)},
                                      {as_array(&array, &store->on_wire->rules)}};

    ask(store, sql_store_save_rules, params, 2, on_step);
    buf_fini(&array);
}

/* Committing */

static void count_batch(struct store *store, const struct batch *batch)
{
    struct stats *stats = store->stats;

    stat_add(&stats->batches_total, 1);
    stat_add(&stats->audit_rows_total, batch->audit_rows);
    stat_add(&stats->deliveries_total, batch->delivery_rows);
    stat_add(&stats->notifications_total, batch->notification_rows);
    stat_set(&stats->stored_lsn, batch->mark.end_lsn);
    stat_set(&stats->stored_commit_time_us, (uint64_t)batch->mark.commit_time);
    stat_set(&stats->stream_lag_us, (uint64_t)(clock_now_us() - batch->mark.commit_time));
}

static void tell_room(struct store *store)
{
    if (store->out_of_room && store->state != STORE_LOST && !store->closed &&
        batch_bytes(store->filling) <= store->config->store_buffer_bytes / 2) {
        store->out_of_room = false;
        store->events.on_room(store->arg);
    }
}

static void on_committed(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct batch *done = store->on_wire;

    (void)result;
    if (err) {
        lose(store, err, "committing a batch");
        return;
    }
    count_batch(store, done);
    set_state(store, STORE_IDLE);
    store->on_wire = NULL;
    store->wire_closed = false;
    store->events.on_stored(store->arg, done);
    batch_reset(done);
    if (!store->closed)
        advance(store);
}

static void on_checkpoint(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct err moved = {"the checkpoint was moved by another process that uses this slot's name; "
                        "only one pgherald may run on a slot"};

    if (err)
        lose(store, err, "writing the checkpoint");
    else if (pg_result_affected(result) != 1)
        lose(store, &moved, "writing the checkpoint");
    else
        pg_conn_query(store->conn, "commit", NULL, 0, on_committed, store);
}

static void commit(struct store *store)
{
    const struct store_mark *mark = &store->on_wire->mark;
    char commit_lsn[LSN_TEXT], end_lsn[LSN_TEXT];
    struct buf time;

    buf_init(&time, 32);
    buf_add_i64(&time, mark->commit_time);
    {
        const struct pg_param params[] = {{str_c(store->config->slot_name)},
                                          {str_c(lsn_format(mark->commit_lsn, commit_lsn))},
                                          {str_c(lsn_format(mark->end_lsn, end_lsn))},
                                          {buf_str(&time)}};

        ask(store, sql_store_save_checkpoint, params, 4, on_checkpoint);
    }
    buf_fini(&time);
}

/* What to do next */

static size_t side_bytes(const struct batch *batch)
{
    return batch->deliveries.len + batch->notifications.len + batch->rules.len;
}

static void put_audit_rows(struct store *store)
{
    struct batch *batch = store->on_wire;

    if (store->socket_full || batch->audit.len == 0 ||
        (!store->wire_closed && batch->audit.len < CHUNK_BYTES))
        return;
    store->socket_full = !pg_conn_copy_put(store->conn, buf_str(&batch->audit));
    buf_shrink(&batch->audit, (size_t)4 << 20);
}

static void advance_copy(struct store *store)
{
    put_audit_rows(store);
    if (store->state != STORE_COPYING || store->socket_full)
        return;
    if (store->wire_closed || side_bytes(store->on_wire) >= SIDE_BYTES)
        end_copy(store);
}

static void advance_open(struct store *store)
{
    struct batch *batch = store->on_wire;
    bool flush_side = store->wire_closed || side_bytes(batch) >= SIDE_BYTES;

    if (flush_side && batch->deliveries.len > 0)
        store_deliveries(store);
    else if (flush_side && batch->notifications.len > 0)
        store_notifications(store);
    else if (flush_side && batch->rules.len > 0)
        store_rules(store);
    else if (batch->audit.len > 0 && (store->wire_closed || batch->audit.len >= CHUNK_BYTES))
        start_audit_copy(store);
    else if (store->wire_closed)
        commit(store);
}

static void advance(struct store *store)
{
    if (should_close(store))
        close_batch(store);
    switch (store->state) {
    case STORE_IDLE:
        if (!store->on_wire && should_start_early(store))
            store->on_wire = store->filling;
        if (store->on_wire)
            ask(store, "begin", NULL, 0, on_step);
        break;
    case STORE_OPEN:
        advance_open(store);
        break;
    case STORE_COPYING:
        advance_copy(store);
        break;
    case STORE_LOADING:
    case STORE_ASKING:
    case STORE_ENDING_COPY:
    case STORE_LOST:
        break;
    }
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

    advance(store);
    if (!store->closed)
        arm_wait(store);
}

/* The face */

struct store *store_open(uv_loop_t *loop, const struct config *config, struct stats *stats,
                         struct ruleset *rules, const struct store_events *events, void *arg)
{
    static const struct pg_conn_events conn_events = {on_open, on_conn_lost, NULL};
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
    if (batch_bytes(store->filling) >= CHUNK_BYTES)
        advance(store);
}

void store_end_transaction(struct store *store, const struct store_mark *mark)
{
    store->in_transaction = false;
    store->drained = false;
    store->filling->mark = *mark;
    if (should_close(store))
        advance(store);
    arm_wait(store);
}

void store_input_drained(struct store *store)
{
    store->drained = true;
    if (should_close(store))
        advance(store);
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
    set_state(store, STORE_IDLE);
    store->asked(store->asked_arg, err);
    if (!store->closed)
        advance(store);
}

bool store_ask(struct store *store, const char *sql, const struct pg_param *params, size_t count,
               void (*then)(void *arg, const struct err *err), void *arg)
{
    if (store->state != STORE_IDLE || store->on_wire)
        return false;
    store->asked = then;
    store->asked_arg = arg;
    ask(store, sql, params, count, on_answer);
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
