/* What a process that reads a slot says of itself, in the database that it reads: entries of the
 * audit trail about its start, its reloads and its stop; and how far the slot may be confirmed
 * while there is nothing to store. See docs/audit.md.
 *
 * It speaks over the store's connection, between batches, one statement at a time. So the start is
 * durable before anything is stored, and the stop after all that was. Each statement says which run
 * of the program it is of: asked again after a connection broke, none makes a second entry. */
#ifndef PGHERALD_DAEMON_JOURNAL_H
#define PGHERALD_DAEMON_JOURNAL_H

#include "base/lsn.h"
#include "base/queue.h"
#include "base/random.h"
#include "config/config.h"
#include "store/store.h"

struct journal_events {
    void (*on_said)(void *arg);
    /* The server refused what cannot be done without. */
    void (*on_failed)(void *arg, const struct err *err);
};

struct journal {
    const struct config *config;
    struct journal_events events;
    void *arg;
    char run[RANDOM_UUID_TEXT];
    struct queue *reloads;     /* what the main thread pushed */
    struct msg *reload;        /* the oldest of them, until it is said; NULL: there is none */
    uint64_t reload_number;    /* its place among those of this run */
    const char *stop_reason;   /* NULL: nobody wants to stop */
    lsn_t confirmable, wanted; /* recorded; asked for */
    bool is_asking, is_stopped;
    bool is_started; /* in this session */
};

/* Borrows all; `wake` runs on the thread that reloads, when there is something to say. */
void journal_init(struct journal *journal, const struct config *config,
                  const struct journal_events *events, void (*wake)(void *arg), void *arg);
void journal_fini(struct journal *journal);

/* A session begins: what was under way is unknown, and is asked again; and another process may have
 * had the slot. */
void journal_begin_session(struct journal *journal);

/* From the main thread: the settings were read again. `facts` is a JSON object. false: too many of
 * them wait already. */
bool journal_reload(struct journal *journal, struct str facts);

/* Says what is to be said next, if the store is free for it: what was not said yet, and that the
 * slot may be confirmed up to `idle` if it is 0 or needs that. `confirmed`: how far it was. */
void journal_speak(struct journal *journal, struct store *store, lsn_t idle, lsn_t confirmed);

#endif
