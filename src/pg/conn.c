#include "pg/conn.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/internal.h"
#include "pg/params.h"

/* The life of a connection. LOST and CLOSED are final; LOST waits for the owner's pg_conn_close().
 * All moves go through set_state(). */
enum conn_state { CONN_RESOLVING, CONN_CONNECTING, CONN_OPEN, CONN_LOST, CONN_CLOSED };

struct pg_conn {
    uv_loop_t *loop;
    struct pg_conn_events events;
    void *arg;
    enum conn_state state;
    struct pg_params params;
    PGconn *pg;

    uv_poll_t *poll; /* its own allocation: the socket may change while connecting */
    int poll_fd;
    int poll_events;
    bool flush_pending;

    uv_timer_t timeout; /* of connecting */
    uv_timer_t kick;    /* hands out, from the loop, what is already buffered */
    uv_getaddrinfo_t resolve;
    unsigned open_handles; /* callbacks still to come before the memory may go */

    struct pg_request *first; /* first is the one under way while `active` */
    struct pg_request *last;
    bool active;
    bool copy_ended;
    bool wants_room;
    bool paused;
    uint64_t reads;
};

static void run_next(struct pg_conn *conn);
static void process_input(struct pg_conn *conn);

static const char *state_name(enum conn_state state)
{
    switch (state) {
    case CONN_RESOLVING:
        return "resolving";
    case CONN_CONNECTING:
        return "connecting";
    case CONN_OPEN:
        return "open";
    case CONN_LOST:
        return "lost";
    case CONN_CLOSED:
        return "closed";
    }
    return "?";
}

static void set_state(struct pg_conn *conn, enum conn_state state)
{
    log_debug("pg", "connection", log_s("name", pg_params_get(&conn->params, "application_name")),
              log_s("from", state_name(conn->state)), log_s("to", state_name(state)));
    conn->state = state;
}

