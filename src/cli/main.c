#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/version.h"
#include "cli/cli.h"
#include "cli/memory.h"
#include "daemon/daemon.h"
#include "daemon/privileges.h"
#include "daemon/roles.h"

static int run_daemon(const struct config *config, const struct cli_args *args)
{
    lsn_t endpos = 0; /* its form has been checked, and that of the roles */
    unsigned roles = ROLE_ALL;
    struct err err;

    if (!cli_has_database(config))
        return EX_CONFIG;
    if (args->flags & CLI_ENDPOS)
        (void)lsn_parse(str_c(cli_value(args, CLI_ENDPOS)), &endpos);
    if (args->flags & CLI_ROLE)
        (void)!roles_parse(str_c(cli_value(args, CLI_ROLE)), &roles, &err);
    if (endpos && !(roles & ROLE_PIPELINE)) {
        fputs("pgherald: --endpos needs the role pipeline\n", stderr);
        return EX_USAGE;
    }
    if (privileges_drop(config->run_as, &err) != OK) {
        fprintf(stderr, "pgherald: %s\n", err.message);
        return EX_CONFIG;
    }
    return daemon_run(config, cli_config_path(args), endpos, roles);
}

static const struct cli_command commands[] = {
    {.name = "init",
     .flags = CLI_JSON | CLI_DRY_RUN | CLI_WITH_SEED_APP,
     .usage = "init [--with-seed-app] [--dry-run] [--json]",
     .summary = "install or upgrade the schema, the publication and the slot",
     .help =
         "Applies the migrations that are missing, each in a transaction of its own, brings the\n"
         "publication up to date and makes the replication slot. May be run at any time; what is\n"
         "there already is left alone. Changes are kept by the server from the moment on in which\n"
         "the slot is made.",
     .run = cli_init},
    {.name = "run",
     .flags = CLI_ENDPOS | CLI_ROLE,
     .usage = "run [--role ROLES] [--endpos LSN]",
     .summary = "the daemon",
     .help =
         "Reads the stream until SIGTERM or SIGINT, which finish what is under way. SIGHUP reads\n"
         "the settings again and applies those that can be changed (log_level).\n"
         "Work can be shared by several processes: of the role dispatch, which calls webhooks, "
         "and\n"
         "jobs there may be many, of pipeline (the stream, and the browsers) one for each slot. "
         "Each\n"
         "has an admin_listen of its own; only pipeline listens for browsers.",
     .lists_settings = true,
     .run = run_daemon},
    {.name = "status",
     .flags = CLI_JSON,
     .usage = "status [--json]",
     .summary = "slot, lag, checkpoint, queues, clients, deliveries, jobs",
     .help = "Asks the database and the daemon. Exits 1 if the daemon, the slot or a job is not "
             "healthy.",
     .run = cli_status},
    {.name = "doctor",
     .flags = CLI_JSON,
     .usage = "doctor [--json]",
     .summary = "check every precondition and say how to meet it",
     .help = "One line a check: ok, warn or fail, with the remedy. Exits 1 if one fails. To see "
             "whether\n"
             "the output plugin is there, a temporary slot is made if there is no other.",
     .run = cli_doctor},
    {.name = "jobs",
     .usage = "jobs [list|run|history|enable|disable]",
     .summary = "list and run the maintenance jobs",
     .help =
         "Maintenance is run by the daemons when it is due (setting jobs). This looks at it, and\n"
         "runs it now: here, or, if another instance is at it, by waiting for that one. When and\n"
         "how long things are kept is in the table pgherald.jobs.",
     .actions = cli_jobs_actions,
     .action_count = CLI_JOBS_ACTION_COUNT},
    {.name = "webhooks",
     .usage = "webhooks [list|show|test|enable|disable|rotate|retry|replay]",
     .summary = "look at webhooks, try, mend and replay them",
     .help =
         "Webhooks are rows of public.webhooks; ID is one's id, or its name if no other has it. "
         "What\n"
         "these commands change takes effect in the daemons by itself. docs/webhooks.md tells "
         "more.",
     .actions = cli_webhooks_actions,
     .action_count = CLI_WEBHOOKS_ACTION_COUNT},
    {.name = "audit",
     .usage = "audit [log|history|show|revert|export]",
     .summary = "read the audit trail, see rows as they were, undo changes",
     .help = "Tables are named as in the trail: public.memories. Each of these commands makes an "
             "entry in\n"
             "the trail itself: who asked for what. docs/audit-history.md tells more.",
     .actions = cli_audit_actions,
     .action_count = CLI_AUDIT_ACTION_COUNT},
    {.name = "config",
     .flags = CLI_SAMPLE,
     .usage = "config [--sample]",
     .summary = "print the settings in force, without secrets",
     .help = "Prints what the file and the environment come to.",
     .lists_settings = true,
     .run = cli_settings},
    {.name = "oauth",
     .usage = "oauth [list|put|get|rotate|check|keygen]",
     .summary = "OAuth tokens, sealed in google_oauth_tokens",
     .help = "Seals tokens into the table, opens them, and moves them from one key to another. The "
             "keys\n"
             "are the setting encryption_keys and never in the database. No token and no key "
             "stands on\n"
             "a command line, in a log or in an error. docs/oauth-tokens.md tells more.",
     .actions = cli_oauth_actions,
     .action_count = CLI_OAUTH_ACTION_COUNT},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static int print_help(const struct cli_command *command)
{
    struct buf out;

    buf_init(&out, 1024 * 1024);
    cli_write_help(commands, COMMAND_COUNT, command, &out);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
    return EXIT_SUCCESS;
}

/* `config --sample` must work with a broken file: it is what one mends it with. So must what makes
 * the key that a file lacks. */
static bool needs_settings(const struct cli_args *args)
{
    return !(args->flags & CLI_SAMPLE) && !args->command->needs_no_settings;
}

static int run_command(const struct cli_args *args)
{
    struct config *config = NULL;
    struct err err;
    int code;

    if (needs_settings(args)) {
        if (config_load(cli_config_path(args), &config, &err) != OK) {
            fprintf(stderr, "pgherald: %s\n", err.message);
            return EX_CONFIG;
        }
        log_setup(config->log_level, config->log_format);
    }
    code = args->command->run(config, args);
    config_free(config);
    if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
        code = EXIT_FAILURE;
    return code;
}

int main(int argc, char **argv)
{
    struct cli_args args;
    struct err err;

    memory_of_libraries();
    if (cli_parse(commands, COMMAND_COUNT, argc, argv, &args, &err) != OK) {
        fprintf(stderr, "pgherald: %s\n", err.message);
        return EX_USAGE;
    }
    if (args.flags & CLI_HELP)
        return print_help(args.command);
    if (args.flags & CLI_VERSION) {
        puts("pgherald " PGHERALD_VERSION);
        return EXIT_SUCCESS;
    }
    return run_command(&args);
}
