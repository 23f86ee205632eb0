/* pgherald jobs: list, history, enable, disable. */
#include "cli/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/ask.h"
#include "cli/table.h"
#include "embedded.h"

#define USUAL_LIMIT "20"
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *name_of(const json_t *job)
{
    return json_string_value(json_object_get(job, "name"));
}

static bool is_job(const json_t *jobs, const char *name)
{
    const json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        if (strcmp(name_of(job), name) == 0)
            return true;
    }
    return false;
}

static int complain_of_name(const json_t *jobs, const char *name)
{
    const json_t *job;
    size_t i;

    fprintf(stderr, "pgherald: there is no job \"%.60s\"; there are:", name);
    json_array_foreach(jobs, i, job)
    {
        fprintf(stderr, "%s %s", i > 0 ? "," : "", name_of(job));
    }
    fputc('\n', stderr);
    return EX_USAGE;
}

int jobs_open(struct jobs_command *command, const struct config *config,
              const struct cli_args *args)
{
    struct err err;

    *command = (struct jobs_command){.config = config, .args = args};
    if (!cli_has_database(config))
        return EX_CONFIG;
    if (pg_sync_open(config->database_url, "pgherald jobs command", &command->conn, &err) != OK) {
        fprintf(stderr, "pgherald: %s\n", err.message);
        return EXIT_FAILURE;
    }
    if (ask_json(command->conn, sql_jobs_list, NULL, 0, &command->jobs, &err) != OK) {
        ask_complain(command->conn, &err);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < args->word_count; i++)
        if (!is_job(command->jobs, args->words[i]))
            return complain_of_name(command->jobs, args->words[i]);
    return EXIT_SUCCESS;
}

void jobs_close(struct jobs_command *command)
{
    json_decref(command->jobs);
    pg_sync_close(command->conn);
}

static void print_jobs(const json_t *jobs, bool json)
{
    static const struct table_column columns[] = {
        {"name", "job", false},          {"enabled", "enabled", false},
        {"schedule", "schedule", false}, {"last_run", "last run", false},
        {"status", "status", false},     {"progress", "%", true},
        {"duration_ms", "ms", true},     {"next_run", "next run", false},
        {"error", "error", false},
    };

    table_print(jobs, columns, COUNT(columns), "no jobs", json);
}

static int list_jobs(const struct config *config, const struct cli_args *args)
{
    struct jobs_command command;
    int code = jobs_open(&command, config, args);

    if (code == EXIT_SUCCESS)
        print_jobs(command.jobs, args->flags & CLI_JSON);
    jobs_close(&command);
    return code;
}

json_t *jobs_history(struct jobs_command *command, const char *name, const char *limit,
                     const char *id)
{
    const char *params[] = {name, limit, id};
    json_t *runs;
    struct err err;

    if (ask_json(command->conn, sql_jobs_history, params, COUNT(params), &runs, &err) == OK)
        return runs;
    ask_complain(command->conn, &err);
    return NULL;
}

void jobs_print_history(const json_t *runs, bool json)
{
    static const struct table_column columns[] = {
        {"enqueued_at", "time", false}, {"name", "job", false},      {"status", "status", false},
        {"attempts", "attempts", true}, {"progress", "%", true},     {"duration_ms", "ms", true},
        {"message", "message", false},  {"worker", "worker", false}, {"error", "error", false},
    };

    table_print(runs, columns, COUNT(columns), "no job has run yet", json);
}

static int list_history(const struct config *config, const struct cli_args *args)
{
    struct jobs_command command;
    const char *limit = cli_value(args, CLI_LIMIT);
    int code = jobs_open(&command, config, args);

    if (code == EXIT_SUCCESS) {
        json_t *runs = jobs_history(&command, args->words[0], limit ? limit : USUAL_LIMIT, NULL);

        if (runs)
            jobs_print_history(runs, args->flags & CLI_JSON);
        else
            code = EXIT_FAILURE;
        json_decref(runs);
    }
    jobs_close(&command);
    return code;
}

static int enable(struct jobs_command *command, const char *name, bool enabled)
{
    const char *params[] = {name, enabled ? "on" : "off"};
    struct err err;

    if (pg_sync_run(command->conn, sql_jobs_enable, params, COUNT(params), NULL, &err) == OK)
        return EXIT_SUCCESS;
    ask_complain(command->conn, &err);
    return EXIT_FAILURE;
}

/* Then the list, which says what is so now. */
static int enable_all(const struct config *config, const struct cli_args *args, bool enabled)
{
    struct jobs_command command;
    int code = jobs_open(&command, config, args);

    for (size_t i = 0; i < args->word_count && code == EXIT_SUCCESS; i++)
        code = enable(&command, args->words[i], enabled);
    jobs_close(&command);
    return code == EXIT_SUCCESS ? list_jobs(config, args) : code;
}

static int enable_jobs(const struct config *config, const struct cli_args *args)
{
    return enable_all(config, args, true);
}

static int disable_jobs(const struct config *config, const struct cli_args *args)
{
    return enable_all(config, args, false);
}

const struct cli_command cli_jobs_actions[CLI_JOBS_ACTION_COUNT] = {
    {.name = "jobs list",
     .flags = CLI_JSON,
     .usage = "jobs [list] [--json]",
     .summary = "each job with its schedule, its last run and its next time",
     .run = list_jobs},
    {.name = "jobs run",
     .flags = CLI_JSON | CLI_ALL,
     .max_words = CLI_MAX_WORDS,
     .usage = "jobs run NAME...|--all [--json]",
     .summary = "run jobs now, one after the other, and exit 1 if one fails",
     .run = jobs_run},
    {.name = "jobs history",
     .flags = CLI_JSON | CLI_LIMIT,
     .max_words = 1,
     .usage = "jobs history [NAME] [--limit N] [--json]",
     .summary = "the last runs, with what they did or why they failed",
     .run = list_history},
    {.name = "jobs enable",
     .flags = CLI_JSON,
     .min_words = 1,
     .max_words = CLI_MAX_WORDS,
     .usage = "jobs enable NAME... [--json]",
     .summary = "let jobs be run by themselves",
     .run = enable_jobs},
    {.name = "jobs disable",
     .flags = CLI_JSON,
     .min_words = 1,
     .max_words = CLI_MAX_WORDS,
     .usage = "jobs disable NAME... [--json]",
     .summary = "no longer; `jobs run` still does",
     .run = disable_jobs},
};
