/* The realtime loop: WebSocket clients on `listen`, health and metrics on `admin_listen`.
 *
 * It owns one thread, one libuv loop, one libwebsockets context, one connection to the database (to
 * ask who may read a row). It takes struct event from its inbox and gives nothing back. */
#ifndef PGHERALD_REALTIME_REALTIME_H
#define PGHERALD_REALTIME_REALTIME_H

#include "base/err.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"

struct realtime;

/* Binds both addresses before it returns, so that a taken port is an error here. `inbox` and
 * `stats` are borrowed and outlive it; the inbox's wake is set here. inbox NULL: nothing is heard
 * of the stream here, so there is nothing to tell to clients, and only `admin_listen` is served. */
enum result realtime_start(const struct config *config, struct stats *stats, struct queue *inbox,
                           struct realtime **out, struct err *err) MUST_CHECK;

/* From any thread: the number of postgres_changes bindings right now. While it is 0 the pipeline
 * need not build row events at all. */
uint64_t realtime_bindings(const struct realtime *realtime);

/* Says goodbye to the clients, stops the loop, joins the thread, frees. Nobody may push to the
 * inbox any more. */
void realtime_stop(struct realtime *realtime);

#endif
