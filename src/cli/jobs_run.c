/* pgherald jobs run: does a run itself, step by step, or waits for the instance that does it. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/jobs.h"
#include "cli/progress.h"
#include "embedded.h"
#include "jobs/export.h"
#include "jobs/run.h"

#define WATCH_MS 300

/* How a look at a run ended. */
enum look { LOOK_FAILED, LOOK_AGAIN, LOOK_ENDED };

static enum look complain(struct jobs_command *command, const struct err *err)
{
    progress_clear();
    ask_complain(command->conn, err);
    return LOOK_FAILED;
}

/* What the last steps detached, until nothing waits. */
static enum result export_waiting(struct jobs_command *command, struct err *err)
{
    struct export *export = export_new(command->config->audit_export_dir);
    struct str columns[EXPORT_COLUMNS] = {{0}};
    struct export_query query;
    enum result result = OK;
    struct pg_rows *rows;

    for (export_next(export, &query); query.sql && result == OK; export_next(export, &query)) {
        result = pg_sync_run(command->conn, query.sql, query.params, query.count, &rows, err);
        if (result != OK)
            break;
        for (unsigned i = 0; i < EXPORT_COLUMNS && pg_rows_count(rows) == 1; i++)
            columns[i] = str_c(pg_rows_text(rows, 0, i));
        result = export_take(export, columns, pg_rows_count(rows), err);
        pg_rows_free(rows);
    }
    export_free(export);
    return result;
}

/* One step; *ended says whether it was the last one, also by failing. The columns are those of
 * sql/queries/jobs_step.sql. */
static enum result take_step(struct jobs_command *command, const struct run *run, bool *ended,
                             struct err *err)
{
    const char *id[] = {run->id};
    struct pg_rows *rows;

    if (strcmp(run->name, EXPORT_JOB) == 0 && export_waiting(command, err) != OK)
        return FAILED;
    if (pg_sync_run(command->conn, sql_jobs_step, id, 1, &rows, err) != OK)
        return FAILED;
    *ended = pg_rows_is_true(rows, 0, 0);
    progress_show(run->name, (unsigned)pg_rows_number(rows, 0, 1), pg_rows_text(rows, 0, 2));
    pg_rows_free(rows);
    return OK;
}

static enum look fail(struct jobs_command *command, const struct run *run,
                      const struct err *problem)
{
    char *text = str_dup(str_whole_utf8(str_c(problem->message)));
    const char *params[] = {run->id, text};
    struct err err;
    enum result result = pg_sync_run(command->conn, sql_jobs_fail, params, 2, NULL, &err);

    free(text);
    return result == OK ? LOOK_ENDED : complain(command, problem);
}

static enum look work(struct jobs_command *command, const struct run *run)
{
    const char *name[] = {run->name};
    enum look look = LOOK_ENDED;
    bool ended = false;
    struct err err;

    while (!ended && look == LOOK_ENDED) {
        if (take_step(command, run, &ended, &err) != OK) {
            look = fail(command, run, &err);
            ended = true;
        }
    }
    if (look == LOOK_ENDED && pg_sync_run(command->conn, sql_jobs_end, name, 1, NULL, &err) != OK)
        look = complain(command, &err);
    return look;
}

/* Somebody else has the run, or had it a moment ago. */
static enum look watch(struct jobs_command *command, const char *name, const char *id)
{
    const struct timespec pause = {.tv_nsec = WATCH_MS * 1000000L};
    const char *params[] = {id};
    enum look look = LOOK_ENDED;
    struct pg_rows *rows;
    struct err err;

    if (pg_sync_run(command->conn, sql_jobs_watch, params, 1, &rows, &err) != OK)
        return complain(command, &err);
    if (pg_rows_count(rows) == 1 && pg_rows_is_true(rows, 0, 0) && !pg_rows_is_true(rows, 0, 1)) {
        progress_show(name, (unsigned)pg_rows_number(rows, 0, 2), pg_rows_text(rows, 0, 3));
        look = LOOK_AGAIN;
    }
    pg_rows_free(rows);
    if (look == LOOK_AGAIN)
        nanosleep(&pause, NULL);
    return look;
}

