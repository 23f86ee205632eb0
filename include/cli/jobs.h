/* pgherald jobs: what its actions share. */
#ifndef PGHERALD_CLI_JOBS_H
#define PGHERALD_CLI_JOBS_H

#include <jansson.h>

#include "cli/cli.h"
#include "pg/sync.h"

/* What an action works with. */
struct jobs_command {
    const struct config *config;
    const struct cli_args *args;
    struct pg_sync *conn;
    json_t *jobs; /* the array of sql/queries/jobs_list.sql */
};

/* Opens a connection and loads the jobs; complains if that fails, or if a word on the command line
 * names no job. EXIT_SUCCESS, or the code to exit with. jobs_close() in any case. */
int jobs_open(struct jobs_command *command, const struct config *config,
              const struct cli_args *args);
void jobs_close(struct jobs_command *command);

/* Runs of maintenance jobs as sql/queries/jobs_history.sql gives them; NULL, after a complaint, if
 * that fails. `name` and `id` may be NULL. */
json_t *jobs_history(struct jobs_command *command, const char *name, const char *limit,
                     const char *id);
void jobs_print_history(const json_t *runs, bool json);

/* The action `run`. */
int jobs_run(const struct config *config, const struct cli_args *args);

#endif
