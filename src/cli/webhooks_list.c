/* pgherald webhooks list, and its line of one webhook. */
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/table.h"
#include "cli/webhooks.h"
#include "dispatch/headers.h"
#include "embedded.h"
#include "rules/webhook_rule.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct table_column list_columns[] = {
    {"id", "id", false},
    {"name", "name", false},
    {"url", "url", false},
    {"owner", "owner", false},
    {"active", "active", false},
    {"health", "health", false},
    {"pending", "pending", true},
    {"failed", "failed", true},
    {"last_success", "last success", false},
};

/* ---------------------------------------------------------------- what the daemon makes of it */

static enum result read_headers(const struct rule_row *row, struct err *err)
{
    char *json = rule_row_json(row, "headers");
    enum result result = OK;
    struct buf block;

    buf_init(&block, HEADERS_BYTES_MAX);
    if (json)
        result = headers_add_json(&block, str_c(json), err);
    buf_fini(&block);
    free(json);
    return result;
}

/* By the code that reads it in the pipeline, and when a request is made. */
static enum result read_rule(struct str text, struct err *err)
{
    struct webhook_rule *rule = NULL;
    struct rule_row *row = NULL;
    enum result result = rule_row_parse(text, &row, err);

    if (result == OK)
        result = webhook_rule_parse(row, &rule, err);
    if (result == OK)
        result = read_headers(row, err);
    webhook_rule_free(rule);
    rule_row_free(row);
    return result;
}

static void judge(json_t *line)
{
    const char *rule = json_string_value(json_object_get(line, "rule"));
    struct err err = {""};

    if (read_rule(str_c(rule ? rule : ""), &err) == OK) {
        json_object_set_new(line, "rule_error", json_null());
    } else {
        json_object_set_new(line, "rule_error", json_string(err.message));
        if (json_is_true(json_object_get(line, "active")))
            json_object_set_new(line, "health", json_string("rejected"));
    }
    json_object_del(line, "rule");
}

static bool has_trouble(const json_t *line)
{
    const char *health = json_string_value(json_object_get(line, "health"));

    return !health || strcmp(health, "ok") != 0 ||
           json_integer_value(json_object_get(line, "failed")) > 0;
}

enum result webhooks_load_lines(struct webhooks_command *command, const char *id, bool failing,
                                json_t **out, struct err *err)
{
    const char *params[] = {id};
    size_t i = 0;

    if (ask_json(command->conn, sql_webhooks_list, params, COUNT(params), out, err) != OK)
        return FAILED;
    while (i < json_array_size(*out)) {
        json_t *line = json_array_get(*out, i);

        judge(line);
        if (failing && !has_trouble(line))
            json_array_remove(*out, i);
        else
            i++;
    }
    return OK;
}

/* ---------------------------------------------------------------- printing */

static int print_list(struct webhooks_command *command, const char *id, bool failing)
{
    json_t *webhooks;
    struct err err;

    if (webhooks_load_lines(command, id, failing, &webhooks, &err) != OK)
        return webhooks_fail(command, &err);
    table_print(webhooks, list_columns, COUNT(list_columns),
                failing ? "no webhook has trouble" : "no webhooks",
                command->args->flags & CLI_JSON);
    json_decref(webhooks);
    return EXIT_SUCCESS;
}

int webhooks_print_line(struct webhooks_command *command)
{
    return print_list(command, webhooks_id(command), false);
}

int cli_webhooks_list(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    int code = webhooks_open(&command, config, args, NULL);

    if (code == EXIT_SUCCESS)
        code = print_list(&command, NULL, args->flags & CLI_FAILING);
    webhooks_close(&command);
    return code;
}
