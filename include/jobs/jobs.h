/* The jobs loop: runs the maintenance of pgherald.jobs when it is due. It owns one thread, one
 * libuv loop, one database connection. Any number of daemons may do so: a job runs under a lock. */
#ifndef PGHERALD_JOBS_JOBS_H
#define PGHERALD_JOBS_JOBS_H

#include "base/err.h"
#include "base/stats.h"
#include "config/config.h"

struct jobs;

/* The pointers are borrowed and outlive it. */
enum result jobs_start(const struct config *config, struct stats *stats, struct jobs **out,
                       struct err *err) MUST_CHECK;

/* Begins to stop, and returns at once: nothing new is taken up, the step under way ends, and what
 * is left of its run is given back. From the thread that started it; NULL is fine. */
void jobs_begin_stop(struct jobs *jobs);

/* The same, and waits for it, up to shutdown_timeout_ms; joins the thread, frees. */
void jobs_stop(struct jobs *jobs);

#endif
