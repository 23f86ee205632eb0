#include "daemon/pipeline.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/pipeline_internal.h"

#define LAST_BACKOFF_MS 10000
#define FINITE_RUN_TRIES 6 /* sessions that may fail in a row before --endpos gives up */

static void start_session(struct pipeline *p);

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

void pipeline_end_session(struct pipeline *p, const struct err *err)
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

void pipeline_on_lost(void *arg, const struct err *err)
{
    pipeline_end_session(arg, err);
}

static void on_stream_lost(void *arg, const struct err *err)
{
    struct pipeline *p = arg;

    stumble_note(&p->stumble, &p->txn, err);
    pipeline_end_session(p, err);
}

static void on_drained(void *arg)
{
    struct pipeline *p = arg;

    store_input_drained(p->store);
}

/* The steps of a session */

static void on_stream_start(void *arg)
{
    struct pipeline *p = arg;

    set_state(p, PIPELINE_RUNNING);
    log_info("pipeline", "streaming", log_s("slot", p->config->slot_name),
             log_s("plugin", p->plugin == PLUGIN_PGOUTPUT ? "pgoutput" : "wal2json"),
             log_lsn("checkpoint", p->checkpoint));
    pipeline_settle(p);
}

static void on_store_ready(void *arg, lsn_t checkpoint)
{
    static const struct stream_events events = {on_stream_start, pipeline_on_message, on_drained,
                                                pipeline_on_idle, on_stream_lost};
    struct pipeline *p = arg;

    if (p->state == PIPELINE_STOPPING) {
        pipeline_stop_when_settled(p);
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

void pipeline_open_store(struct pipeline *p)
{
    static const struct store_events events = {on_store_ready, pipeline_on_stored, pipeline_on_room,
                                               pipeline_on_lost};

    p->store = store_open(&p->loop, p->config, p->stats, p->rules, &events, p);
}

static void on_catalog(void *arg, struct catalog_facts *facts)
{
    struct pipeline *p = arg;

    renew_decoder(p, facts->plugin);
    pipeline_take_catalog(p, facts);
    set_state(p, PIPELINE_STORE);
    pipeline_open_store(p);
}

static void start_session(struct pipeline *p)
{
    static const struct catalog_events events = {on_catalog, pipeline_on_lost};

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
        pipeline_stop_when_settled(p);
}

static void on_reloaded(uv_async_t *async)
{
    struct pipeline *p = async->data;

    if (p->state == PIPELINE_RUNNING)
        pipeline_settle(p);
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
    static const struct journal_events journal_events = {pipeline_on_said, pipeline_on_lost};
    struct pipeline *p = mem_alloc(sizeof(*p));
    int rc;

    *out = NULL;
    p->config = config;
    p->stats = stats;
    p->doors = *doors;
    p->endpos = endpos;
    p->backoff_ms = PIPELINE_FIRST_BACKOFF_MS;
    p->rules = ruleset_new(config, stats);
    deriver_init(&p->deriver, config, p->rules, stats);
    stumble_init(&p->stumble, config, stats);
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
