/* The work of the dispatch loop, on one thread: what to claim, send and record, and when.
 *
 * Callbacks (of the outbox, the sender, timers) only note what happened. Once a turn of the loop,
 * before it sleeps, one function looks at all of it and acts. */
#ifndef PGHERALD_DISPATCH_DISPATCHER_H
#define PGHERALD_DISPATCH_DISPATCHER_H

#include <uv.h>

#include "base/err.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"

struct dispatcher;

/* is_woken: as for dispatch_start(). Everything is borrowed. on_stopped runs once, at the end of
 * dispatcher_stop(): from then on only the loop has to close what is left, and the memory goes by
 * that. */
enum result dispatcher_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                           const struct queues *activity, bool is_woken,
                           void (*on_stopped)(void *arg), void *arg, struct dispatcher **out,
                           struct err *err) MUST_CHECK;

/* There may be something new in the outbox. */
void dispatcher_wake(struct dispatcher *dispatcher);

/* Gives back what waits, lets what is under way end within shutdown_timeout_ms, records it. */
void dispatcher_stop(struct dispatcher *dispatcher);

#endif
