/* pgherald webhooks show. */
#include <stdlib.h>

#include "cli/ask.h"
#include "cli/table.h"
#include "cli/webhooks.h"
#include "embedded.h"

#define USUAL_LIMIT "20"
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct table_column attempt_columns[] = {
    {"time", "time", false},      {"delivery", "delivery", true},  {"event", "event", false},
    {"attempt", "attempt", true}, {"status_code", "status", true}, {"duration_ms", "ms", true},
    {"error", "error", false},
};

/* An object as lines of name and value. */
static void print_fields(const json_t *webhook)
{
    static const struct table_column columns[] = {{"key", "webhook", false}, {"value", "", false}};
    json_t *lines = json_array();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)webhook, key, value)
    {
        json_array_append_new(lines, json_pack("{s:s, s:O}", "key", key, "value", value));
    }
    table_print(lines, columns, COUNT(columns), "", false);
    json_decref(lines);
}

static void print(json_t *webhook, json_t *attempts, bool json)
{
    if (json) {
        json_object_set(webhook, "last_attempts", attempts);
        json_dumpf(webhook, stdout, JSON_INDENT(2));
        putchar('\n');
        return;
    }
    print_fields(webhook);
    putchar('\n');
    table_print(attempts, attempt_columns, COUNT(attempt_columns), "no attempt has been made yet",
                false);
}

/* The line of the list has the health and the counts. */
static enum result load(struct webhooks_command *command, json_t **webhook, json_t **attempts,
                        struct err *err)
{
    const char *limit = cli_value(command->args, CLI_LIMIT);
    const char *params[] = {webhooks_id(command), limit ? limit : USUAL_LIMIT};
    json_t *line;

    if (ask_json(command->conn, sql_webhooks_show, params, 1, webhook, err) != OK ||
        webhooks_load_lines(command, webhooks_id(command), false, &line, err) != OK)
        return FAILED;
    json_object_update_missing(*webhook, json_array_get(line, 0));
    json_decref(line);
    return ask_json(command->conn, sql_webhooks_attempts, params, 2, attempts, err);
}

int cli_webhooks_show(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    json_t *webhook = NULL, *attempts = NULL;
    int code = webhooks_open(&command, config, args, args->words[0]);
    struct err err;

    if (code == EXIT_SUCCESS && load(&command, &webhook, &attempts, &err) != OK)
        code = webhooks_fail(&command, &err);
    if (code == EXIT_SUCCESS)
        print(webhook, attempts, args->flags & CLI_JSON);
    json_decref(attempts);
    json_decref(webhook);
    webhooks_close(&command);
    return code;
}