/* Polling the socket */

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void stop_poll(struct pg_conn *conn)
{
    if (conn->poll)
        uv_close((uv_handle_t *)conn->poll, free_poll);
    conn->poll = NULL;
    conn->poll_events = 0;
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void want_events(struct pg_conn *conn, int events)
{
    int fd = PQsocket(conn->pg);

    if (conn->poll && conn->poll_fd != fd)
        stop_poll(conn);
    if (!conn->poll) {
        conn->poll = mem_alloc(sizeof(*conn->poll));
        conn->poll->data = conn;
        conn->poll_fd = fd;
        uv_poll_init(conn->loop, conn->poll, fd);
    }
    if (conn->poll_events == events)
        return;
    conn->poll_events = events;
    if (events)
        uv_poll_start(conn->poll, events, on_socket);
    else
        uv_poll_stop(conn->poll);
}

static void update_events(struct pg_conn *conn)
{
    want_events(conn, (conn->paused ? 0 : UV_READABLE) | (conn->flush_pending ? UV_WRITABLE : 0));
}

/* The end of a connection */

static void drop_requests(struct pg_conn *conn)
{
    while (conn->first) {
        struct pg_request *request = conn->first;

        conn->first = request->next;
        pg_request_free(request);
    }
    conn->last = NULL;
    conn->active = false;
}

static void stop_everything(struct pg_conn *conn)
{
    uv_timer_stop(&conn->timeout);
    uv_timer_stop(&conn->kick);
    stop_poll(conn);
    PQfinish(conn->pg);
    conn->pg = NULL;
}

static void lose(struct pg_conn *conn, const struct err *err)
{
    stop_everything(conn);
    set_state(conn, CONN_LOST);
    conn->events.on_lost(conn->arg, err);
}

static void lose_with_libpq(struct pg_conn *conn)
{
    struct str reason = str_trim(str_c(PQerrorMessage(conn->pg)));
    struct err err;

    if (reason.len == 0)
        reason = STR("the server closed the connection");
    err_set(&err, "%.*s", STR_ARG(reason));
    lose(conn, &err);
}

static void free_when_closed(struct pg_conn *conn)
{
    if (--conn->open_handles > 0)
        return;
    drop_requests(conn);
    pg_params_fini(&conn->params);
    free(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

void pg_conn_close(struct pg_conn *conn)
{
    if (!conn || conn->state == CONN_CLOSED)
        return;
    if (conn->state == CONN_RESOLVING)
        uv_cancel((uv_req_t *)&conn->resolve);
    if (conn->state != CONN_LOST)
        stop_everything(conn);
    set_state(conn, CONN_CLOSED);
    uv_close((uv_handle_t *)&conn->timeout, on_timer_closed);
    uv_close((uv_handle_t *)&conn->kick, on_timer_closed);
}

/* Connecting */

static void on_connected(struct pg_conn *conn)
{
    uv_timer_stop(&conn->timeout);
    PQsetnonblocking(conn->pg, 1);
    set_state(conn, CONN_OPEN);
    update_events(conn);
    conn->events.on_open(conn->arg);
    if (conn->state == CONN_OPEN)
        run_next(conn);
}

static void continue_connecting(struct pg_conn *conn)
{
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        want_events(conn, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        want_events(conn, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        on_connected(conn);
        break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        lose_with_libpq(conn);
        break;
    }
}

static void on_notice(void *arg, const char *message)
{
    (void)arg;
    log_debug("pg", "notice", log_v("text", str_trim(str_c(message))));
}

static void start_connecting(struct pg_conn *conn)
{
    conn->pg = PQconnectStartParams((const char *const *)conn->params.keywords,
                                    (const char *const *)conn->params.values, 0);
    set_state(conn, CONN_CONNECTING);
    if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD) {
        lose_with_libpq(conn);
        return;
    }
    PQsetNoticeProcessor(conn->pg, on_notice, NULL);
    want_events(conn, UV_WRITABLE);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct pg_conn *conn = request->data;
    struct err err;

    if (conn->state != CONN_RESOLVING) {
        uv_freeaddrinfo(found);
        free_when_closed(conn);
        return;
    }
    conn->open_handles--;
    if (status != 0) {
        err_set(&err, "could not resolve host \"%s\": %s", pg_params_get(&conn->params, "host"),
                uv_strerror(status));
        lose(conn, &err);
        return;
    }
    pg_params_set_addresses(&conn->params, found);
    uv_freeaddrinfo(found);
    start_connecting(conn);
}

static void begin(struct pg_conn *conn)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct err err;
    int rc;

    if (!pg_params_need_resolving(&conn->params)) {
        start_connecting(conn);
        return;
    }
    conn->resolve.data = conn;
    conn->open_handles++;
    rc = uv_getaddrinfo(conn->loop, &conn->resolve, on_resolved,
                        pg_params_get(&conn->params, "host"), NULL, &hints);
    if (rc != 0) {
        conn->open_handles--;
        err_set(&err, "could not start resolving \"%s\": %s", pg_params_get(&conn->params, "host"),
                uv_strerror(rc));
        lose(conn, &err);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct pg_conn *conn = timer->data;
    struct err err;

    err_set(&err, "no connection after %llu ms; is the server reachable?",
            (unsigned long long)uv_timer_get_repeat(timer));
    lose(conn, &err);
}

/* The kick does what must not happen inside pg_conn_open() or pg_conn_stream_resume(): callbacks.
 */
static void on_kick(uv_timer_t *timer)
{
    struct pg_conn *conn = timer->data;
    struct err err;

    if (conn->state == CONN_OPEN) {
        process_input(conn);
    } else if (conn->state == CONN_RESOLVING && conn->params.count > 0) {
        begin(conn);
    } else if (conn->state == CONN_RESOLVING) {
        err_set(&err, "database_url is not a connection string or URI");
        lose(conn, &err);
    }
}

static void add_patience(struct pg_conn *conn, unsigned ms)
{
    char setting[64];

    snprintf(setting, sizeof(setting), "wal_sender_timeout=%u", ms);
    pg_params_add_setting(&conn->params, setting);
}

struct pg_conn *pg_conn_open(uv_loop_t *loop, const struct pg_conn_options *options,
                             const struct pg_conn_events *events, void *arg)
{
    struct pg_conn *conn = mem_alloc(sizeof(*conn));
    struct err err;

    conn->loop = loop;
    conn->events = *events;
    conn->arg = arg;
    uv_timer_init(loop, &conn->timeout);
    uv_timer_init(loop, &conn->kick);
    conn->timeout.data = conn;
    conn->kick.data = conn;
    conn->open_handles = 2;
    if (pg_params_init(&conn->params, options->database_url, options->application_name,
                       options->replication, &err) != OK)
        log_error("pg", "bad database_url", log_err(&err));
    else if (options->wal_sender_timeout_ms > 0)
        add_patience(conn, options->wal_sender_timeout_ms);
    uv_timer_start(&conn->timeout, on_timeout, options->connect_timeout_ms,
                   options->connect_timeout_ms);
    uv_timer_start(&conn->kick, on_kick, 0, 0);
    return conn;
}

/* Requests */

static void finish_request(struct pg_conn *conn)
{
    struct pg_request *done = conn->first;

    conn->first = done->next;
    if (!conn->first)
        conn->last = NULL;
    conn->active = false;
    if (done->cb)
        done->cb(done->arg, (const struct pg_result *)done->result,
                 done->failed ? &done->err : NULL);
    pg_request_free(done);
    if (conn->state == CONN_OPEN)
        run_next(conn);
}

static void flush(struct pg_conn *conn)
{
    int rc = PQflush(conn->pg);

    if (rc < 0) {
        lose_with_libpq(conn);
        return;
    }
    conn->flush_pending = rc == 1;
    update_events(conn);
}

static void run_next(struct pg_conn *conn)
{
    struct pg_request *request = conn->first;
    int sent;

    if (!request || conn->active || conn->state != CONN_OPEN)
        return;
    conn->active = true;
    conn->copy_ended = false;
    sent = request->param_count == 0
               ? PQsendQuery(conn->pg, request->sql)
               : PQsendQueryParams(conn->pg, request->sql, (int)request->param_count, NULL,
                                   (const char *const *)request->params, NULL, NULL, 0);
    if (!sent)
        lose_with_libpq(conn);
    else
        flush(conn);
}

static void enqueue(struct pg_conn *conn, struct pg_request *request)
{
    if (conn->state == CONN_LOST || conn->state == CONN_CLOSED) {
        pg_request_free(request);
        return;
    }
    if (conn->last)
        conn->last->next = request;
    else
        conn->first = request;
    conn->last = request;
    run_next(conn);
}

void pg_conn_query(struct pg_conn *conn, const char *sql, const struct pg_param *params,
                   size_t count, pg_result_cb *cb, void *arg)
{
    struct pg_request *request = pg_request_new(PG_REQUEST_QUERY, sql, arg);

    request->cb = cb;
    pg_request_set_params(request, params, count);
    enqueue(conn, request);
}

void pg_conn_copy_in(struct pg_conn *conn, const char *sql, const struct pg_copy_events *events,
                     void *arg)
{
    struct pg_request *request = pg_request_new(PG_REQUEST_COPY_IN, sql, arg);

    request->copy = *events;
    request->cb = events->done;
    enqueue(conn, request);
}

void pg_conn_stream(struct pg_conn *conn, const char *sql, const struct pg_stream_events *events,
                    void *arg)
{
    struct pg_request *request = pg_request_new(PG_REQUEST_STREAM, sql, arg);

    request->stream = *events;
    enqueue(conn, request);
}

/* COPY data out of the program */

bool pg_conn_copy_put(struct pg_conn *conn, struct str data)
{
    if (conn->state != CONN_OPEN)
        return true;
    while (data.len > 0) { /* libpq takes an int */
        struct str part = str_from(data.data, data.len > (1u << 30) ? (1u << 30) : data.len);

        if (PQputCopyData(conn->pg, part.data, (int)part.len) != 1) {
            lose_with_libpq(conn);
            return true;
        }
        data = str_from(data.data + part.len, data.len - part.len);
    }
    flush(conn);
    conn->wants_room = conn->state == CONN_OPEN && conn->flush_pending;
    return !conn->wants_room;
}

void pg_conn_copy_end(struct pg_conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    conn->copy_ended = true;
    if (PQputCopyEnd(conn->pg, NULL) < 0)
        lose_with_libpq(conn);
    else
        flush(conn);
}

void pg_conn_stream_send(struct pg_conn *conn, struct str message)
{
    if (conn->state == CONN_OPEN)
        pg_conn_copy_put(conn, message);
}

void pg_conn_stream_pause(struct pg_conn *conn)
{
    conn->paused = true;
    if (conn->state == CONN_OPEN)
        update_events(conn);
}

void pg_conn_stream_resume(struct pg_conn *conn)
{
    conn->paused = false;
    if (conn->state == CONN_OPEN) {
        update_events(conn);
        uv_timer_start(&conn->kick, on_kick, 0, 0);
    }
}

/* Input */

/* All stream messages that are complete in memory, until somebody pauses or closes. */
static void hand_out_stream(struct pg_conn *conn)
{
    struct pg_request *request = conn->first;

    while (conn->state == CONN_OPEN && !conn->paused) {
        char *data = NULL;
        int len = PQgetCopyData(conn->pg, &data, 1);

        if (len > 0) {
            request->stream.on_data(request->arg, str_from(data, (size_t)len));
            PQfreemem(data);
            continue;
        }
        if (len == 0) {
            request->stream.on_drained(request->arg);
            return;
        }
        if (len == -1)
            PQclear(PQgetResult(conn->pg)); /* puts the server's reason into the connection */
        lose_with_libpq(conn);
    }
}

/* Takes the results that are complete; true when the request has ended. */
static bool take_results(struct pg_conn *conn)
{
    struct pg_request *request = conn->first;

    while (!PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg);

        if (!result)
            return true;
        switch (PQresultStatus(result)) {
        case PGRES_COPY_IN:
            PQclear(result);
            request->copying = true;
            if (!conn->copy_ended)
                request->copy.on_ready(request->arg);
            return false;
        case PGRES_COPY_BOTH:
            PQclear(result);
            request->streaming = true;
            request->stream.on_start(request->arg);
            if (conn->state == CONN_OPEN)
                hand_out_stream(conn);
            return false;
        default:
            pg_request_keep(request, result);
            break;
        }
    }
    return false;
}

static void process_input(struct pg_conn *conn)
{
    struct pg_request *request = conn->first;
    struct err err;

    if (!conn->active)
        return;
    if (request->streaming) {
        hand_out_stream(conn);
        return;
    }
    if (request->kind == PG_REQUEST_COPY_IN && request->copying && !conn->copy_ended)
        return;
    if (!take_results(conn) || conn->state != CONN_OPEN)
        return;
    if (request->kind == PG_REQUEST_STREAM) { /* refused: there is no other use for it */
        err = request->failed ? request->err : (struct err){"the stream ended at once"};
        lose(conn, &err);
        return;
    }
    finish_request(conn);
}

static void on_writable(struct pg_conn *conn)
{
    flush(conn);
    if (conn->state != CONN_OPEN || conn->flush_pending || !conn->wants_room)
        return;
    conn->wants_room = false;
    if (conn->active && conn->first->kind == PG_REQUEST_COPY_IN && !conn->copy_ended)
        conn->first->copy.on_room(conn->first->arg);
}

/* They may come at any time, also while nothing was asked. */
static void hand_out_notifications(struct pg_conn *conn)
{
    PGnotify *notify;

    while (conn->state == CONN_OPEN && (notify = PQnotifies(conn->pg))) {
        if (conn->events.on_notify)
            conn->events.on_notify(conn->arg, str_c(notify->relname), str_c(notify->extra));
        PQfreemem(notify);
    }
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct pg_conn *conn = poll->data;

    if (status < 0)
        conn->poll_events = 0; /* libuv has stopped polling */
    if (conn->state == CONN_CONNECTING) {
        continue_connecting(conn);
        return;
    }
    if (status < 0) {
        /* libpq finds out what is wrong, after all that came before it has been read */
        update_events(conn);
        events = conn->paused ? 0 : UV_READABLE;
    }
    if (conn->state == CONN_OPEN && (events & UV_WRITABLE))
        on_writable(conn);
    if (conn->state != CONN_OPEN || !(events & UV_READABLE))
        return;
    if (!PQconsumeInput(conn->pg)) {
        lose_with_libpq(conn);
        return;
    }
    conn->reads++;
    if (conn->flush_pending)
        flush(conn);
    if (conn->state == CONN_OPEN)
        process_input(conn);
    hand_out_notifications(conn);
}

uint64_t pg_conn_reads(const struct pg_conn *conn)
{
    return conn->reads;
}

int pg_conn_server_version(const struct pg_conn *conn)
{
    return conn->pg ? PQserverVersion(conn->pg) : 0;
}
