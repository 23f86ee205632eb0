/* A realtime loop: WebSocket clients on `listen`; with the first of them health and metrics on
 * `admin_listen`.
 *
 * It owns one thread, one libuv loop, one libwebsockets context, its connections to the database.
 * It takes struct event from its inbox, and what other loops pass on from its end of the relay. */
#ifndef PGHERALD_REALTIME_REALTIME_H
#define PGHERALD_REALTIME_REALTIME_H

#include "base/err.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"
#include "realtime/rate.h"
#include "token/quota.h"

struct realtime;
struct relay;

/* Which of the loops it is, and what it shares with the others; all is borrowed and outlives it. */
struct realtime_place {
    unsigned index;
    /* Its own; the wake is set here. NULL: nothing is heard of the stream here, so there is nothing
     * to tell to clients, and only `admin_listen` is served. */
    struct queue *inbox;
    struct relay *relay; /* NULL: there is no other loop */
    struct shared_rate *rest;
    struct quotas *quotas;
};

/* Binds the addresses. To be called in the order of the indices, by one thread. */
enum result realtime_open(const struct config *config, struct stats *stats,
                          const struct realtime_place *place, struct realtime **out,
                          struct err *err) MUST_CHECK;

/* Starts the thread. */
enum result realtime_run(struct realtime *realtime, struct err *err) MUST_CHECK;

/* From any thread: it begins to say goodbye to its clients. A loop that was not run is none the
 * others have to wait for. */
void realtime_ask_to_stop(struct realtime *realtime);
/* After that, and after all others were asked, too: joins the thread, frees. Nobody may push to the
 * inbox any more. */
void realtime_close(struct realtime *realtime);

#endif
