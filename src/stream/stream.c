#include "stream/stream.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/conn.h"
#include "stream/in_progress.h"
#include "stream/protocol.h"
#include "stream/spool.h"
#include "stream/walsender.h"

#define CONNECT_TIMEOUT_MS 10000
#define PAUSED_FEEDBACK_MS 1000 /* while the server's own requests for feedback are not read */
#define CONFIRM_DELAY_MS 20     /* many confirmations in a row are told to the server as one */
#define MAX_TRANSACTIONS 1024   /* in progress: half a megabyte of memory each at the most */
#define MAX_SUBTRANSACTIONS (1 << 20) /* of these, 50 bytes each */
#define REPLAYED_A_TURN 256 /* messages of a transaction that has committed, a turn of the loop */

struct stream {
    uv_loop_t *loop;
    const struct config *config;
    enum config_plugin plugin;
    struct stats *stats;
    struct stream_events events;
    void *arg;
    struct pg_conn *conn;
    uv_timer_t feedback_timer; /* the longest silence */
    uv_timer_t confirm_timer;  /* a confirmation that the server does not know yet */
    uv_timer_t silence_timer;  /* how long the server may be silent, twice */
    uv_idle_t replay_handle;   /* runs while a transaction that was streamed is handed out */
    unsigned open_handles;
    struct buf statement;
    struct in_progress *in_progress; /* NULL: nothing is streamed before it is committed */
    lsn_t received;                  /* the furthest position that the server told us of */
    lsn_t confirmed;                 /* everything below is durable */
    bool started;
    bool closed;
    bool paused;
    bool replaying;                      /* meanwhile nothing is read */
    bool asked;                          /* for a sign of life */
    uint64_t heard;                      /* pg_conn_reads() when the silence timer was last here */
    struct walsender_question *question; /* whether the server works; NULL: not asked */
    bool told;                           /* that it works, since it was last heard */
};

static void lose(struct stream *stream, const struct err *err)
{
    stat_set(&stream->stats->stream_up, 0);
    stream->events.on_lost(stream->arg, err);
}

static void send_feedback(struct stream *stream, bool wants_reply)
{
    char message[STREAM_FEEDBACK_BYTES];

    if (!stream->started)
        return;
    stream_feedback_write(message, stream->received, stream->confirmed, clock_now_us(),
                          wants_reply);
    pg_conn_stream_send(stream->conn, str_from(message, sizeof(message)));
    uv_timer_again(&stream->feedback_timer);
}

void stream_send_feedback(struct stream *stream)
{
    send_feedback(stream, false);
}

static void drop_question(struct stream *stream)
{
    walsender_question_close(stream->question);
    stream->question = NULL;
}

static void lose_in_silence(struct stream *stream)
{
    struct err err;

    err_set(&err, "the server has been silent for stream_timeout (%u ms) and does not answer",
            stream->config->stream_timeout_ms);
    lose(stream, &err);
}

static void on_walsender_answer(void *arg, bool works)
{
    struct stream *stream = arg;

    drop_question(stream);
    if (stream->heard != pg_conn_reads(stream->conn))
        return;
    if (!works) {
        lose_in_silence(stream);
        return;
    }
    stream->asked = false;
    if (!stream->told)
        log_info("stream", "the server says nothing while it works on a large transaction: waiting",
                 log_s("slot", stream->config->slot_name));
    stream->told = true;
}

/* A connection that is cut off without a word, by a firewall or a host that is gone, looks like a
 * quiet server; and so does a server that works on a transaction of which it sends nothing. What is
 * not read because of a pause is no silence. */
static void on_silence_timer(uv_timer_t *timer)
{
    struct stream *stream = timer->data;

    if (stream->paused || stream->replaying || stream->heard != pg_conn_reads(stream->conn)) {
        stream->heard = pg_conn_reads(stream->conn);
        stream->asked = stream->told = false;
        drop_question(stream);
    } else if (!stream->asked) {
        stream->asked = true;
        send_feedback(stream, true);
    } else if (!stream->question) {
        stream->question =
            walsender_ask(stream->loop, stream->config, pg_conn_backend_pid(stream->conn),
                          on_walsender_answer, stream);
    } else {
        lose_in_silence(stream);
    }
}

static void on_feedback_timer(uv_timer_t *timer)
{
    stream_send_feedback(timer->data);
}

