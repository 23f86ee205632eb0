/* A libpq connection on a libuv loop. Nothing here blocks: names are resolved by libuv, sockets are
 * polled, every answer arrives as a callback on the loop's thread.
 *
 * Requests are queued and run one after the other. A connection that fails reports once through
 * on_lost; requests that were still queued are dropped without their callback, since what they were
 * asked for has to be asked again on a new connection anyway. After on_lost only pg_conn_close()
 * is allowed. No callback runs after pg_conn_close() was called.
 *
 * This module is the only one, with pg/sync, that includes libpq. */
#ifndef PGHERALD_PG_CONN_H
#define PGHERALD_PG_CONN_H

#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct pg_conn;
struct pg_result;

struct pg_conn_options {
    const char *database_url; /* a libpq connection string or URI */
    const char *application_name;
    bool replication; /* `replication=database` */
    unsigned connect_timeout_ms;
    unsigned wal_sender_timeout_ms; /* the server's patience with this walsender; 0: as it is */
};

struct pg_conn_events {
    void (*on_open)(void *arg);
    void (*on_lost)(void *arg, const struct err *err); /* could not connect, or broke */
    /* What a NOTIFY says on a channel that was listened to; both valid during the call. NULL if
     * nothing is. */
    void (*on_notify)(void *arg, struct str channel, struct str payload);
};

/* Starts connecting. Copies the options. Session settings that keep values exact (facts: bytea,
 * time zone, date and interval style, float digits) and `search_path=''` are set on every one. */
struct pg_conn *pg_conn_open(uv_loop_t *loop, const struct pg_conn_options *options,
                             const struct pg_conn_events *events, void *arg);

/* Cancels nothing on the server, closes the socket and frees the connection; NULL is fine. */
void pg_conn_close(struct pg_conn *conn);

/* A statement's answer. `err` is NULL, or the server's refusal: primary message, detail, hint,
 * SQLSTATE; the connection stays usable. `result` is only valid during the call. */
typedef void pg_result_cb(void *arg, const struct pg_result *result, const struct err *err);

struct pg_param {
    struct str value; /* text form, NUL-terminated behind `len`; data == NULL is NULL */
};

/* Runs one statement with parameters ($1...), or, with count 0, any number of statements without.
 * sql must live until the answer; the parameters are copied. cb may be NULL. */
void pg_conn_query(struct pg_conn *conn, const char *sql, const struct pg_param *params,
                   size_t count, pg_result_cb *cb, void *arg);

size_t pg_result_rows(const struct pg_result *result);
struct str pg_result_value(const struct pg_result *result, size_t row, size_t column);
bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column);
/* Rows that INSERT, UPDATE or DELETE touched. */
uint64_t pg_result_affected(const struct pg_result *result);

/* COPY ... FROM STDIN: `sql` may have other statements in front of the COPY. on_ready runs when the
 * server takes data; then put as much as you like while pg_conn_copy_put() says there is room, and
 * end it. `done` runs once the server has taken everything (or refused). No query may be queued
 * between pg_conn_copy_in() and pg_conn_copy_end(). */
struct pg_copy_events {
    void (*on_ready)(void *arg);
    void (*on_room)(void *arg); /* the socket drained after pg_conn_copy_put() said false */
    pg_result_cb *done;
};
void pg_conn_copy_in(struct pg_conn *conn, const char *sql, const struct pg_copy_events *events,
                     void *arg);
/* Always takes the data; false says that the socket is full: wait for on_room. */
bool pg_conn_copy_put(struct pg_conn *conn, struct str data);
void pg_conn_copy_end(struct pg_conn *conn);

/* COPY BOTH, which START_REPLICATION opens. on_data gets one message at a time. While paused
 * nothing is read from the socket, but sending goes on. */
struct pg_stream_events {
    void (*on_start)(void *arg);
    void (*on_data)(void *arg, struct str message); /* valid during the call */
    /* Everything that had arrived was handed out; a moment to close a batch. */
    void (*on_drained)(void *arg);
};
void pg_conn_stream(struct pg_conn *conn, const char *sql, const struct pg_stream_events *events,
                    void *arg);
void pg_conn_stream_send(struct pg_conn *conn, struct str message);
void pg_conn_stream_pause(struct pg_conn *conn);
void pg_conn_stream_resume(struct pg_conn *conn);

/* NOTICE and WARNING messages go to the log at debug; what else libpq knows: */
int pg_conn_server_version(const struct pg_conn *conn); /* 150020 */
int pg_conn_backend_pid(const struct pg_conn *conn);    /* the server's process; 0: none */

/* How many times something was read from the socket: part of a long message counts. */
uint64_t pg_conn_reads(const struct pg_conn *conn);

#endif
