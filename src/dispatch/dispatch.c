#include "dispatch/dispatch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "dispatch/dispatcher.h"

struct dispatch {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t async;
    atomic_bool stop;
    struct dispatcher *dispatcher; /* the thread's */
};

static void on_async(uv_async_t *async)
{
    struct dispatch *dispatch = async->data;

    if (atomic_load(&dispatch->stop))
        dispatcher_stop(dispatch->dispatcher);
    else
        dispatcher_wake(dispatch->dispatcher);
}

static void on_stopped(void *arg)
{
    struct dispatch *dispatch = arg;

    uv_close((uv_handle_t *)&dispatch->async, NULL);
}

static void run(void *arg)
{
    struct dispatch *dispatch = arg;

    uv_run(&dispatch->loop, UV_RUN_DEFAULT);
}

/* Signals are the main thread's, and OpenSSL's writes to a closed socket must not raise SIGPIPE. */
static int create_thread(struct dispatch *dispatch)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = uv_thread_create(&dispatch->thread, run, dispatch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void free_loop(struct dispatch *dispatch)
{
    int rc = uv_loop_close(&dispatch->loop);

    if (rc != 0)
        log_error("dispatch", "the loop still has handles", log_s("error", uv_strerror(rc)));
    free(dispatch);
}

enum result dispatch_start(const struct config *config, struct stats *stats,
                           const struct queues *activity, bool is_woken, struct dispatch **out,
                           struct err *err)
{
    struct dispatch *dispatch = mem_alloc(sizeof(*dispatch));
    int rc = uv_loop_init(&dispatch->loop);

    *out = NULL;
    if (rc != 0) {
        free(dispatch);
        return err_set(err, "the dispatch loop could not be made: %s", uv_strerror(rc));
    }
    if (dispatcher_new(&dispatch->loop, config, stats, activity, is_woken, on_stopped, dispatch,
                       &dispatch->dispatcher, err) != OK) {
        free_loop(dispatch);
        return FAILED;
    }
    uv_async_init(&dispatch->loop, &dispatch->async, on_async);
    dispatch->async.data = dispatch;
    rc = create_thread(dispatch);
    if (rc != 0) {
        dispatcher_stop(dispatch->dispatcher);
        run(dispatch);
        free_loop(dispatch);
        return err_set(err, "the dispatch thread could not be made: %s", uv_strerror(rc));
    }
    *out = dispatch;
    return OK;
}

void dispatch_wake(struct dispatch *dispatch)
{
    uv_async_send(&dispatch->async);
}

void dispatch_stop(struct dispatch *dispatch)
{
    if (!dispatch)
        return;
    atomic_store(&dispatch->stop, true);
    uv_async_send(&dispatch->async);
    uv_thread_join(&dispatch->thread);
    free_loop(dispatch);
}