/* The server's question for a sign of life waits behind all the data that is on its way, so an
 * answer may come too late: we speak four times within its patience without being asked. */
static void set_feedback_interval(struct stream *stream, unsigned longest_ms)
{
    unsigned ms = stream->config->feedback_interval_ms;

    if (ms > longest_ms)
        ms = longest_ms;
    if (ms > stream->config->stream_timeout_ms / 4)
        ms = stream->config->stream_timeout_ms / 4;
    uv_timer_start(&stream->feedback_timer, on_feedback_timer, ms, ms);
}

/* Reading and replaying */

static void on_replay(uv_idle_t *handle);

static void update_reading(struct stream *stream)
{
    bool reads = !stream->paused && !stream->replaying;

    set_feedback_interval(stream,
                          reads ? stream->config->feedback_interval_ms : PAUSED_FEEDBACK_MS);
    if (reads)
        pg_conn_stream_resume(stream->conn);
    else
        pg_conn_stream_pause(stream->conn);
    if (stream->replaying && !stream->paused)
        uv_idle_start(&stream->replay_handle, on_replay);
    else
        uv_idle_stop(&stream->replay_handle);
}

static void replay(struct stream *stream, bool replaying)
{
    stream->replaying = replaying;
    stream->heard = 0; /* the silence begins when reading does */
    update_reading(stream);
}

/* A turn of the loop: the store's connection and the timers get theirs in between. */
static void on_replay(uv_idle_t *handle)
{
    struct stream *stream = handle->data;
    struct str message;
    struct err err;
    bool more;

    for (int i = 0; i < REPLAYED_A_TURN && !stream->paused && !stream->closed; i++) {
        if (in_progress_next(stream->in_progress, &message, &more, &err) != OK) {
            lose(stream, &err);
            return;
        }
        if (!more) {
            replay(stream, false);
            return;
        }
        stream->events.on_message(stream->arg, message);
    }
}

/* Sessions come and go, and the next one would come to the same transaction. */
static void stop_streaming(struct stream *stream, struct err *err)
{
    stat_add(&stream->stats->spool_failures_total, 1);
    err_context(err, "a transaction in progress cannot be kept; streaming is off until the daemon "
                     "starts again");
}

static void on_payload(struct stream *stream, struct str payload)
{
    enum in_progress_verdict verdict = IN_PROGRESS_PASSES;
    bool is_full = false;
    struct err err;

    if (stream->in_progress &&
        in_progress_take(stream->in_progress, payload, &verdict, &payload, &is_full, &err) != OK) {
        if (is_full)
            stop_streaming(stream, &err);
        lose(stream, &err);
        return;
    }
    switch (verdict) {
    case IN_PROGRESS_KEPT:
        break;
    case IN_PROGRESS_PASSES:
        stream->events.on_message(stream->arg, payload);
        break;
    case IN_PROGRESS_ENDS:
        replay(stream, true);
        break;
    }
}

/* The stream */

static void on_start(void *arg)
{
    struct stream *stream = arg;

    stream->started = true;
    stat_set(&stream->stats->stream_up, 1);
    set_feedback_interval(stream, stream->config->feedback_interval_ms);
    uv_timer_start(&stream->silence_timer, on_silence_timer, stream->config->stream_timeout_ms / 2,
                   stream->config->stream_timeout_ms / 2);
    stream->events.on_start(stream->arg);
}

static void on_keepalive(struct stream *stream, const struct stream_message *message)
{
    stream->events.on_idle(stream->arg, message->wal_end);
    if (message->reply_requested && !stream->closed)
        stream_send_feedback(stream);
}

static void on_data(void *arg, struct str bytes)
{
    struct stream *stream = arg;
    struct stream_message message;
    struct err err;

    if (stream_message_parse(bytes, &message, &err) != OK) {
        lose(stream, &err);
        return;
    }
    if (message.wal_end > stream->received)
        stream->received = message.wal_end;
    stat_set(&stream->stats->received_lsn, stream->received);
    switch (message.kind) {
    case STREAM_DATA:
        on_payload(stream, message.payload);
        break;
    case STREAM_KEEPALIVE:
        stat_set(&stream->stats->server_lsn, message.wal_end);
        on_keepalive(stream, &message);
        break;
    }
}

static void on_drained(void *arg)
{
    struct stream *stream = arg;

    stream->events.on_drained(stream->arg);
}

