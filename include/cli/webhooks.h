/* pgherald webhooks: what its actions share. */
#ifndef PGHERALD_CLI_WEBHOOKS_H
#define PGHERALD_CLI_WEBHOOKS_H

#include <jansson.h>

#include "cli/cli.h"
#include "pg/sync.h"

/* What an action works with. */
struct webhooks_command {
    const struct config *config;
    const struct cli_args *args;
    struct pg_sync *conn;
    json_t *webhook; /* what `word` names: id, name, active; NULL without a word */
};

/* Opens a connection and finds the webhook that `word` (may be NULL) names; complains if there is
 * none, or more than one. EXIT_SUCCESS, or the code to exit with. webhooks_close() in any case. */
int webhooks_open(struct webhooks_command *command, const struct config *config,
                  const struct cli_args *args, const char *word);
void webhooks_close(struct webhooks_command *command);

/* Says the server's refusal, or err, on stderr and returns EXIT_FAILURE. */
int webhooks_fail(const struct webhooks_command *command, const struct err *err);

const char *webhooks_id(const struct webhooks_command *command);
const char *webhooks_name(const struct webhooks_command *command);

/* A notice on stderr if the webhook is disabled, and so nothing is sent to it. */
void webhooks_warn_disabled(const struct webhooks_command *command);

/* Lines of `webhooks list`, of all webhooks or (id) one; `failing`: of those that have trouble.
 * With what the daemon cannot read of it in `rule_error`. The caller frees *out by json_decref().
 */
enum result webhooks_load_lines(struct webhooks_command *command, const char *id, bool failing,
                                json_t **out, struct err *err) MUST_CHECK;

/* Prints the line of this webhook. */
int webhooks_print_line(struct webhooks_command *command);

/* The value of a --since or --until as a parameter of a statement; NULL if it was not given. */
#define WEBHOOKS_TIME_TEXT 40
const char *webhooks_time(const struct cli_args *args, enum cli_flag flag,
                          char out[WEBHOOKS_TIME_TEXT]);

int cli_webhooks_list(const struct config *config, const struct cli_args *args);
int cli_webhooks_show(const struct config *config, const struct cli_args *args);
int cli_webhooks_test(const struct config *config, const struct cli_args *args);
int cli_webhooks_enable(const struct config *config, const struct cli_args *args);
int cli_webhooks_disable(const struct config *config, const struct cli_args *args);
int cli_webhooks_rotate(const struct config *config, const struct cli_args *args);
int cli_webhooks_retry(const struct config *config, const struct cli_args *args);
int cli_webhooks_replay(const struct config *config, const struct cli_args *args);

#endif
