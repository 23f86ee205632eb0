#include "daemon/pipeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/auth_event.h"
#include "daemon/catalog.h"
#include "daemon/deriver.h"
#include "daemon/feed.h"
#include "daemon/journal.h"
#include "decode/decoder.h"
#include "store/store.h"
#include "stream/stream.h"

#define FIRST_BACKOFF_MS 250
#define LAST_BACKOFF_MS 10000
#define FINITE_RUN_TRIES 6 /* sessions that may fail in a row before --endpos gives up */

/* A session goes down this list, and back to WAITING from anywhere. set_state() moves it. */
enum pipeline_state {
    PIPELINE_WAITING, /* for the back-off to pass */
    PIPELINE_CATALOG, /* loading types, asking for the plugin */
    PIPELINE_STORE,   /* taking up the slot */
    PIPELINE_STREAM,  /* starting the slot's stream */
    PIPELINE_RUNNING,
    PIPELINE_STOPPING /* nothing is read any more; the last batch commits */
};

struct pipeline {
    const struct config *config;
    struct stats *stats;
    struct pipeline_doors doors;
    lsn_t endpos;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop, reloaded;
    uv_timer_t timer;        /* back-off, or the shutdown's deadline */
    const char *stop_reason; /* written before `stop` is sent */

    enum pipeline_state state;
    unsigned backoff_ms;
    unsigned failures; /* in a row */

    struct decoder *decoder;   /* of the session, and of the one before until there is another */
    enum config_plugin plugin; /* the slot's */
    struct ruleset *rules;
    struct deriver deriver;
    struct feed feed;
    struct catalog *catalog;
    struct store *store;
    struct stream *stream;
    struct journal journal;

    struct transaction txn;
    lsn_t checkpoint; /* of the session's start */
    lsn_t stored;     /* the last commit that is durable */
    lsn_t confirmed;  /* how far the slot was confirmed, in this session */
    lsn_t idle;       /* all up to here has come, but something was unsaved; else 0 */
    bool paused;
    struct buf held;       /* a message that waits for the catalog to be loaded */
    bool catalog_is_fresh; /* it was loaded for this very message */
};

static void start_session(struct pipeline *p);
static void on_store_room(void *arg);
static void open_store(struct pipeline *p);

static const char *state_name(enum pipeline_state state)
{
    switch (state) {
    case PIPELINE_WAITING:
        return "waiting";
    case PIPELINE_CATALOG:
        return "catalog";
    case PIPELINE_STORE:
        return "store";
    case PIPELINE_STREAM:
        return "stream";
    case PIPELINE_RUNNING:
        return "running";
    case PIPELINE_STOPPING:
        return "stopping";
    }
    return "?";
}

static void set_state(struct pipeline *p, enum pipeline_state state)
{
    log_debug("pipeline", "state", log_s("from", state_name(p->state)),
              log_s("to", state_name(state)));
    p->state = state;
}

/* The end of a session */

static void close_session(struct pipeline *p)
{
    stream_close(p->stream);
    store_close(p->store);
    catalog_close(p->catalog);
    p->stream = NULL;
    p->store = NULL;
    p->catalog = NULL;
    p->paused = false;
    p->idle = 0;
    buf_shrink(&p->held, 0);
    transaction_reset(&p->txn);
}

static void on_backoff(uv_timer_t *timer)
{
    start_session(timer->data);
}

static void end_session(struct pipeline *p, const struct err *err)
{
    if (p->state == PIPELINE_WAITING)
        return;
    close_session(p);
    if (p->state == PIPELINE_STOPPING) {
        uv_stop(&p->loop);
        return;
    }
    set_state(p, PIPELINE_WAITING);
    stat_add(&p->stats->reconnects_total, 1);
    p->failures++;
    log_error("pipeline", "session ended; starting again from the checkpoint", log_err(err),
              log_u("retry_ms", p->backoff_ms));
    if (p->endpos && p->failures >= FINITE_RUN_TRIES) {
        p->doors.finished(p->doors.arg, 1);
        return;
    }
    uv_timer_start(&p->timer, on_backoff, p->backoff_ms, 0);
    p->backoff_ms = p->backoff_ms * 2 > LAST_BACKOFF_MS ? LAST_BACKOFF_MS : p->backoff_ms * 2;
}

