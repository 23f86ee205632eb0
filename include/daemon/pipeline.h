/* The pipeline loop: stream, decoder, rules and store, in sessions. Any trouble ends the session;
 * the next one starts from the checkpoint after a back-off. */
#ifndef PGHERALD_DAEMON_PIPELINE_H
#define PGHERALD_DAEMON_PIPELINE_H

#include "base/err.h"
#include "base/lsn.h"
#include "base/queue.h"
#include "base/stats.h"
#include "config/config.h"
#include "daemon/feed.h"

struct pipeline;

/* The doors to the other loops. All are called on the pipeline's thread. */
struct pipeline_doors {
    const struct queues *realtime; /* struct event go in here */
    struct feed_audience audience;
    void (*outbox_grew)(void *arg);             /* deliveries were committed */
    void (*finished)(void *arg, int exit_code); /* endpos is reached, or cannot be */
    void *arg;
};

/* Starts the thread. Everything is borrowed and outlives it. */
enum result pipeline_start(const struct config *config, struct stats *stats,
                           const struct pipeline_doors *doors, lsn_t endpos, struct pipeline **out,
                           struct err *err) MUST_CHECK;

/* The settings were read again; the audit trail gets an entry with these facts, a JSON object.
 * false: too many such entries wait. From the thread that started it. */
bool pipeline_reload(struct pipeline *pipeline, struct str facts) MUST_CHECK;

/* Stops reading, lets what is complete become durable (shutdown_timeout at most), joins, frees. The
 * reason goes into the audit trail. */
void pipeline_stop(struct pipeline *pipeline, const char *reason);

#endif
