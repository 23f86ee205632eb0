/* pgherald webhooks enable, disable, retry. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/webhooks.h"
#include "embedded.h"

/* ---------------------------------------------------------------- enable, disable */

/* Then its line of the list, which says what is so now. */
static int set_active(const struct config *config, const struct cli_args *args, bool active)
{
    struct webhooks_command command;
    int code = webhooks_open(&command, config, args, args->words[0]);
    struct err err;

    if (code == EXIT_SUCCESS) {
        const char *params[] = {webhooks_id(&command), active ? "on" : "off",
                                cli_value(args, CLI_REASON)};

        code = pg_sync_run(command.conn, sql_webhooks_enable, params, 3, NULL, &err) == OK
                   ? webhooks_print_line(&command)
                   : webhooks_fail(&command, &err);
    }
    webhooks_close(&command);
    return code;
}

int cli_webhooks_enable(const struct config *config, const struct cli_args *args)
{
    return set_active(config, args, true);
}

int cli_webhooks_disable(const struct config *config, const struct cli_args *args)
{
    return set_active(config, args, false);
}

/* ---------------------------------------------------------------- retry */

/* Why one delivery was not made pending. */
static int explain(struct webhooks_command *command, const char *delivery)
{
    const char *params[] = {webhooks_id(command), delivery};
    struct pg_rows *rows;
    struct err err;
    int code = EXIT_FAILURE;

    if (pg_sync_run(command->conn, sql_webhooks_delivery, params, 2, &rows, &err) != OK)
        return webhooks_fail(command, &err);
    if (pg_rows_count(rows) == 0) {
        fprintf(stderr, "pgherald: webhook %s has no delivery %s\n", webhooks_id(command),
                delivery);
        code = EX_USAGE;
    } else if (strcmp(pg_rows_text(rows, 0, 0), "pending") == 0) {
        fprintf(stderr, "pgherald: delivery %s is pending: it is tried again by itself\n",
                delivery);
    } else {
        fprintf(stderr, "pgherald: delivery %s is %s; only what was given up can be retried\n",
                delivery, pg_rows_text(rows, 0, 0));
    }
    pg_rows_free(rows);
    return code;
}

static void say_retried(const struct webhooks_command *command, long long count)
{
    if (command->args->flags & CLI_JSON)
        printf("{\"webhook\": \"%s\", \"retried\": %lld}\n", webhooks_id(command), count);
    else
        printf("%lld %s pending again\n", count, count == 1 ? "delivery is" : "deliveries are");
    if (count > 0)
        webhooks_warn_disabled(command);
}

static int retry(struct webhooks_command *command)
{
    char since[WEBHOOKS_TIME_TEXT];
    const char *params[] = {webhooks_id(command), cli_value(command->args, CLI_DELIVERY),
                            webhooks_time(command->args, CLI_SINCE, since)};
    struct pg_rows *rows;
    long long count;
    struct err err;

    if (pg_sync_run(command->conn, sql_webhooks_retry, params, 3, &rows, &err) != OK)
        return webhooks_fail(command, &err);
    count = pg_rows_number(rows, 0, 0);
    pg_rows_free(rows);
    if (count == 0 && params[1])
        return explain(command, params[1]);
    say_retried(command, count);
    return EXIT_SUCCESS;
}

int cli_webhooks_retry(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    int code;

    if ((args->flags & CLI_DELIVERY) && (args->flags & (CLI_FAILED | CLI_SINCE))) {
        fprintf(stderr,
                "pgherald: --delivery is for one, --failed and --since are for many; "
                "usage: pgherald %s\n",
                args->command->usage);
        return EX_USAGE;
    }
    code = webhooks_open(&command, config, args, args->words[0]);
    if (code == EXIT_SUCCESS)
        code = retry(&command);
    webhooks_close(&command);
    return code;
}