/* Takes the run up, unless somebody has it. */
static enum look look_at(struct jobs_command *command, const char *name, const char *id)
{
    char worker[RUN_WORKER_MAX];
    const char *params[] = {run_worker(worker, "command"), name};
    struct str columns[RUN_COLUMNS];
    struct pg_rows *rows;
    struct run run;
    struct err err;
    bool begun;

    if (pg_sync_run(command->conn, sql_jobs_begin_one, params, 2, &rows, &err) != OK)
        return complain(command, &err);
    begun = pg_rows_count(rows) == 1;
    for (unsigned i = 0; begun && i < RUN_COLUMNS; i++)
        columns[i] = str_c(pg_rows_text(rows, 0, i));
    if (begun && run_read(&run, columns, &err) != OK) {
        pg_rows_free(rows);
        return complain(command, &err);
    }
    pg_rows_free(rows);
    if (!begun)
        return watch(command, name, id);
    return run.is_running ? work(command, &run) : LOOK_ENDED;
}

static bool enqueue(struct jobs_command *command, const char *name, char id[37])
{
    const char *params[] = {name};
    struct pg_rows *rows;
    struct err err;

    if (pg_sync_run(command->conn, sql_jobs_enqueue, params, 1, &rows, &err) != OK) {
        complain(command, &err);
        return false;
    }
    snprintf(id, 37, "%s", pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    return true;
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "-";
}

/* Says on stderr why a run did not complete. */
static bool judge(const json_t *run)
{
    const char *status = string(run, "status");

    if (strcmp(status, "completed") == 0)
        return true;
    fprintf(stderr, "pgherald: %s %s after %lld of %lld attempts: %s\n", string(run, "name"),
            strcmp(status, "pending") == 0 ? "will be tried again" : status,
            (long long)json_integer_value(json_object_get(run, "attempts")),
            (long long)json_integer_value(json_object_get(run, "max_attempts")),
            string(run, "error"));
    return false;
}

/* Whether it is completed; what became of it is appended to `done`. */
static bool run_job(struct jobs_command *command, const char *name, json_t *done)
{
    enum look look = LOOK_AGAIN;
    bool good = false;
    char id[37];
    json_t *runs;

    if (!enqueue(command, name, id))
        return false;
    while (look == LOOK_AGAIN)
        look = look_at(command, name, id);
    progress_clear();
    if (look == LOOK_FAILED)
        return false;
    runs = jobs_history(command, NULL, "1", id);
    if (json_array_size(runs) == 1) {
        good = judge(json_array_get(runs, 0));
        json_array_append(done, json_array_get(runs, 0));
    }
    json_decref(runs);
    return good;
}

/* All means all that are enabled. */
static bool run_all(struct jobs_command *command, json_t *done)
{
    const json_t *job;
    bool good = true;
    size_t i;

    json_array_foreach(command->jobs, i, job)
    {
        if (json_is_true(json_object_get(job, "enabled")))
            good = run_job(command, string(job, "name"), done) && good;
    }
    return good;
}

static bool run_named(struct jobs_command *command, json_t *done)
{
    bool good = true;

    for (size_t i = 0; i < command->args->word_count; i++)
        good = run_job(command, command->args->words[i], done) && good;
    return good;
}

int jobs_run(const struct config *config, const struct cli_args *args)
{
    struct jobs_command command;
    bool all = args->flags & CLI_ALL;
    int code;

    if (all == (args->word_count > 0)) {
        fprintf(stderr, "pgherald: name the jobs to run, or give --all; usage: pgherald %s\n",
                args->command->usage);
        return EX_USAGE;
    }
    code = jobs_open(&command, config, args);
    if (code == EXIT_SUCCESS) {
        json_t *done = json_array();

        if (!(all ? run_all(&command, done) : run_named(&command, done)))
            code = EXIT_FAILURE;
        jobs_print_history(done, args->flags & CLI_JSON);
        json_decref(done);
    }
    jobs_close(&command);
    return code;
}
