/* One slot's stream: connects for replication, starts the slot, hands out the plugin's messages,
 * and tells the server what is durable: every feedback interval, and at once when asked, also while
 * paused. A stream that is lost stays lost; the owner closes it and opens a new one. */
#ifndef PGHERALD_STREAM_STREAM_H
#define PGHERALD_STREAM_STREAM_H

#include <uv.h>

#include "base/err.h"
#include "base/lsn.h"
#include "base/stats.h"
#include "config/config.h"

#define STREAM_STREAMING_VERSION 140000 /* from here on pgoutput streams transactions in progress  \
                                         */

struct stream;

struct stream_events {
    void (*on_start)(void *arg);
    void (*on_message)(void *arg, struct str payload); /* valid during the call */
    /* Everything that had arrived was handed out. */
    void (*on_drained)(void *arg);
    /* The server has sent everything up to wal_end that this slot wants. */
    void (*on_idle)(void *arg, lsn_t wal_end);
    void (*on_lost)(void *arg, const struct err *err);
};

/* `config`, `stats` are borrowed. `plugin` is the slot's. */
struct stream *stream_open(uv_loop_t *loop, const struct config *config, enum config_plugin plugin,
                           struct stats *stats, const struct stream_events *events, void *arg);
void stream_close(struct stream *stream); /* NULL is fine; no event comes after it */

/* Everything below `lsn` is durable: the server may forget it, and is told so within 20 ms. Never
 * goes backwards. */
void stream_confirm(struct stream *stream, lsn_t lsn);
/* Sends the feedback now instead of at the next interval. */
void stream_send_feedback(struct stream *stream);

/* While paused nothing is read, so feedback goes out every second without being asked for. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* The START_REPLICATION statement, for the unit test. */
void stream_start_statement(struct buf *out, const struct config *config, enum config_plugin plugin,
                            bool streaming);

#endif
