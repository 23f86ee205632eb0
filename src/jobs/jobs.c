#include "jobs/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "jobs/runner.h"

struct jobs {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    struct runner *runner; /* the thread's */
    bool stopping;         /* the main thread's */
};

static void on_stop(uv_async_t *async)
{
    struct jobs *jobs = async->data;

    runner_stop(jobs->runner);
}

static void on_stopped(void *arg)
{
    struct jobs *jobs = arg;

    uv_close((uv_handle_t *)&jobs->stop, NULL);
}

static void run(void *arg)
{
    struct jobs *jobs = arg;

    uv_run(&jobs->loop, UV_RUN_DEFAULT);
}

/* Signals are the main thread's. */
static int create_thread(struct jobs *jobs)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = uv_thread_create(&jobs->thread, run, jobs);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void free_loop(struct jobs *jobs)
{
    int rc = uv_loop_close(&jobs->loop);

    if (rc != 0)
        log_error("jobs", "the loop still has handles", log_s("error", uv_strerror(rc)));
    free(jobs);
}

enum result jobs_start(const struct config *config, struct stats *stats, struct jobs **out,
                       struct err *err)
{
    struct jobs *jobs = mem_alloc(sizeof(*jobs));
    int rc = uv_loop_init(&jobs->loop);

    *out = NULL;
    if (rc != 0) {
        free(jobs);
        return err_set(err, "the jobs loop could not be made: %s", uv_strerror(rc));
    }
    uv_async_init(&jobs->loop, &jobs->stop, on_stop);
    jobs->stop.data = jobs;
    jobs->runner = runner_new(&jobs->loop, config, stats, on_stopped, jobs);
    rc = create_thread(jobs);
    if (rc != 0) {
        runner_stop(jobs->runner);
        run(jobs);
        free_loop(jobs);
        return err_set(err, "the jobs thread could not be made: %s", uv_strerror(rc));
    }
    *out = jobs;
    return OK;
}

void jobs_begin_stop(struct jobs *jobs)
{
    if (!jobs || jobs->stopping)
        return;
    jobs->stopping = true;
    uv_async_send(&jobs->stop);
}

void jobs_stop(struct jobs *jobs)
{
    if (!jobs)
        return;
    jobs_begin_stop(jobs);
    uv_thread_join(&jobs->thread);
    free_loop(jobs);
}