static void on_session_lost(void *arg, const struct err *err)
{
    end_session(arg, err);
}

/* Confirming */

static void check_endpos(struct pipeline *p, lsn_t durable)
{
    if (p->endpos && durable >= p->endpos) {
        stream_send_feedback(p->stream);
        p->doors.finished(p->doors.arg, 0);
        p->endpos = 0;
    }
}

static void confirm(struct pipeline *p, lsn_t durable)
{
    p->confirmed = durable > p->confirmed ? durable : p->confirmed;
    stream_confirm(p->stream, durable);
    stat_set(&p->stats->stored_lsn, durable);
    check_endpos(p, durable);
}

/* Where the stream has come to may be confirmed once nothing is unsaved (the server does not say it
 * again), and once it is recorded that it may be. */
static void confirm_idle(struct pipeline *p)
{
    lsn_t idle = p->idle;

    if (idle == 0 || p->txn.open || p->held.len > 0 || !store_is_idle(p->store) ||
        idle > p->journal.confirmable)
        return;
    p->idle = 0;
    confirm(p, idle);
}

/* Confirms what can be, says what is to be said. */
static void settle(struct pipeline *p)
{
    confirm_idle(p);
    if (p->state == PIPELINE_RUNNING)
        journal_speak(&p->journal, p->store, store_is_idle(p->store) ? p->idle : 0, p->confirmed);
}

/* The last batch commits, then the journal speaks the last word. A part of a source transaction
 * that is on its way goes with its connection: the word needs another. */
static void stop_when_settled(struct pipeline *p)
{
    if (!store_is_settled(p->store))
        return;
    if (p->journal.is_stopped) {
        uv_stop(&p->loop);
        return;
    }
    journal_speak(&p->journal, p->store, 0, p->confirmed);
    if (!p->journal.is_asking && !store_is_idle(p->store)) {
        store_close(p->store);
        transaction_reset(&p->txn);
        open_store(p);
    }
}

static void on_said(void *arg)
{
    struct pipeline *p = arg;

    if (p->state == PIPELINE_STOPPING)
        stop_when_settled(p);
    else
        settle(p);
}

/* The server says that nothing more is to come up to wal_end: an idle or filtered slot may move. */
static void on_idle(void *arg, lsn_t wal_end)
{
    struct pipeline *p = arg;

    p->idle = wal_end;
    settle(p);
}

static void on_stored(void *arg, const struct batch *batch)
{
    struct pipeline *p = arg;
    const struct event_stored stored = {batch->mark.commit_lsn, batch->audit_rows,
                                        batch->notification_rows, batch->delivery_rows};

    p->backoff_ms = FIRST_BACKOFF_MS;
    p->failures = 0;
    p->stored = batch->mark.commit_lsn;
    if (batch->delivery_rows > 0 || batch->rule_changes > 0) /* a webhook may be active again */
        p->doors.outbox_grew(p->doors.arg);
    feed_stored(&p->feed, &stored);
    if (p->idle <= batch->mark.end_lsn)
        p->idle = 0;
    if (p->stream) {
        confirm(p, batch->mark.end_lsn);
        settle(p);
    }
    if (p->state == PIPELINE_STOPPING)
        stop_when_settled(p);
}

/* One change */

static void pause_stream(struct pipeline *p)
{
    if (p->paused)
        return;
    p->paused = true;
    stat_add(&p->stats->backpressure_total, 1);
    stream_pause(p->stream);
}

static void resume_stream(struct pipeline *p)
{
    if (!p->paused || p->held.len > 0 || p->state == PIPELINE_STOPPING)
        return;
    p->paused = false;
    stream_resume(p->stream);
}

static void on_message(void *arg, struct str payload);

static void take_catalog(struct pipeline *p, struct catalog_facts *facts)
{
    ruleset_set_types(p->rules, facts->types);
    p->deriver.who.key = facts->context_key;
    decoder_set_keys(p->decoder, facts->primary_keys);
    facts->primary_keys = NULL;
    catalog_close(p->catalog);
    p->catalog = NULL;
}

