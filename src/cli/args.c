#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lsn.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/moment.h"
#include "daemon/roles.h"
#include "row/predicate.h"

static enum result check_lsn(const char *value, struct err *err)
{
    lsn_t lsn;

    if (!lsn_parse(str_c(value), &lsn) || lsn == 0)
        return err_set(err, "\"%.40s\" is no LSN; one looks like 0/16B3748", value);
    return OK;
}

static enum result check_uuid(const char *value, struct err *err)
{
    uint8_t uuid[16];

    if (!str_to_uuid(str_c(value), uuid))
        return err_set(err, "\"%.40s\" is no uuid", value);
    return OK;
}

static enum result check_some(const char *value, struct err *err)
{
    return value[0] ? OK : err_set(err, "it is empty");
}

static enum result check_roles(const char *value, struct err *err)
{
    unsigned roles;

    return roles_parse(str_c(value), &roles, err);
}

#define MAX_LIMIT 10000

static enum result check_limit(const char *value, struct err *err)
{
    uint64_t limit;

    if (!str_to_u64(str_c(value), &limit) || limit < 1 || limit > MAX_LIMIT)
        return err_set(err, "\"%.40s\" is no number from 1 to %d", value, MAX_LIMIT);
    return OK;
}

static enum result check_number(const char *value, struct err *err)
{
    uint64_t number;

    if (!str_to_u64(str_c(value), &number) || number == 0 || number > INT64_MAX)
        return err_set(err, "\"%.40s\" is no number of a row", value);
    return OK;
}

static enum result check_moment(const char *value, struct err *err)
{
    int64_t us;

    return moment_parse(str_c(value), clock_now_us(), &us, err);
}

static enum result check_span(const char *value, struct err *err)
{
    int64_t us;

    return moment_parse_span(str_c(value), &us, err);
}

static enum result check_scheme(const char *value, struct err *err)
{
    if (!str_eq(str_c(value), STR("v1")) && !str_eq(str_c(value), STR("v1a")))
        return err_set(err, "\"%.40s\" is neither v1 nor v1a", value);
    return OK;
}

static enum result check_condition(const char *value, struct err *err)
{
    struct predicate *predicate;

    if (predicate_parse(str_c(value), &predicate, err) != OK)
        return FAILED;
    predicate_free(predicate);
    return OK;
}

static enum result check_format(const char *value, struct err *err)
{
    struct str format = str_c(value);

    if (!str_eq(format, STR("ndjson")) && !str_eq(format, STR("csv")) &&
        !str_eq(format, STR("ocsf")))
        return err_set(err, "\"%.40s\" is none of ndjson, csv, ocsf", value);
    return OK;
}

