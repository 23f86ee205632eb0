#include "stream/stream.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/conn.h"
#include "stream/protocol.h"
#include "stream/walsender.h"

#define CONNECT_TIMEOUT_MS 10000
#define PAUSED_FEEDBACK_MS 1000 /* while the server's own requests for feedback are not read */
#define CONFIRM_DELAY_MS 20     /* many confirmations in a row are told to the server as one */

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
    unsigned open_handles;
    struct buf statement;
    lsn_t received;  /* the furthest position that the server told us of */
    lsn_t confirmed; /* everything below is durable */
    bool started;
    bool closed;
    bool paused;
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

    if (stream->paused || stream->heard != pg_conn_reads(stream->conn)) {
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
        stream->events.on_message(stream->arg, message.payload);
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

static void on_open(void *arg)
{
    static const struct pg_stream_events events = {on_start, on_data, on_drained};
    struct stream *stream = arg;

    stream_start_statement(&stream->statement, stream->config, stream->plugin);
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
    stream->open_handles = 3;
    stream->conn = pg_conn_open(loop, &options, &conn_events, stream);
    return stream;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    if (--stream->open_handles > 0)
        return;
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
    drop_question(stream);
    pg_conn_close(stream->conn);
    uv_close((uv_handle_t *)&stream->feedback_timer, on_timer_closed);
    uv_close((uv_handle_t *)&stream->confirm_timer, on_timer_closed);
    uv_close((uv_handle_t *)&stream->silence_timer, on_timer_closed);
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
    set_feedback_interval(stream, PAUSED_FEEDBACK_MS);
    pg_conn_stream_pause(stream->conn);
}

void stream_resume(struct stream *stream)
{
    stream->paused = false;
    stream->heard = 0; /* the silence begins now */
    set_feedback_interval(stream, stream->config->feedback_interval_ms);
    pg_conn_stream_resume(stream->conn);
}
