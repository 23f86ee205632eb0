/* Between the files of store/ only: store.c has the life of a store and when a batch closes,
 * loading.c how it takes up its work, writing.c how a batch becomes one SQL transaction. */
#ifndef PGHERALD_STORE_INTERNAL_H
#define PGHERALD_STORE_INTERNAL_H

#include "store/store.h"

#define STORE_CHUNK_BYTES                                                                          \
    ((size_t)64 << 10) /* rows go to the socket in pieces of about this size */

/* What the connection is doing. All moves go through store_set_state(). */
enum store_state {
    STORE_LOADING,     /* connecting, attaching, reading rules */
    STORE_IDLE,        /* no SQL transaction open */
    STORE_OPEN,        /* a SQL transaction is open, nothing under way in it */
    STORE_ASKING,      /* a statement is under way */
    STORE_COPYING,     /* audit_logs takes rows */
    STORE_ENDING_COPY, /* CopyDone is sent */
    STORE_LOST
};

struct store {
    const struct config *config;
    struct stats *stats;
    struct ruleset *rules;
    struct store_events events;
    void *arg;
    struct pg_conn *conn;
    uv_timer_t wait;
    uint64_t closed_ms; /* when the last batch was; 0: none yet */
    enum store_state state;

    struct batch batches[2];
    struct batch *filling; /* effects go here; may be on the wire at the same time */
    struct batch *on_wire; /* NULL: no SQL transaction */
    bool wire_closed;      /* on_wire gets no more effects */
    bool in_transaction;   /* filling ends in the middle of a source transaction */
    bool drained;          /* nothing was waiting to be read when it was last asked */
    bool socket_full;
    bool out_of_room;
    bool closed;

    void (*asked)(void *arg, const struct err *err); /* who waits for store_ask() */
    void *asked_arg;
};

void store_set_state(struct store *store, enum store_state state);
/* The store is of no use any more; its owner is told why, and what it was `doing`. */
void store_lose(struct store *store, const struct err *err, const char *doing);
/* Closes the batch if it is time to, and does whatever can be done next. */
void store_go_on(struct store *store);

/* loading.c: once the connection is open. Ends in STORE_IDLE and on_ready. */
void store_take_up(void *arg);

/* writing.c: sends a statement, after which the store is asking. */
void store_send(struct store *store, const char *sql, const struct pg_param *params, size_t count,
                pg_result_cb *then);
/* The next step of the SQL transaction of the batch on the wire, if one can be taken. */
void store_write(struct store *store);

#endif