static const struct flag {
    const char *name, *alias;
    uint64_t flag;
    const char *value; /* what it takes, NULL for nothing */
    enum result (*check)(const char *value, struct err *err);
    const char *help;
} flags[] = {
    {"--config", "-c", CLI_CONFIG, "FILE", NULL, "read the settings from FILE"},
    {"--json", NULL, CLI_JSON, NULL, NULL, "print JSON"},
    {"--dry-run", NULL, CLI_DRY_RUN, NULL, NULL, "say what would be done and change nothing"},
    {"--with-seed-app", NULL, CLI_WITH_SEED_APP, NULL, NULL,
     "install the application's own tables too"},
    {"--endpos", NULL, CLI_ENDPOS, "LSN", check_lsn, "exit 0 once everything up to LSN is durable"},
    {"--role", NULL, CLI_ROLE, "ROLES", check_roles,
     "what this process does: all, or some of pipeline,dispatch,jobs"},
    {"--user", NULL, CLI_USER, "UUID", check_uuid, "of this user only"},
    {"--account", NULL, CLI_ACCOUNT, "ID", check_some, "which of them: a google_account_id"},
    {"--all", NULL, CLI_ALL, NULL, NULL, "all that are enabled"},
    {"--limit", NULL, CLI_LIMIT, "N", check_limit, "at most so many, 20 unless said"},
    {"--failing", NULL, CLI_FAILING, NULL, NULL, "only those that have trouble"},
    {"--reason", NULL, CLI_REASON, "TEXT", check_some, "what its owner reads as the reason"},
    {"--overlap", NULL, CLI_OVERLAP, "TIME", check_span,
     "how long the old secret goes on signing too, 24h unless said"},
    {"--scheme", NULL, CLI_SCHEME, "v1|v1a", check_scheme,
     "of the new secret: shared, or an ed25519 key; as it was unless said"},
    {"--delivery", NULL, CLI_DELIVERY, "N", check_number, "this one alone"},
    {"--failed", NULL, CLI_FAILED, NULL, NULL, "all that were given up"},
    {"--endpoint", NULL, CLI_ENDPOINT, "ID", check_some, "the webhook's id or name"},
    {"--since", NULL, CLI_SINCE, "TIME", check_moment,
     "from then on: 2026-11-23, 2026-11-23T10:00:00Z, or so far back: 90min, 2h, 7d"},
    {"--until", NULL, CLI_UNTIL, "TIME", check_moment, "up to then, in the same form"},
    {"--events", NULL, CLI_EVENTS, "PATTERNS", check_some,
     "of its events only those, with commas between: files.*,users.delete"},
    {"--again", NULL, CLI_AGAIN, NULL, NULL, "also what has been delivered"},
    {"--print", NULL, CLI_PRINT, NULL, NULL, "print the request and send nothing"},
    {"--show-headers", NULL, CLI_SHOW_HEADERS, NULL, NULL,
     "print the values of headers that may be credentials"},
    {"--table", NULL, CLI_TABLE, "NAME", check_some, "of this table: public.memories"},
    {"--key", NULL, CLI_KEY, "KEY", check_some,
     "of this row: its primary key, of several columns [1,\"a\"]"},
    {"--action", NULL, CLI_ACTION, "ACTIONS", check_some,
     "only those, with commas between: insert,update,delete,login"},
    {"--where", NULL, CLI_WHERE, "CONDITION", check_condition,
     "of rows like that: status=eq.failed,old.progress=lt.50"},
    {"--as-of", NULL, CLI_AS_OF, "TIME", check_moment,
     "as it was then: 2026-11-23T10:00:00Z, or so far back: 90min, 2h, 7d"},
    {"--apply", NULL, CLI_APPLY, NULL, NULL, "do it, in one transaction"},
    {"--force", NULL, CLI_FORCE, NULL, NULL, "over later changes too"},
    {"--format", NULL, CLI_FORMAT, "FORMAT", check_format, "ndjson, csv or ocsf"},
    {"--output", NULL, CLI_OUTPUT, "FILE", check_some, "write there and not to stdout"},
    {"--sample", NULL, CLI_SAMPLE, NULL, NULL, "print a file with every key explained"},
    {"--help", "-h", CLI_HELP, NULL, NULL, "say this"},
    {"--version", "-V", CLI_VERSION, NULL, NULL, "say which version this is"},
};
#define FLAG_COUNT (sizeof(flags) / sizeof(*flags))

static const struct flag *find_flag(struct str name)
{
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (str_eq(name, str_c(flags[i].name)) ||
            (flags[i].alias && str_eq(name, str_c(flags[i].alias))))
            return &flags[i];
    return NULL;
}

static size_t bit_of(uint64_t flag)
{
    size_t bit = 0;

    while (flag >>= 1)
        bit++;
    return bit;
}

const char *cli_value(const struct cli_args *args, uint64_t flag)
{
    return args->values[bit_of(flag)];
}

static enum result take_value(struct cli_args *args, const struct flag *flag, const char *value,
                              struct err *err)
{
    if (flag->check && flag->check(value, err) != OK)
        return err_context(err, "%s", flag->name);
    args->values[bit_of(flag->flag)] = value;
    return OK;
}

/* argv[*i] starts with a dash; its value may be the next word or stand behind `=`. */
static enum result parse_flag(struct cli_args *args, int argc, char **argv, int *i, struct err *err)
{
    struct str name, value;
    bool attached = str_split(str_c(argv[*i]), '=', &name, &value);
    const struct flag *flag = find_flag(name);

    if (!flag)
        return err_set(err, "unknown option %.60s", argv[*i]);
    args->flags |= flag->flag;
    if (!flag->value)
        return attached ? err_set(err, "%s takes no value", flag->name) : OK;
    if (attached)
        return take_value(args, flag, value.data, err);
    if (*i + 1 == argc)
        return err_set(err, "%s needs a value: %s", flag->name, flag->value);
    return take_value(args, flag, argv[++*i], err);
}

