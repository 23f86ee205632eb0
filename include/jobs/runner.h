/* The work of the jobs loop, on one thread: asks what is due, takes up one run at a time, and calls
 * its steps one after the other. What a step is, and whose turn it is, is said in SQL
 * (sql/migrations/011_jobs.sql). */
#ifndef PGHERALD_JOBS_RUNNER_H
#define PGHERALD_JOBS_RUNNER_H

#include <uv.h>

#include "base/stats.h"
#include "config/config.h"

struct runner;

/* Starts connecting. Everything is borrowed. on_stopped runs once, at the end of runner_stop():
 * from then on only the loop has to close what is left, and the memory goes by that. */
struct runner *runner_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                          void (*on_stopped)(void *arg), void *arg);

/* Ends the step under way within shutdown_timeout_ms, and gives back the rest of its run. */
void runner_stop(struct runner *runner);

#endif
