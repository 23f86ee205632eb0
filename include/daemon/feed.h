/* The pipeline's doors to the browsers: rows and messages go into the queue of each realtime loop
 * as long as somebody there may want them.
 *
 * A full queue never holds up the audit trail, nor another loop: then they are left out there until
 * it has half emptied, and an EVENT_GAP behind the last one that fitted tells its clients to start
 * over. */
#ifndef PGHERALD_DAEMON_FEED_H
#define PGHERALD_DAEMON_FEED_H

#include <uv.h>

#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"
#include "row/event.h"

/* How many listen to rows; called on the pipeline's thread. While it is 0 none are made. Messages
 * are few, and somebody who joins later may have to know which have passed: they always are. */
struct feed_audience {
    uint64_t (*bindings)(void *arg);
    void *arg;
};

struct feed_door {
    struct queue *queue;
    struct event_gap gap; /* left out, and not told yet */
};

struct feed {
    const struct config *config;
    struct stats *stats;
    struct feed_door doors[QUEUES_MAX];
    size_t door_count;
    struct feed_audience audience;
    uv_timer_t timer;   /* runs while a gap is not told yet */
    struct buf scratch; /* a message */
};

void feed_init(struct feed *feed, uv_loop_t *loop, const struct config *config, struct stats *stats,
               const struct queues *queues, const struct feed_audience *audience);
void feed_close(struct feed *feed); /* on the loop's thread; the loop has to run once more */
void feed_fini(struct feed *feed);  /* after that */

/* A change has its place already. `source_bytes` is the length of the decoder's message. */
void feed_row(struct feed *feed, const struct change *change, const struct position *position,
              size_t source_bytes, struct types *types);
/* A change of realtime.messages; all but an INSERT is nothing to anybody. */
void feed_message(struct feed *feed, const struct change *change, const struct position *position);
/* What was left out is not known, such as between two slots of the same name. */
void feed_gap(struct feed *feed);
void feed_stored(struct feed *feed, const struct event_stored *stored);

#endif