static const struct cli_command *find_command(const struct cli_command *commands, size_t count,
                                              const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static const struct cli_command *find_action(const struct cli_command *command, const char *name)
{
    size_t prefix = strlen(command->name) + 1;

    for (size_t i = 0; i < command->action_count; i++)
        if (strcmp(command->actions[i].name + prefix, name) == 0)
            return &command->actions[i];
    return NULL;
}

static enum result parse_word(const struct cli_command *commands, size_t count, const char *word,
                              struct cli_args *args, struct err *err)
{
    if (!args->command) {
        args->command = find_command(commands, count, word);
        return args->command
                   ? OK
                   : err_set(err, "unknown command %.60s; pgherald --help lists them", word);
    }
    if (args->command->actions) {
        const struct cli_command *group = args->command;

        args->command = find_action(group, word);
        return args->command ? OK
                             : err_set(err, "%s has no action %.60s; usage: pgherald %s",
                                       group->name, word, group->usage);
    }
    if (args->word_count == args->command->max_words)
        return err_set(err, "\"%.60s\" is one word too many; usage: pgherald %s", word,
                       args->command->usage);
    args->words[args->word_count++] = word;
    return OK;
}

/* Options may stand before and after the command, so this comes last. */
static enum result check_whole(struct cli_args *args, struct err *err)
{
    uint64_t allowed = CLI_HELP | CLI_VERSION | CLI_CONFIG;

    if (!args->command)
        return (args->flags & (CLI_HELP | CLI_VERSION)) != 0
                   ? OK
                   : err_set(err, "a command is missing; pgherald --help lists them");
    if (args->command->actions && !(args->flags & CLI_HELP))
        args->command = &args->command->actions[0];
    allowed |= args->command->flags;
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (args->flags & flags[i].flag & ~allowed)
            return err_set(err, "%s is not for %s; usage: pgherald %s", flags[i].name,
                           args->command->name, args->command->usage);
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (args->command->needs & flags[i].flag & ~args->flags && !(args->flags & CLI_HELP))
            return err_set(err, "%s needs %s; usage: pgherald %s", args->command->name,
                           flags[i].name, args->command->usage);
    if (args->word_count < args->command->min_words && !(args->flags & CLI_HELP))
        return err_set(err, "%s needs more words; usage: pgherald %s", args->command->name,
                       args->command->usage);
    return OK;
}

enum result cli_parse(const struct cli_command *commands, size_t count, int argc, char **argv,
                      struct cli_args *args, struct err *err)
{
    *args = (struct cli_args){0};
    for (int i = 1; i < argc; i++) {
        enum result result = argv[i][0] == '-' ? parse_flag(args, argc, argv, &i, err)
                                               : parse_word(commands, count, argv[i], args, err);

        if (result != OK)
            return FAILED;
    }
    return check_whole(args, err);
}

static void add_flags(uint64_t which, struct buf *out)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char name[64];

        if (!(which & flags[i].flag))
            continue;
        snprintf(name, sizeof(name), "%s%s%s%s%s", flags[i].alias ? flags[i].alias : "",
                 flags[i].alias ? ", " : "", flags[i].name, flags[i].value ? " " : "",
                 flags[i].value ? flags[i].value : "");
        buf_addf(out, "  %-22s %s\n", name, flags[i].help);
    }
}

static void write_command_help(const struct cli_command *command, struct buf *out)
{
    uint64_t own = command->flags;

    buf_addf(out, "usage: pgherald %s\n\n%s\n\n", command->usage,
             command->help ? command->help : command->summary);
    for (size_t i = 0; i < command->action_count; i++) {
        const struct cli_command *action = &command->actions[i];

        own |= action->flags;
        buf_addf(out, "  pgherald %s\n      %s\n", action->usage, action->summary);
    }
    if (command->action_count > 0)
        buf_add_char(out, '\n');
    add_flags(own | CLI_CONFIG | CLI_HELP, out);
    if (!command->lists_settings)
        return;
    buf_add_c(out, "\nSettings, in the file or as PGHERALD_<KEY> in the environment:\n\n");
    config_write_help(out);
}

void cli_write_help(const struct cli_command *commands, size_t count,
                    const struct cli_command *command, struct buf *out)
{
    if (command) {
        write_command_help(command, out);
        return;
    }
    buf_add_c(out, "pgherald " PGHERALD_VERSION
                   ": turns the changes of a PostgreSQL database into an audit trail,\n"
                   "notifications, webhooks and live messages.\n\n"
                   "usage: pgherald [-c FILE] COMMAND [options]\n\n");
    for (size_t i = 0; i < count; i++)
        buf_addf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    buf_add_c(out, "\n");
    add_flags(CLI_CONFIG | CLI_HELP | CLI_VERSION, out);
    buf_add_c(
        out,
        "\nWithout -c the settings come from conf/pgherald.conf if it is there, else from\n"
        "/etc/pgherald.conf, and PGHERALD_<KEY> in the environment overrides each.\n"
        "pgherald COMMAND --help tells more of a command, pgherald config --help of the settings.\n"
        "\nExit codes: 0 fine; 1 a check failed or the work could not be done; 64 wrong usage;\n"
        "71 the machine lacks something (memory, threads); 78 the settings are wrong.\n");
}

const char *cli_config_path(const struct cli_args *args)
{
    static const char *const usual[] = {"conf/pgherald.conf", "/etc/pgherald.conf"};

    if (cli_value(args, CLI_CONFIG))
        return cli_value(args, CLI_CONFIG);
    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
        if (access(usual[i], F_OK) == 0)
            return usual[i];
    return NULL;
}

bool cli_has_database(const struct config *config)
{
    if (config->database_url[0])
        return true;
    fputs("pgherald: database_url is not set. Put it in the settings file, or in the environment:\n"
          "  PGHERALD_DATABASE_URL=postgresql://user@host/database\n",
          stderr);
    return false;
}
