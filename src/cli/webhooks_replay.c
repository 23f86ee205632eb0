/* pgherald webhooks replay. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/progress.h"
#include "cli/webhooks.h"
#include "replay/replay.h"

struct figure {
    const char *name;
    uint64_t value;
    const char *text;
    bool always; /* also if it is 0 */
};

static void on_progress(void *arg, unsigned percent, const struct replay_counts *counts)
{
    const struct webhooks_command *command = arg;
    char message[80];

    snprintf(message, sizeof(message), "%" PRIu64 " entries, %" PRIu64 " deliveries",
             counts->entries, counts->made);
    progress_show(webhooks_name(command), percent, message);
}

static void print_json(const struct webhooks_command *command, const struct figure *figures,
                       size_t count)
{
    json_t *root = json_object();

    json_object_set_new(root, "webhook", json_string(webhooks_id(command)));
    json_object_set_new(root, "dry_run", json_boolean(command->args->flags & CLI_DRY_RUN));
    for (size_t i = 0; i < count; i++)
        json_object_set_new(root, figures[i].name, json_integer((json_int_t)figures[i].value));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static void print(const struct webhooks_command *command, const struct replay_counts *counts)
{
    const struct figure figures[] = {
        {"entries", counts->entries, "entries of the audit trail", true},
        {"matched", counts->matched, "of them the webhook asks for", true},
        {"made", counts->made,
         command->args->flags & CLI_DRY_RUN ? "deliveries would be made" : "deliveries were made",
         true},
        {"present", counts->matched - counts->made,
         "are pending or were delivered before, and were left out", true},
        {"application", counts->application, "entries are of an application and no row changes",
         false},
        {"truncates", counts->truncates, "TRUNCATEs are not replayed", false},
        {"undecided", counts->undecided,
         "were left out: filter or owner ask for values that the trail does not have", false},
        {"incomplete", counts->incomplete,
         "lack a value that was too large for the trail, which says so in its place", false},
        {"unreadable", counts->unreadable, "entries cannot be read", false},
    };
    size_t count = sizeof(figures) / sizeof(*figures);

    if (command->args->flags & CLI_JSON) {
        print_json(command, figures, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (figures[i].always || figures[i].value > 0)
            printf("%10" PRIu64 "  %s\n", figures[i].value, figures[i].text);
}

/* What was made so far stays: the command may be run again. */
static int replay(struct webhooks_command *command)
{
    char since[WEBHOOKS_TIME_TEXT], until[WEBHOOKS_TIME_TEXT];
    const struct cli_args *args = command->args;
    const struct replay_plan plan = {
        .webhook_id = webhooks_id(command),
        .since = webhooks_time(args, CLI_SINCE, since),
        .until = webhooks_time(args, CLI_UNTIL, until),
        .events = cli_value(args, CLI_EVENTS),
        .again = args->flags & CLI_AGAIN,
        .dry_run = args->flags & CLI_DRY_RUN,
        .on_progress = on_progress,
        .arg = command,
    };
    struct replay_counts counts;
    struct err err;
    enum result result;

    if (plan.until && strcmp(plan.since, plan.until) >= 0) {
        fprintf(stderr, "pgherald: --until %s is not after --since %s\n", plan.until, plan.since);
        return EX_USAGE;
    }
    result = replay_run(command->conn, command->config, &plan, &counts, &err);
    progress_clear();
    if (result != OK) {
        int code = webhooks_fail(command, &err);

        fprintf(stderr,
                "pgherald: %" PRIu64 " deliveries were made before that; run it again to go "
                "on\n",
                counts.made);
        return code;
    }
    print(command, &counts);
    if (counts.made > 0 && !plan.dry_run)
        webhooks_warn_disabled(command);
    return EXIT_SUCCESS;
}

int cli_webhooks_replay(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    int code = webhooks_open(&command, config, args, cli_value(args, CLI_ENDPOINT));

    if (code == EXIT_SUCCESS)
        code = replay(&command);
    webhooks_close(&command);
    return code;
}
