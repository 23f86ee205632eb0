#include "daemon/daemon.h"

#include <signal.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <uv.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/stats.h"
#include "base/version.h"
#include "daemon/pipeline.h"
#include "daemon/roles.h"
#include "daemon/slot_watch.h"
#include "dispatch/dispatch.h"
#include "jobs/jobs.h"
#include "realtime/loops.h"

#define REALTIME_QUEUE_MESSAGES 262144

struct daemon {
    const struct config *config;
    const char *config_path;
    struct config *latest;   /* as it was last read again; NULL: it never was */
    const char *stop_reason; /* for the audit trail */
    uv_loop_t loop;
    uv_signal_t term, interrupt, hangup;
    uv_async_t finished;
    _Atomic int exit_code;

    struct stats stats;
    unsigned roles;
    struct queues to_realtime; /* one a loop; none without a pipeline */
    struct loops *realtime;
    /* NULL if they are not among the roles of this process */
    struct dispatch *dispatch;
    struct jobs *jobs;
    struct pipeline *pipeline;
    struct slot_watch *slot_watch;
};

/* The pipeline's doors */

static uint64_t bindings(void *arg)
{
    struct daemon *daemon = arg;

    return loops_bindings(daemon->realtime);
}

static void outbox_grew(void *arg)
{
    struct daemon *daemon = arg;

    if (daemon->dispatch)
        dispatch_wake(daemon->dispatch);
}

static void finished(void *arg, int exit_code)
{
    struct daemon *daemon = arg;

    daemon->exit_code = exit_code;
    uv_async_send(&daemon->finished);
}

/* Signals */

static void on_finished(uv_async_t *async)
{
    uv_stop(async->loop);
}

static void on_stop_signal(uv_signal_t *signal, int signum)
{
    struct daemon *daemon = signal->data;

    daemon->stop_reason = signum == SIGTERM ? "SIGTERM" : "SIGINT";
    log_info("daemon", "stopping", log_s("signal", daemon->stop_reason));
    uv_stop(signal->loop);
}

/* What can change without a restart: the log's level. Rules need no reload at all. */
static void apply(const struct daemon *daemon, const struct config *fresh)
{
    struct buf keys;

    log_set_level(fresh->log_level);
    buf_init(&keys, 4096);
    if (config_needs_restart(daemon->config, fresh, &keys))
        log_warn("daemon", "SIGHUP: log_level read again; a restart is needed for the others",
                 log_v("changed", buf_str(&keys)));
    else
        log_info("daemon", "SIGHUP: log_level read again");
    buf_fini(&keys);
}

/* An entry for the audit trail: what was applied, and what differs from what the daemon runs with.
 * `fresh` is NULL if it could not be read. */
static void note_reload(struct daemon *daemon, const struct config *fresh)
{
    struct buf facts;

    if (!daemon->pipeline)
        return;
    buf_init(&facts, (size_t)1 << 20);
    if (fresh) {
        buf_add_c(&facts, "{\"changed\":");
        config_write_changes(daemon->latest ? daemon->latest : daemon->config, fresh, true, &facts);
        buf_add_c(&facts, ",\"needs_restart\":");
        config_write_changes(daemon->config, fresh, false, &facts);
        buf_add_char(&facts, '}');
    } else {
        buf_add_c(&facts, "{\"error\":\"the settings could not be read; they stay as they were\"}");
    }
    if (!buf_ok(&facts) || !pipeline_reload(daemon->pipeline, buf_str(&facts)))
        log_error("daemon", "SIGHUP: the audit trail gets no entry of it; too many wait already");
    buf_fini(&facts);
}

static void on_hangup(uv_signal_t *signal, int signum)
{
    struct daemon *daemon = signal->data;
    struct config *fresh;
    struct err err;

    (void)signum;
    if (config_load(daemon->config_path, &fresh, &err) != OK) {
        log_error("daemon", "SIGHUP: the configuration stays as it was", log_err(&err));
        note_reload(daemon, NULL);
        return;
    }
    apply(daemon, fresh);
    note_reload(daemon, fresh);
    config_free(daemon->latest);
    daemon->latest = fresh;
}

static void start_signal(struct daemon *daemon, uv_signal_t *signal, uv_signal_cb cb, int signum)
{
    uv_signal_init(&daemon->loop, signal);
    signal->data = daemon;
    uv_signal_start(signal, cb, signum);
}

/* The loops, ground first: nothing is read before there is somebody to give it to. A run with an
 * end does what it was asked for, and no maintenance. */
static enum result start_loops(struct daemon *daemon, lsn_t endpos, struct err *err)
{
    const struct pipeline_doors doors = {
        &daemon->to_realtime, {bindings, daemon}, outbox_grew, finished, daemon};
    const bool has_pipeline = daemon->roles & ROLE_PIPELINE;

