/* The dispatch loop: claims due deliveries from the outbox, signs and sends them, records every
 * attempt. It owns one thread, one libuv loop, one curl multi handle, one database connection. */
#ifndef PGHERALD_DISPATCH_DISPATCH_H
#define PGHERALD_DISPATCH_DISPATCH_H

#include "base/err.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"

struct dispatch;

/* `activity` (may be NULL) receives an EVENT_ATTEMPT for every attempt; when one is full they are
 * left out, since the table has them. is_woken: dispatch_wake() is called when the outbox grows;
 * else it is looked at every second. All pointers are borrowed and outlive it. */
enum result dispatch_start(const struct config *config, struct stats *stats,
                           const struct queues *activity, bool is_woken, struct dispatch **out,
                           struct err *err) MUST_CHECK;

/* From any thread: there is something new in the outbox. Cheap, may be called for every batch. */
void dispatch_wake(struct dispatch *dispatch);

/* Takes no new deliveries, waits for those under way up to shutdown_timeout_ms, records them, joins
 * the thread, frees. */
void dispatch_stop(struct dispatch *dispatch);

#endif