/* What could not be kept once is not tried again by this process. */
static bool can_stream(const struct stream *stream)
{
    return stream->config->streaming && stream->plugin == PLUGIN_PGOUTPUT &&
           pg_conn_server_version(stream->conn) >= STREAM_STREAMING_VERSION &&
           stat_get(&stream->stats->spool_failures_total) == 0;
}

static void begin_streaming(struct stream *stream)
{
    const struct in_progress_limits limits = {stream->config->spool_directory,
                                              stream->config->spool_max_bytes, MAX_TRANSACTIONS,
                                              MAX_SUBTRANSACTIONS};
    struct err err;

    if (spool_try(limits.directory, &err) != OK) {
        log_warn("stream", "transactions in progress are not streamed", log_err(&err));
        return;
    }
    stream->in_progress = in_progress_new(&limits, stream->stats);
    stat_set(&stream->stats->streaming, 1);
}

static void on_open(void *arg)
{
    static const struct pg_stream_events events = {on_start, on_data, on_drained};
    struct stream *stream = arg;

    if (can_stream(stream))
        begin_streaming(stream);
    stream_start_statement(&stream->statement, stream->config, stream->plugin,
                           stream->in_progress != NULL);
    pg_conn_stream(stream->conn, buf_str(&stream->statement).data, &events, stream);
}

static void on_lost(void *arg, const struct err *err)
{
    struct stream *stream = arg;
    struct err whole = *err;

    stream->started = false;
    err_context(&whole, "replication slot \"%s\"", stream->config->slot_name);
    lose(stream, &whole);
}

struct stream *stream_open(uv_loop_t *loop, const struct config *config, enum config_plugin plugin,
                           struct stats *stats, const struct stream_events *events, void *arg)
{
    static const struct pg_conn_events conn_events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {.database_url = config->database_url,
                                            .application_name = "pgherald stream",
                                            .replication = true,
                                            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                            .wal_sender_timeout_ms = config->stream_timeout_ms};
    struct stream *stream = mem_alloc(sizeof(*stream));

    stream->loop = loop;
    stream->config = config;
    stream->plugin = plugin;
    stream->stats = stats;
    stream->events = *events;
    stream->arg = arg;
    buf_init(&stream->statement, 65536);
    uv_timer_init(loop, &stream->feedback_timer);
    stream->feedback_timer.data = stream;
    uv_timer_init(loop, &stream->confirm_timer);
    stream->confirm_timer.data = stream;
    uv_timer_init(loop, &stream->silence_timer);
    stream->silence_timer.data = stream;
    uv_idle_init(loop, &stream->replay_handle);
    stream->replay_handle.data = stream;
    stream->open_handles = 4;
    stream->conn = pg_conn_open(loop, &options, &conn_events, stream);
    return stream;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    if (--stream->open_handles > 0)
        return;
    in_progress_free(stream->in_progress);
    buf_fini(&stream->statement);
    free(stream);
}

void stream_close(struct stream *stream)
{
    if (!stream || stream->closed)
        return;
    if (stream->started)
        stream_send_feedback(stream); /* the server need not send again what is stored */
    stream->closed = true;
    stream->started = false;
    stat_set(&stream->stats->stream_up, 0);
    stat_set(&stream->stats->streaming, 0);
    drop_question(stream);
    pg_conn_close(stream->conn);
    uv_close((uv_handle_t *)&stream->feedback_timer, on_handle_closed);
    uv_close((uv_handle_t *)&stream->confirm_timer, on_handle_closed);
    uv_close((uv_handle_t *)&stream->silence_timer, on_handle_closed);
    uv_close((uv_handle_t *)&stream->replay_handle, on_handle_closed);
}

void stream_confirm(struct stream *stream, lsn_t lsn)
{
    if (lsn <= stream->confirmed)
        return;
    stream->confirmed = lsn;
    if (!uv_is_active((const uv_handle_t *)&stream->confirm_timer))
        uv_timer_start(&stream->confirm_timer, on_feedback_timer, CONFIRM_DELAY_MS, 0);
}

void stream_pause(struct stream *stream)
{
    stream->paused = true;
    update_reading(stream);
}

void stream_resume(struct stream *stream)
{
    stream->paused = false;
    stream->heard = 0; /* the silence begins now */
    update_reading(stream);
}
