/* The store: one SQL transaction a batch, effects and checkpoint together.
 *
 * Effects are added to the batch that is being filled. While that batch is on the wire already, its
 * rows leave as they come, so that a source transaction of any size passes; once a batch is closed,
 * at the end of a source transaction, the next one is filled while the first commits. There are
 * never more than these two.
 *
 *   filling ──(closed, or grown beyond a chunk)──▶ on the wire ──(commit)──▶ on_stored(mark)
 *
 * A store that is lost stays lost: what it had not committed is read again from the checkpoint. */
#ifndef PGHERALD_STORE_STORE_H
#define PGHERALD_STORE_STORE_H

#include <uv.h>

#include "pg/conn.h"
#include "store/batch.h"

struct store;

struct store_events {
    /* The checkpoint and the rules are read; effects may be added. */
    void (*on_ready)(void *arg, lsn_t checkpoint);
    /* A batch is durable, up to its mark. */
    void (*on_stored)(void *arg, const struct batch *batch);
    /* There is room again after store_has_room() said no. */
    void (*on_room)(void *arg);
    void (*on_lost)(void *arg, const struct err *err);
};

/* Connects, takes up the slot and fills `rules`. All pointers are borrowed. */
struct store *store_open(uv_loop_t *loop, const struct config *config, struct stats *stats,
                         struct ruleset *rules, const struct store_events *events, void *arg);
void store_close(struct store *store); /* NULL is fine; no event comes after it */

/* The batch that effects go to now. Do not keep it across store_end_transaction(). */
struct batch *store_batch(struct store *store);

/* After effects were added in the middle of a source transaction. */
void store_advance(struct store *store);

/* A source transaction is complete; what was added belongs to it or to ones before. */
void store_end_transaction(struct store *store, const struct store_mark *mark);

/* Nothing more is waiting to be read: a good moment to close the batch. */
void store_input_drained(struct store *store);

/* false: stop reading WAL until on_room. */
bool store_has_room(struct store *store);

/* Runs a statement of its own, of sql/queries, between batches. false: it is not free for it, and
 * on_stored will tell when it may be. `then` gets the server's refusal, or NULL; it does not come
 * if the store is lost or closed. */
bool store_ask(struct store *store, const char *sql, const struct pg_param *params, size_t count,
               void (*then)(void *arg, const struct err *err), void *arg);

/* Whether waiting longer would make nothing more durable: no batch is committing, and what is left
 * is at most a part of a source transaction. */
bool store_is_settled(const struct store *store);

/* Whether nothing is waiting or on its way: everything ever ended is durable. */
bool store_is_idle(const struct store *store);

#endif
