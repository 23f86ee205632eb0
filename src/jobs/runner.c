#include "jobs/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "jobs/export.h"
#include "jobs/run.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000
#define FIRST_BACKOFF_MS 250
#define LONGEST_BACKOFF_MS 15000

/* All moves go through set_state(). In the states from ASKING on a statement is under way, and its
 * answer moves on. */
enum runner_state {
    RUNNER_WAITING,    /* no connection; the timer opens the next one */
    RUNNER_CONNECTING, /* until it is open */
    RUNNER_IDLE,       /* until the timer rings */
    RUNNER_ASKING,     /* what is due, and for a run */
    RUNNER_EXPORTING,  /* what the last steps detached */
    RUNNER_WORKING,    /* a step of the run */
    RUNNER_FAILING,    /* telling why an attempt failed */
    RUNNER_RETURNING,  /* giving the run back */
    RUNNER_RELEASING,  /* letting go of the job */
    RUNNER_STOPPED
};

struct runner {
    uv_loop_t *loop;
    const struct config *config;
    struct stats *stats;
    void (*on_stopped)(void *arg);
    void *arg;
    char worker[RUN_WORKER_MAX];

    struct pg_conn *conn;
    uv_timer_t timer;    /* back-off, or the next look at what is due */
    uv_timer_t deadline; /* of stopping */
    unsigned open_handles;
    enum runner_state state;
    uint64_t backoff_ms; /* of the next failure */
    bool stopping;

    struct run run;        /* from EXPORTING or WORKING on */
    struct export *export; /* NULL but while EXPORTING */
    uint64_t begun_ms;
};

static void ask(struct runner *runner);
static void take_step(struct runner *runner);
static void go_on(struct runner *runner);

static const char *state_name(enum runner_state state)
{
    switch (state) {
    case RUNNER_WAITING:
        return "waiting";
    case RUNNER_CONNECTING:
        return "connecting";
    case RUNNER_IDLE:
        return "idle";
    case RUNNER_ASKING:
        return "asking";
    case RUNNER_EXPORTING:
        return "exporting";
    case RUNNER_WORKING:
        return "working";
    case RUNNER_FAILING:
        return "failing";
    case RUNNER_RETURNING:
        return "returning";
    case RUNNER_RELEASING:
        return "releasing";
    case RUNNER_STOPPED:
        return "stopped";
    }
    return "?";
}

static void set_state(struct runner *runner, enum runner_state state)
{
    log_debug("jobs", "state", log_s("from", state_name(runner->state)),
              log_s("to", state_name(state)));
    runner->state = state;
    stat_set(&runner->stats->jobs_up, state >= RUNNER_IDLE && state != RUNNER_STOPPED);
    stat_set(&runner->stats->jobs_running, state == RUNNER_EXPORTING || state == RUNNER_WORKING);
    if (state != RUNNER_EXPORTING) {
        export_free(runner->export);
        runner->export = NULL;
    }
}

/* The end */

static void on_closed(uv_handle_t *handle)
{
    struct runner *runner = handle->data;

    if (--runner->open_handles == 0)
        free(runner);
}

/* The session ends, and with it a lock that is still held. */
static void finish_stopping(struct runner *runner)
{
    set_state(runner, RUNNER_STOPPED);
    pg_conn_close(runner->conn);
    uv_close((uv_handle_t *)&runner->timer, on_closed);
    uv_close((uv_handle_t *)&runner->deadline, on_closed);
    runner->on_stopped(runner->arg);
}

static void on_deadline(uv_timer_t *timer)
{
    struct runner *runner = timer->data;

    log_warn("jobs", "a step did not end in time; another instance does its run again",
             log_s("job", runner->run.name),
             log_u("shutdown_timeout_ms", runner->config->shutdown_timeout_ms));
    finish_stopping(runner);
}

void runner_stop(struct runner *runner)
{
    if (runner->stopping)
        return;
    runner->stopping = true;
    if (runner->state <= RUNNER_IDLE)
        finish_stopping(runner);
    else
        uv_timer_start(&runner->deadline, on_deadline, runner->config->shutdown_timeout_ms, 0);
}

/* The connection */

static void connect_now(struct runner *runner);

