/* The realtime loops of the process: `realtime_threads` of them, sharing the port, so that browsers
 * find all cores. What passes between them is in relay.h. */
#ifndef PGHERALD_REALTIME_LOOPS_H
#define PGHERALD_REALTIME_LOOPS_H

#include "base/err.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"

struct loops;

/* Binds the addresses before it returns, so that a taken port is an error here. A loop for each of
 * `inboxes`, which are borrowed with everything else and outlive it; their wakes are set here.
 * Without any there is one loop, which serves admin_listen alone. */
enum result loops_start(const struct config *config, struct stats *stats,
                        const struct queues *inboxes, struct loops **out,
                        struct err *err) MUST_CHECK;

/* From any thread: the number of postgres_changes bindings right now. While it is 0 the pipeline
 * need not build row events at all. */
uint64_t loops_bindings(const struct loops *loops);

/* Says goodbye to the clients, stops the loops, joins their threads, frees. Nobody may push to the
 * inboxes any more. NULL is fine. */
void loops_stop(struct loops *loops);

#endif
