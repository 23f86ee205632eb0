#include "base/clock.h"
#include "base/log.h"
#include "embedded.h"
#include "pg/copy.h"
#include "store/internal.h"

#define SIDE_BYTES ((size_t)1 << 20) /* of deliveries and notifications before the COPY pauses */

static void on_step(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;

    (void)result;
    if (err) {
        store_lose(store, err, "storing a batch");
        return;
    }
    store_set_state(store, STORE_OPEN);
    store_go_on(store);
}

void store_send(struct store *store, const char *sql, const struct pg_param *params, size_t count,
                pg_result_cb *then)
{
    store_set_state(store, STORE_ASKING);
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
    store_set_state(store, STORE_COPYING);
    store_go_on(store);
}

static void on_socket_room(void *arg)
{
    struct store *store = arg;

    store->socket_full = false;
    store_go_on(store);
}

static void end_copy(struct store *store)
{
    struct buf trailer;

    buf_init(&trailer, 8);
    copy_add_trailer(&trailer);
    pg_conn_copy_put(store->conn, buf_str(&trailer));
    buf_fini(&trailer);
    store_set_state(store, STORE_ENDING_COPY);
    store->socket_full = false;
    pg_conn_copy_end(store->conn);
}

static void start_audit_copy(struct store *store)
{
    static const struct pg_copy_events events = {on_copy_ready, on_socket_room, on_step};

    store_set_state(store, STORE_ASKING);
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

    store_set_state(store, STORE_ASKING);
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
        store_lose(arg, err, "marking a batch as our own");
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
    store_send(store, sql_store_insert_notifications, &rows, 1, on_notified);
    buf_fini(&array);
}

static void store_rules(struct store *store)
{
    struct buf array;
    const struct pg_param params[] = {{str_c(store->config->slot_name)},
                                      {as_array(&array, &store->on_wire->rules)}};

    store_send(store, sql_store_save_rules, params, 2, on_step);
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

static void on_committed(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct batch *done = store->on_wire;

    (void)result;
    if (err) {
        store_lose(store, err, "committing a batch");
        return;
    }
    count_batch(store, done);
    store_set_state(store, STORE_IDLE);
    store->on_wire = NULL;
    store->wire_closed = false;
    store->events.on_stored(store->arg, done);
    batch_reset(done);
    if (!store->closed)
        store_go_on(store);
}

static void on_checkpoint(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct err moved = {"the checkpoint was moved by another process that uses this slot's name; "
                        "only one pgherald may run on a slot"};

    if (err)
        store_lose(store, err, "writing the checkpoint");
    else if (pg_result_affected(result) != 1)
        store_lose(store, &moved, "writing the checkpoint");
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

        store_send(store, sql_store_save_checkpoint, params, 4, on_checkpoint);
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
        (!store->wire_closed && batch->audit.len < STORE_CHUNK_BYTES))
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
    else if (batch->audit.len > 0 && (store->wire_closed || batch->audit.len >= STORE_CHUNK_BYTES))
        start_audit_copy(store);
    else if (store->wire_closed)
        commit(store);
}

void store_write(struct store *store)
{
    switch (store->state) {
    case STORE_IDLE:
        if (store->on_wire)
            store_send(store, "begin", NULL, 0, on_step);
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
}