static void on_catalog_again(void *arg, struct catalog_facts *facts)
{
    struct pipeline *p = arg;
    struct buf held = p->held;

    take_catalog(p, facts);
    p->catalog_is_fresh = true;
    buf_init(&p->held, held.max);
    log_debug("pipeline", "catalog loaded again for a type or a table that was new");
    on_message(p, buf_str(&held));
    p->catalog_is_fresh = false;
    buf_fini(&held);
    if (p->stream)
        on_store_room(p);
}

/* Nothing is lost by waiting for a moment. */
static void hold_for_catalog(struct pipeline *p, struct str payload)
{
    static const struct catalog_events events = {on_catalog_again, on_session_lost};

    buf_add_str(&p->held, payload);
    pause_stream(p);
    p->catalog = catalog_load(&p->loop, p->config, p->txn.position.xid, &events, p);
}

/* Nothing else comes of that table: what its own upkeep deletes there is an entry here already. */
static enum result process_auth_event(struct pipeline *p, const struct change *change,
                                      struct err *err)
{
    if (change->kind != CHANGE_INSERT)
        return OK;
    if (auth_event_add(store_batch(p->store), change, &p->txn.position, err) != OK)
        return FAILED;
    store_advance(p->store);
    return OK;
}

static enum result process_row(struct pipeline *p, struct change *change, struct str payload,
                               struct err *err)
{
    struct table_rules *table;

    transaction_place(&p->txn, change);
    if (p->txn.covered)
        return OK;
    stat_add(&p->stats->changes_total, 1);
    table = ruleset_table(p->rules, change);
    if (table->is_auth_events)
        return process_auth_event(p, change, err);
    if (str_eq(table->resource, STR("pgherald.store_marks"))) {
        transaction_mark(&p->txn, change);
        return OK;
    }
    if (!table->is_followed || p->txn.silent)
        return OK;
    if (p->plugin == PLUGIN_WAL2JSON)
        table_rules_mend_key(table, change);
    if (deriver_add_effects(&p->deriver, &p->txn, change, table, store_batch(p->store), err) != OK)
        return FAILED;
    if (table->is_messages)
        feed_message(&p->feed, change, &p->txn.position);
    else
        feed_row(&p->feed, change, &p->txn.position, payload.len, ruleset_types(p->rules));
    store_advance(p->store);
    return OK;
}

/* A message that is not transactional comes between transactions and says nothing of any. */
static enum result process_message(struct pipeline *p, struct change *change, struct err *err)
{
    enum result result;

    if (!p->txn.open || p->txn.covered)
        return OK;
    if (str_eq(change->prefix, AUDIT_CONTEXT_PREFIX))
        result = deriver_take_context(&p->deriver, &p->txn, change, store_batch(p->store), err);
    else if (str_eq(change->prefix, SCHEMA_CHANGE_PREFIX))
        result =
            deriver_take_schema_change(&p->deriver, &p->txn, change, store_batch(p->store), err);
    else
        return OK;
    if (result != OK)
        return FAILED;
    store_advance(p->store);
    return OK;
}

static void process_commit(struct pipeline *p, const struct change *change)
{
    const struct store_mark mark = {change->commit_lsn, change->end_lsn, change->commit_time};

    stat_add(&p->stats->transactions_total, 1);
    if (p->txn.covered)
        stat_add(&p->stats->transactions_skipped_total, 1);
    else
        transaction_apply_rules(&p->txn, p->rules);
    transaction_reset(&p->txn);
    store_end_transaction(p->store, &mark);
    if (!p->store)
        return;
    p->idle = change->end_lsn; /* unless it has left something to store */
    settle(p);
}