    if (loops_start(daemon->config, &daemon->stats, &daemon->to_realtime, &daemon->realtime, err) !=
        OK)
        return FAILED;
    if (daemon->roles & ROLE_DISPATCH &&
        dispatch_start(daemon->config, &daemon->stats, &daemon->to_realtime, has_pipeline,
                       &daemon->dispatch, err) != OK)
        return FAILED;
    if (daemon->roles & ROLE_JOBS && daemon->config->jobs && !endpos &&
        jobs_start(daemon->config, &daemon->stats, &daemon->jobs, err) != OK)
        return FAILED;
    if (!has_pipeline)
        return OK;
    return pipeline_start(daemon->config, &daemon->stats, &doors, endpos, &daemon->pipeline, err);
}

/* Backwards: the source of work first, so that what is on its way still arrives. A job's step may
 * take its time, so it is told before all others and awaited after them. */
static void stop_loops(struct daemon *daemon)
{
    jobs_begin_stop(daemon->jobs);
    if (daemon->pipeline)
        pipeline_stop(daemon->pipeline, daemon->stop_reason);
    if (daemon->dispatch)
        dispatch_stop(daemon->dispatch);
    loops_stop(daemon->realtime);
    jobs_stop(daemon->jobs);
}

/* A socket a client: the usual soft limit of 1,024 files would end that early. */
static void raise_file_limit(const struct config *config)
{
    const rlim_t others = 256;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    if (limit.rlim_cur < config->realtime_max_clients + others)
        log_warn("daemon",
                 "fewer files may be open than realtime_max_clients needs; raise the limit "
                 "(ulimit -n, or LimitNOFILE in a unit)",
                 log_u("limit", limit.rlim_cur), log_u("clients", config->realtime_max_clients));
}

static void open_loop(struct daemon *daemon)
{
    uv_loop_init(&daemon->loop);
    uv_async_init(&daemon->loop, &daemon->finished, on_finished);
    start_signal(daemon, &daemon->term, on_stop_signal, SIGTERM);
    start_signal(daemon, &daemon->interrupt, on_stop_signal, SIGINT);
    start_signal(daemon, &daemon->hangup, on_hangup, SIGHUP);
}

static void close_loop(struct daemon *daemon)
{
    uv_close((uv_handle_t *)&daemon->finished, NULL);
    uv_close((uv_handle_t *)&daemon->term, NULL);
    uv_close((uv_handle_t *)&daemon->interrupt, NULL);
    uv_close((uv_handle_t *)&daemon->hangup, NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}

static void open_queues(struct daemon *daemon)
{
    daemon->to_realtime.count = daemon->config->realtime_threads;
    for (size_t i = 0; i < daemon->to_realtime.count; i++)
        daemon->to_realtime.items[i] =
            queue_new(REALTIME_QUEUE_MESSAGES, daemon->config->realtime_queue_bytes);
}

static void close_queues(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->to_realtime.count; i++)
        queue_free(daemon->to_realtime.items[i]);
}

/* They take turns with the pipeline then, which has audit rows to write. */
static void warn_of_few_cores(const struct config *config)
{
    unsigned cores = uv_available_parallelism();

    if (config->realtime_threads > 1 && config->realtime_threads >= cores)
        log_warn("daemon", "realtime_threads leaves no core to the pipeline",
                 log_u("realtime_threads", config->realtime_threads), log_u("cores", cores));
}

static void log_started(const struct daemon *daemon)
{
    const struct config *config = daemon->config;
    char listen[128], admin[128];

    if (!(daemon->roles & ROLE_PIPELINE)) {
        log_info("daemon", "started without the pipeline", log_s("version", PGHERALD_VERSION),
                 log_s("dispatch", daemon->dispatch ? "on" : "off"),
                 log_s("jobs", daemon->jobs ? "on" : "off"),
                 log_s("admin_listen", config_address_text(&config->admin_listen, admin)));
        return;
    }
    log_info("daemon", "started", log_s("version", PGHERALD_VERSION),
             log_s("listen", config_address_text(&config->listen, listen)),
             log_s("admin_listen", config_address_text(&config->admin_listen, admin)),
             log_s("slot", config->slot_name));
    warn_of_few_cores(config);
}

int daemon_run(const struct config *config, const char *config_path, lsn_t endpos, unsigned roles)
{
    struct daemon daemon = {.config = config,
                            .config_path = config_path,
                            .stop_reason = endpos ? "the end of the run" : "a loop failed",
                            .roles = roles};
    struct err err;
    int code;

    signal(SIGPIPE, SIG_IGN); /* a client that went away is an error of its socket only */
    if (roles & ROLE_PIPELINE)
        open_queues(&daemon);
    stat_set(&daemon.stats.roles, roles);
    raise_file_limit(config);
    open_loop(&daemon);
    if (start_loops(&daemon, endpos, &err) == OK) {
        log_started(&daemon);
        if (daemon.pipeline)
            daemon.slot_watch = slot_watch_start(&daemon.loop, config, &daemon.stats);
        uv_run(&daemon.loop, UV_RUN_DEFAULT);
    } else {
        log_error("daemon", "could not start", log_err(&err));
        daemon.exit_code = EX_OSERR;
    }
    slot_watch_stop(daemon.slot_watch);
    stop_loops(&daemon);
    close_loop(&daemon);
    config_free(daemon.latest);
    close_queues(&daemon);
    code = daemon.exit_code;
    log_info("daemon", "stopped", log_i("exit_code", code));
    return code;
}
