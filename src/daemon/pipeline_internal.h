/* Between the files of the pipeline only: pipeline.c has its thread and the steps of a session,
 * pipeline_intake.c takes what the stream says, pipeline_confirm.c tells the server how far all is
 * durable. All of it runs on the pipeline's thread. */
#ifndef PGHERALD_DAEMON_PIPELINE_INTERNAL_H
#define PGHERALD_DAEMON_PIPELINE_INTERNAL_H

#include <pthread.h>
#include <uv.h>

#include "daemon/catalog.h"
#include "daemon/deriver.h"
#include "daemon/feed.h"
#include "daemon/journal.h"
#include "daemon/pipeline.h"
#include "daemon/stumble.h"
#include "decode/decoder.h"
#include "store/store.h"
#include "stream/stream.h"

#define PIPELINE_FIRST_BACKOFF_MS 250

/* A session goes down this list, and back to WAITING from anywhere. set_state() of pipeline.c moves
 * it. */
enum pipeline_state {
    PIPELINE_WAITING, /* for the back-off to pass */
    PIPELINE_CATALOG, /* loading types, asking for the plugin */
    PIPELINE_STORE,   /* taking up the slot */
    PIPELINE_STREAM,  /* starting the slot's stream */
    PIPELINE_RUNNING,
    PIPELINE_STOPPING /* nothing is read any more; the last batch commits */
};

struct pipeline {
    const struct config *config;
    struct stats *stats;
    struct pipeline_doors doors;
    lsn_t endpos;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop, reloaded;
    uv_timer_t timer;        /* back-off, or the shutdown's deadline */
    const char *stop_reason; /* written before `stop` is sent */

    enum pipeline_state state;
    unsigned backoff_ms;
    unsigned failures; /* in a row */

    struct decoder *decoder;   /* of the session, and of the one before until there is another */
    enum config_plugin plugin; /* the slot's */
    struct ruleset *rules;
    struct deriver deriver;
    struct feed feed;
    struct catalog *catalog;
    struct store *store;
    struct stream *stream;
    struct journal journal;
    struct stumble stumble;

    struct transaction txn;
    lsn_t checkpoint; /* of the session's start */
    lsn_t stored;     /* the last commit that is durable */
    lsn_t confirmed;  /* how far the slot was confirmed, in this session */
    lsn_t idle;       /* all up to here has come, but something was unsaved; else 0 */
    bool paused;
    struct buf held;       /* a message that waits for the catalog to be loaded */
    bool catalog_is_fresh; /* it was loaded for this very message */
};

/* pipeline.c */

/* Everything of the session is closed; the next one begins after a moment. */
void pipeline_end_session(struct pipeline *p, const struct err *err);
void pipeline_on_lost(void *arg, const struct err *err); /* the same, as an event */
void pipeline_open_store(struct pipeline *p);

/* pipeline_intake.c */

void pipeline_on_message(void *arg, struct str payload); /* of the stream */
void pipeline_on_room(void *arg);                        /* the store can take more */
/* What was read of the catalog goes to those who need it. Closes p->catalog. */
void pipeline_take_catalog(struct pipeline *p, struct catalog_facts *facts);

/* pipeline_confirm.c */

void pipeline_on_idle(void *arg, lsn_t wal_end);               /* of the stream */
void pipeline_on_stored(void *arg, const struct batch *batch); /* of the store */
void pipeline_on_said(void *arg);                              /* of the journal */
/* Confirms what can be, says what is to be said. */
void pipeline_settle(struct pipeline *p);
/* The last batch commits, then the journal speaks the last word. */
void pipeline_stop_when_settled(struct pipeline *p);

#endif