static enum result process_change(struct pipeline *p, struct change *change, struct str payload,
                                  struct err *err)
{
    switch (change->kind) {
    case CHANGE_BEGIN:
        transaction_begin(&p->txn, change, p->checkpoint);
        attribution_begin(&p->deriver.who);
        return OK;
    case CHANGE_COMMIT:
        process_commit(p, change);
        return OK;
    case CHANGE_MESSAGE:
        return process_message(p, change, err);
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        if (!p->txn.open)
            return err_set(err, "a row change outside a transaction");
        return process_row(p, change, payload, err);
    }
    return err_set(err, "unknown kind of change");
}

/* Whether a row has a type that came into being after the types were loaded. If loading them again
 * did not help, the type is gone (with its table): its values stay text. */
static bool needs_types(struct pipeline *p, const struct change *change)
{
    struct table_rules *table;

    if (!change_is_row(change) || p->txn.covered)
        return false;
    table = ruleset_table(p->rules, change);
    if (p->catalog_is_fresh)
        table_rules_accept_types(table);
    return !ruleset_knows_types(p->rules, table, change);
}

static bool needs_catalog(struct pipeline *p, const struct change *change)
{
    return needs_types(p, change) ||
           (decoder_lacks_key(p->decoder) && !p->txn.covered && !p->catalog_is_fresh);
}

static void on_message(void *arg, struct str payload)
{
    struct pipeline *p = arg;
    struct change change;
    struct err err;

    if (decoder_read(p->decoder, payload, &err) != OK) {
        stat_add(&p->stats->decode_errors_total, 1);
        end_session(p, &err);
        return;
    }
    while (decoder_next(p->decoder, &change)) {
        stored_message_fold_table(&change);
        if (needs_catalog(p, &change)) {
            hold_for_catalog(p, payload);
            return;
        }
        if (process_change(p, &change, payload, &err) != OK) {
            end_session(p, &err);
            return;
        }
        if (!p->store) /* the session has ended on the way */
            return;
    }
    if (!store_has_room(p->store))
        pause_stream(p);
}

static void on_drained(void *arg)
{
    struct pipeline *p = arg;

    store_input_drained(p->store);
}

static void on_store_room(void *arg)
{
    struct pipeline *p = arg;

    if (p->stream && store_has_room(p->store))
        resume_stream(p);
}

/* The steps of a session */

static void on_stream_start(void *arg)
{
    struct pipeline *p = arg;

    set_state(p, PIPELINE_RUNNING);
    log_info("pipeline", "streaming", log_s("slot", p->config->slot_name),
             log_s("plugin", p->plugin == PLUGIN_PGOUTPUT ? "pgoutput" : "wal2json"),
             log_lsn("checkpoint", p->checkpoint));
    settle(p);
}

static void on_store_ready(void *arg, lsn_t checkpoint)
{
    static const struct stream_events events = {on_stream_start, on_message, on_drained, on_idle,
                                                on_session_lost};
    struct pipeline *p = arg;

    if (p->state == PIPELINE_STOPPING) {
        stop_when_settled(p);
        return;
    }
    if (checkpoint < p->stored) {
        log_warn("pipeline", "the slot was made anew: clients will be told to rejoin");
        feed_gap(&p->feed);
    }
    p->checkpoint = p->stored = checkpoint;
    p->confirmed = 0;
    journal_begin_session(&p->journal);
    set_state(p, PIPELINE_STREAM);
    p->stream = stream_open(&p->loop, p->config, p->plugin, p->stats, &events, p);
}

/* What the last session's decoder knows of tables is of no use to this one's stream. */
static void renew_decoder(struct pipeline *p, enum config_plugin plugin)
{
    decoder_free(p->decoder);
    p->plugin = plugin;
    p->decoder =
        plugin == PLUGIN_PGOUTPUT ? decoder_new_pgoutput(p->config) : decoder_new_wal2json();
}

static void open_store(struct pipeline *p)
{
    static const struct store_events events = {on_store_ready, on_stored, on_store_room,
                                               on_session_lost};

    p->store = store_open(&p->loop, p->config, p->stats, p->rules, &events, p);
}

static void on_catalog(void *arg, struct catalog_facts *facts)
{
    struct pipeline *p = arg;

    renew_decoder(p, facts->plugin);
    take_catalog(p, facts);
    set_state(p, PIPELINE_STORE);
    open_store(p);
}

