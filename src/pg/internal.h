/* Between the files of pg/ only: a connection, its requests, and where they go. */
#ifndef PGHERALD_PG_INTERNAL_H
#define PGHERALD_PG_INTERNAL_H

#include <libpq-fe.h>

#include "pg/conn.h"
#include "pg/params.h"

enum pg_request_kind { PG_REQUEST_QUERY, PG_REQUEST_COPY_IN, PG_REQUEST_STREAM };

struct pg_request {
    struct pg_request *next;
    enum pg_request_kind kind;
    const char *sql; /* the caller's */
    char **params;
    size_t param_count;
    pg_result_cb *cb;
    struct pg_copy_events copy;
    struct pg_stream_events stream;
    void *arg;

    bool copying;     /* the server said CopyIn */
    bool streaming;   /* the server said CopyBoth */
    PGresult *result; /* the last one that succeeded */
    bool failed;      /* `err` holds the first refusal */
    struct err err;
};

struct pg_request *pg_request_new(enum pg_request_kind kind, const char *sql, void *arg);
void pg_request_set_params(struct pg_request *request, const struct pg_param *params, size_t count);
/* Takes over the result: keeps it, or notes the refusal it carries. */
void pg_request_keep(struct pg_request *request, PGresult *result);
void pg_request_free(struct pg_request *request);

/* A connection: conn.c has its life, exchange.c what is asked and answered over it. */

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

/* The end: told once to the owner. Does nothing after the first time. */
void pg_conn_lose(struct pg_conn *conn, const struct err *err);
void pg_conn_lose_with_libpq(struct pg_conn *conn); /* with what libpq says */
/* Polls for what there is to wait for now. */
void pg_conn_update_events(struct pg_conn *conn);
/* Has the loop's next turn hand out what is read already, so that no callback runs inside a call. */
void pg_conn_kick(struct pg_conn *conn);

void pg_exchange_next(struct pg_conn *conn);  /* sends the next request, if none is under way */
void pg_exchange_flush(struct pg_conn *conn); /* sends what libpq holds back */
void pg_exchange_writable(struct pg_conn *conn);
void pg_exchange_input(struct pg_conn *conn); /* hands out what libpq has read */
void pg_exchange_notifications(struct pg_conn *conn);

/* Whether the host is a name that libpq would resolve in the foreground. */
bool pg_params_need_resolving(const struct pg_params *params);
/* Gives libpq the addresses of that name, so that it need not ask. */
void pg_params_set_addresses(struct pg_params *params, const struct addrinfo *found);

/* The server's refusal in one line: message, detail, hint, where, SQLSTATE. */
void pg_describe_error(const PGresult *result, struct err *err);

#endif