static void on_backoff(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void go_down(struct runner *runner, const char *what, const struct err *err)
{
    if (runner->stopping) {
        finish_stopping(runner);
        return;
    }
    log_warn("jobs", what, log_err(err), log_u("retry_in_ms", runner->backoff_ms));
    pg_conn_close(runner->conn);
    runner->conn = NULL;
    set_state(runner, RUNNER_WAITING);
    uv_timer_start(&runner->timer, on_backoff, runner->backoff_ms, 0);
    runner->backoff_ms *= 2;
    if (runner->backoff_ms > LONGEST_BACKOFF_MS)
        runner->backoff_ms = LONGEST_BACKOFF_MS;
}

static void on_session(void *arg, const struct pg_result *result, const struct err *err)
{
    (void)result;
    if (err)
        go_down(arg, "could not set the session up", err);
}

static void on_open(void *arg)
{
    struct runner *runner = arg;

    log_info("jobs", "connected to the database", log_s("worker", runner->worker));
    pg_conn_query(runner->conn, sql_jobs_session, NULL, 0, on_session, runner);
    ask(runner);
}

static void on_lost(void *arg, const struct err *err)
{
    go_down(arg, "no connection to the database", err);
}

static void connect_now(struct runner *runner)
{
    static const struct pg_conn_events events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {
        .database_url = runner->config->database_url,
        .application_name = "pgherald jobs",
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
    };

    set_state(runner, RUNNER_CONNECTING);
    runner->conn = pg_conn_open(runner->loop, &options, &events, runner);
}

/* Waiting */

static void on_poll(uv_timer_t *timer)
{
    ask(timer->data);
}

static void rest(struct runner *runner)
{
    if (runner->stopping) {
        finish_stopping(runner);
        return;
    }
    set_state(runner, RUNNER_IDLE);
    uv_timer_start(&runner->timer, on_poll, runner->config->jobs_poll_ms, 0);
}

/* The end of an attempt. Each ends in a look for the next run. */

static void on_released(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;

    (void)result;
    if (err)
        go_down(runner, "could not let go of a job", err);
    else if (runner->stopping)
        finish_stopping(runner);
    else
        ask(runner);
}

static void release(struct runner *runner)
{
    const struct pg_param name = {str_c(runner->run.name)};

    set_state(runner, RUNNER_RELEASING);
    pg_conn_query(runner->conn, sql_jobs_end, &name, 1, on_released, runner);
}

static void on_returned(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;

    (void)result;
    if (err) {
        go_down(runner, "could not give a run back", err);
        return;
    }
    log_info("jobs", "stopping: the run goes on elsewhere", log_s("job", runner->run.name),
             log_s("run", runner->run.id));
    release(runner);
}

static void return_run(struct runner *runner)
{
    const struct pg_param id = {str_c(runner->run.id)};

    set_state(runner, RUNNER_RETURNING);
    pg_conn_query(runner->conn, sql_jobs_return, &id, 1, on_returned, runner);
}

static void count_failure(struct runner *runner, bool for_good)
{
    stat_add(&runner->stats->jobs_attempts_failed_total, 1);
    if (!for_good)
        return;
    stat_add(&runner->stats->jobs_failed_total, 1);
    stat_set(&runner->stats->jobs_last_failure_time_us, (uint64_t)clock_now_us());
}

static void on_failed(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;

    if (err) {
        go_down(runner, "could not record that a job failed", err);
        return;
    }
    count_failure(runner, pg_result_rows(result) == 1 &&
                              str_eq(pg_result_value(result, 0, 0), STR("failed")));
    release(runner);
}

static void fail(struct runner *runner, const struct err *problem)
{
    const struct run *run = &runner->run;
    const struct pg_param params[] = {{str_c(run->id)}, {str_whole_utf8(str_c(problem->message))}};

    log_line(run->attempt < run->max_attempts ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "jobs",
             "a job failed", log_s("job", run->name), log_s("run", run->id),
             log_u("attempt", run->attempt), log_u("of", run->max_attempts),
             log_u("ms", clock_monotonic_ms() - runner->begun_ms), log_err(problem), LOG_END);
    set_state(runner, RUNNER_FAILING);
    pg_conn_query(runner->conn, sql_jobs_fail, params, 2, on_failed, runner);
}

static void complete(struct runner *runner, struct str message)
{
    stat_add(&runner->stats->jobs_completed_total, 1);
    log_info("jobs", "a job is done", log_s("job", runner->run.name), log_s("run", runner->run.id),
             log_u("attempt", runner->run.attempt),
             log_u("ms", clock_monotonic_ms() - runner->begun_ms), log_v("result", message));
    release(runner);
}

/* Working. The columns are those of sql/queries/jobs_step.sql. */

static void on_step(void *arg, const struct pg_result *result, const struct err *err)
{
    enum { STEP_IS_FINISHED, STEP_PROGRESS, STEP_MESSAGE };
    struct runner *runner = arg;

    if (err)
        fail(runner, err);
    else if (str_eq(pg_result_value(result, 0, STEP_IS_FINISHED), STR("t")))
        complete(runner, pg_result_value(result, 0, STEP_MESSAGE));
    else if (runner->stopping)
        return_run(runner);
    else
        go_on(runner);
}

static void take_step(struct runner *runner)
{
    const struct pg_param id = {str_c(runner->run.id)};

    set_state(runner, RUNNER_WORKING);
    pg_conn_query(runner->conn, sql_jobs_step, &id, 1, on_step, runner);
}

/* Exporting: before each step of that one job, until nothing waits. */

static void export_more(struct runner *runner);

static void on_exported(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;
    struct str columns[EXPORT_COLUMNS] = {{0}};
    struct err problem;

    if (err) {
        fail(runner, err);
        return;
    }
    for (unsigned i = 0; i < EXPORT_COLUMNS && pg_result_rows(result) == 1; i++)
        columns[i] = pg_result_value(result, 0, i);
    if (export_take(runner->export, columns, pg_result_rows(result), &problem) != OK)
        fail(runner, &problem);
    else if (runner->stopping)
        return_run(runner);
    else
        export_more(runner);
}

static void export_more(struct runner *runner)
{
    struct pg_param params[EXPORT_PARAMS] = {{{0}}};
    struct export_query query;

    export_next(runner->export, &query);
    for (size_t i = 0; i < query.count; i++)
        if (query.params[i])
            params[i].value = str_c(query.params[i]);
    if (query.sql)
        pg_conn_query(runner->conn, query.sql, params, query.count, on_exported, runner);
    else
        take_step(runner);
}

static void go_on(struct runner *runner)
{
    if (strcmp(runner->run.name, EXPORT_JOB) != 0) {
        take_step(runner);
        return;
    }
    set_state(runner, RUNNER_EXPORTING);
    runner->export = export_new(runner->config->audit_export_dir);
    export_more(runner);
}

static void note_loss(struct runner *runner)
{
    const struct run *run = &runner->run;

    stat_add(&runner->stats->jobs_lost_total, 1);
    count_failure(runner, !run->is_running);
    log_warn("jobs",
             run->is_running ? "the runner of a job is gone; going on in its place"
                             : "the runner of a job is gone, and that was its last attempt",
             log_s("job", run->name), log_s("run", run->id), log_s("lost_by", run->lost_by));
}

static void on_begun(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;
    struct str columns[RUN_COLUMNS];
    struct err wrong;

    if (err) {
        go_down(runner, "could not take up a job (was `pgherald init` run?)", err);
        return;
    }
    runner->backoff_ms = FIRST_BACKOFF_MS;
    if (pg_result_rows(result) == 0) {
        rest(runner);
        return;
    }
    for (unsigned i = 0; i < RUN_COLUMNS; i++)
        columns[i] = pg_result_value(result, 0, i);
    if (run_read(&runner->run, columns, &wrong) != OK) {
        go_down(runner, "could not take up a job", &wrong);
        return;
    }
    runner->begun_ms = clock_monotonic_ms();
    if (runner->run.lost_by[0])
        note_loss(runner);
    if (!runner->run.is_running)
        ask(runner);
    else if (runner->stopping)
        return_run(runner);
    else
        go_on(runner);
}

static void on_enqueued(void *arg, const struct pg_result *result, const struct err *err)
{
    struct runner *runner = arg;
    const struct pg_param worker = {str_c(runner->worker)};

    (void)result;
    if (err)
        go_down(runner, "could not look for due jobs (was `pgherald init` run?)", err);
    else if (runner->stopping)
        finish_stopping(runner);
    else
        pg_conn_query(runner->conn, sql_jobs_begin, &worker, 1, on_begun, runner);
}

/* Several runners may ask at once: each due job gets one run, and each run one of them. */
static void ask(struct runner *runner)
{
    set_state(runner, RUNNER_ASKING);
    pg_conn_query(runner->conn, sql_jobs_enqueue_due, NULL, 0, on_enqueued, runner);
}

struct runner *runner_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                          void (*on_stopped)(void *arg), void *arg)
{
    struct runner *runner = mem_alloc(sizeof(*runner));

    runner->loop = loop;
    runner->config = config;
    runner->stats = stats;
    runner->on_stopped = on_stopped;
    runner->arg = arg;
    runner->backoff_ms = FIRST_BACKOFF_MS;
    run_worker(runner->worker, config->slot_name);
    uv_timer_init(loop, &runner->timer);
    uv_timer_init(loop, &runner->deadline);
    runner->timer.data = runner->deadline.data = runner;
    runner->open_handles = 2;
    connect_now(runner);
    return runner;
}
