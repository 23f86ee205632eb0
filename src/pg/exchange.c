#include "pg/internal.h"

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
        pg_exchange_next(conn);
}

void pg_exchange_flush(struct pg_conn *conn)
{
    int rc = PQflush(conn->pg);

    if (rc < 0) {
        pg_conn_lose_with_libpq(conn);
        return;
    }
    conn->flush_pending = rc == 1;
    pg_conn_update_events(conn);
}

void pg_exchange_next(struct pg_conn *conn)
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
        pg_conn_lose_with_libpq(conn);
    else
        pg_exchange_flush(conn);
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
    pg_exchange_next(conn);
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
            pg_conn_lose_with_libpq(conn);
            return true;
        }
        data = str_from(data.data + part.len, data.len - part.len);
    }
    pg_exchange_flush(conn);
    conn->wants_room = conn->state == CONN_OPEN && conn->flush_pending;
    return !conn->wants_room;
}

void pg_conn_copy_end(struct pg_conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    conn->copy_ended = true;
    if (PQputCopyEnd(conn->pg, NULL) < 0)
        pg_conn_lose_with_libpq(conn);
    else
        pg_exchange_flush(conn);
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
        pg_conn_update_events(conn);
}

void pg_conn_stream_resume(struct pg_conn *conn)
{
    conn->paused = false;
    if (conn->state == CONN_OPEN) {
        pg_conn_update_events(conn);
        pg_conn_kick(conn);
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
        pg_conn_lose_with_libpq(conn);
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

void pg_exchange_input(struct pg_conn *conn)
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
        pg_conn_lose(conn, &err);
        return;
    }
    finish_request(conn);
}

void pg_exchange_writable(struct pg_conn *conn)
{
    pg_exchange_flush(conn);
    if (conn->state != CONN_OPEN || conn->flush_pending || !conn->wants_room)
        return;
    conn->wants_room = false;
    if (conn->active && conn->first->kind == PG_REQUEST_COPY_IN && !conn->copy_ended)
        conn->first->copy.on_room(conn->first->arg);
}

/* They may come at any time, also while nothing was asked. */
void pg_exchange_notifications(struct pg_conn *conn)
{
    PGnotify *notify;

    while (conn->state == CONN_OPEN && (notify = PQnotifies(conn->pg))) {
        if (conn->events.on_notify)
            conn->events.on_notify(conn->arg, str_c(notify->relname), str_c(notify->extra));
        PQfreemem(notify);
    }
}
