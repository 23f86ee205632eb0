#include "pg/conn.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/internal.h"
#include "pg/params.h"

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

void pg_conn_update_events(struct pg_conn *conn)
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

void pg_conn_lose(struct pg_conn *conn, const struct err *err)
{
    stop_everything(conn);
    set_state(conn, CONN_LOST);
    conn->events.on_lost(conn->arg, err);
}

void pg_conn_lose_with_libpq(struct pg_conn *conn)
{
    struct str reason = str_trim(str_c(PQerrorMessage(conn->pg)));
    struct err err;

    if (reason.len == 0)
        reason = STR("the server closed the connection");
    err_set(&err, "%.*s", STR_ARG(reason));
    pg_conn_lose(conn, &err);
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
    pg_conn_update_events(conn);
    conn->events.on_open(conn->arg);
    if (conn->state == CONN_OPEN)
        pg_exchange_next(conn);
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
        pg_conn_lose_with_libpq(conn);
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
        pg_conn_lose_with_libpq(conn);
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
        pg_conn_lose(conn, &err);
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
        pg_conn_lose(conn, &err);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct pg_conn *conn = timer->data;
    struct err err;

    err_set(&err, "no connection after %llu ms; is the server reachable?",
            (unsigned long long)uv_timer_get_repeat(timer));
    pg_conn_lose(conn, &err);
}

/* The kick does what must not happen inside pg_conn_open() or pg_conn_stream_resume(): callbacks.
 */
static void on_kick(uv_timer_t *timer)
{
    struct pg_conn *conn = timer->data;
    struct err err;

    if (conn->state == CONN_OPEN) {
        pg_exchange_input(conn);
    } else if (conn->state == CONN_RESOLVING && conn->params.count > 0) {
        begin(conn);
    } else if (conn->state == CONN_RESOLVING) {
        err_set(&err, "database_url is not a connection string or URI");
        pg_conn_lose(conn, &err);
    }
}

void pg_conn_kick(struct pg_conn *conn)
{
    uv_timer_start(&conn->kick, on_kick, 0, 0);
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
    pg_conn_kick(conn);
    return conn;
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
        pg_conn_update_events(conn);
        events = conn->paused ? 0 : UV_READABLE;
    }
    if (conn->state == CONN_OPEN && (events & UV_WRITABLE))
        pg_exchange_writable(conn);
    if (conn->state != CONN_OPEN || !(events & UV_READABLE))
        return;
    if (!PQconsumeInput(conn->pg)) {
        pg_conn_lose_with_libpq(conn);
        return;
    }
    conn->reads++;
    if (conn->flush_pending)
        pg_exchange_flush(conn);
    if (conn->state == CONN_OPEN)
        pg_exchange_input(conn);
    pg_exchange_notifications(conn);
}

uint64_t pg_conn_reads(const struct pg_conn *conn)
{
    return conn->reads;
}

int pg_conn_server_version(const struct pg_conn *conn)
{
    return conn->pg ? PQserverVersion(conn->pg) : 0;
}

int pg_conn_backend_pid(const struct pg_conn *conn)
{
    return conn->pg ? PQbackendPID(conn->pg) : 0;
}