static void start_session(struct pipeline *p)
{
    static const struct catalog_events events = {on_catalog, on_session_lost};

    set_state(p, PIPELINE_CATALOG);
    p->catalog = catalog_load(&p->loop, p->config, 0, &events, p);
}

/* The thread */

static void on_deadline(uv_timer_t *timer)
{
    struct pipeline *p = timer->data;

    log_warn("pipeline", "the last batch did not commit in time; it will be read again",
             log_u("shutdown_timeout_ms", p->config->shutdown_timeout_ms));
    uv_stop(&p->loop);
}

static void on_stop(uv_async_t *async)
{
    struct pipeline *p = async->data;
    bool was_running = p->state == PIPELINE_RUNNING;

    set_state(p, PIPELINE_STOPPING);
    p->journal.stop_reason = p->stop_reason;
    uv_timer_start(&p->timer, on_deadline, p->config->shutdown_timeout_ms, 0);
    if (!was_running) {
        uv_stop(&p->loop);
        return;
    }
    stream_pause(p->stream);
    store_input_drained(p->store);
    if (p->store)
        stop_when_settled(p);
}

static void on_reloaded(uv_async_t *async)
{
    struct pipeline *p = async->data;

    if (p->state == PIPELINE_RUNNING)
        settle(p);
}

/* On the main thread. */
static void wake_for_reload(void *arg)
{
    struct pipeline *p = arg;

    uv_async_send(&p->reloaded);
}

static void *run_thread(void *arg)
{
    struct pipeline *p = arg;

    start_session(p);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    close_session(p);
    uv_close((uv_handle_t *)&p->stop, NULL);
    uv_close((uv_handle_t *)&p->reloaded, NULL);
    uv_close((uv_handle_t *)&p->timer, NULL);
    feed_close(&p->feed);
    uv_run(&p->loop, UV_RUN_DEFAULT); /* lets every handle close */
    return NULL;
}

static void free_pipeline(struct pipeline *p)
{
    uv_loop_close(&p->loop);
    transaction_reset(&p->txn);
    feed_fini(&p->feed);
    journal_fini(&p->journal);
    deriver_fini(&p->deriver);
    ruleset_free(p->rules);
    decoder_free(p->decoder);
    buf_fini(&p->held);
    free(p);
}

enum result pipeline_start(const struct config *config, struct stats *stats,
                           const struct pipeline_doors *doors, lsn_t endpos, struct pipeline **out,
                           struct err *err)
{
    static const struct journal_events journal_events = {on_said, on_session_lost};
    struct pipeline *p = mem_alloc(sizeof(*p));
    int rc;

    *out = NULL;
    p->config = config;
    p->stats = stats;
    p->doors = *doors;
    p->endpos = endpos;
    p->backoff_ms = FIRST_BACKOFF_MS;
    p->rules = ruleset_new(config, stats);
    deriver_init(&p->deriver, config, p->rules, stats);
    buf_init(&p->held, (size_t)1 << 30);
    uv_loop_init(&p->loop);
    uv_async_init(&p->loop, &p->stop, on_stop);
    uv_async_init(&p->loop, &p->reloaded, on_reloaded);
    uv_timer_init(&p->loop, &p->timer);
    feed_init(&p->feed, &p->loop, config, stats, doors->realtime, &doors->audience);
    journal_init(&p->journal, config, &journal_events, wake_for_reload, p);
    p->stop.data = p->reloaded.data = p->timer.data = p;
    rc = pthread_create(&p->thread, NULL, run_thread, p);
    if (rc != 0) {
        free_pipeline(p);
        return err_set_errno(err, rc, "could not start the pipeline's thread");
    }
    *out = p;
    return OK;
}

bool pipeline_reload(struct pipeline *p, struct str facts)
{
    return journal_reload(&p->journal, facts);
}

void pipeline_stop(struct pipeline *p, const char *reason)
{
    if (!p)
        return;
    p->stop_reason = reason;
    uv_async_send(&p->stop);
    pthread_join(p->thread, NULL);
    free_pipeline(p);
}
