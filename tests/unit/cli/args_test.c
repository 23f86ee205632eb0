#include "unit.h"

#include "cli/cli.h"

static const struct cli_command thing_actions[] = {
    {.name = "things list",
     .flags = CLI_JSON | CLI_LIMIT,
     .usage = "things [list] [--json]",
     .summary = "lists them"},
    {.name = "things own",
     .flags = CLI_USER | CLI_ACCOUNT,
     .needs = CLI_USER,
     .usage = "things own --user UUID [--account ID]",
     .summary = "says whose they are"},
    {.name = "things move",
     .flags = CLI_DRY_RUN,
     .min_words = 1,
     .max_words = 2,
     .usage = "things move NAME [WHERE] [--dry-run]",
     .summary = "moves one"},
};

static const struct cli_command commands[] = {
    {.name = "init",
     .flags = CLI_JSON | CLI_DRY_RUN,
     .usage = "init [--json]",
     .summary = "makes it",
     .help = "Makes it all."},
    {.name = "run",
     .flags = CLI_ENDPOS,
     .usage = "run [--endpos LSN]",
     .summary = "runs it",
     .help = "Runs it.",
     .lists_settings = true},
    {.name = "things",
     .usage = "things [list|move]",
     .summary = "all about things",
     .help = "All about things.",
     .actions = thing_actions,
     .action_count = COUNT(thing_actions)},
};

#define MAX_WORDS 8

static enum result parse(const char *const *words, struct cli_args *args, struct err *err)
{
    char *argv[MAX_WORDS + 2] = {(char[]){"pgherald"}};
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    return cli_parse(commands, COUNT(commands), argc, argv, args, err);
}

static void parses(void **state)
{
    static const struct row {
        const char *says;
        const char *words[MAX_WORDS];
        unsigned flags;
        const char *command, *config, *endpos;
        size_t word_count;
    } rows[] = {
        {"a command", {"init"}, 0, "init", NULL, NULL, 0},
        {"with options",
         {"init", "--json", "--dry-run"},
         CLI_JSON | CLI_DRY_RUN,
         "init",
         NULL,
         NULL,
         0},
        {"options in front", {"--json", "init"}, CLI_JSON, "init", NULL, NULL, 0},
        {"a file in front", {"-c", "x.conf", "init"}, CLI_CONFIG, "init", "x.conf", NULL, 0},
        {"a file behind", {"init", "-c", "x.conf"}, CLI_CONFIG, "init", "x.conf", NULL, 0},
        {"the long name", {"init", "--config=x.conf"}, CLI_CONFIG, "init", "x.conf", NULL, 0},
        {"a value of its own", {"run", "--endpos", "0/10"}, CLI_ENDPOS, "run", NULL, "0/10", 0},
        {"attached", {"run", "--endpos=1/0"}, CLI_ENDPOS, "run", NULL, "1/0", 0},
        {"the first action", {"things", "--json"}, CLI_JSON, "things list", NULL, NULL, 0},
        {"an action", {"things", "move", "a"}, 0, "things move", NULL, NULL, 1},
        {"with all words",
         {"things", "--dry-run", "move", "a", "b"},
         CLI_DRY_RUN,
         "things move",
         NULL,
         NULL,
         2},
        {"an option that is needed",
         {"things", "own", "--user", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
         CLI_USER,
         "things own",
         NULL,
         NULL,
         0},
        {"help without what is needed",
         {"things", "own", "-h"},
         CLI_HELP,
         "things own",
         NULL,
         NULL,
         0},
        {"a limit", {"things", "--limit", "10000"}, CLI_LIMIT, "things list", NULL, NULL, 0},
        {"help of actions", {"things", "--help"}, CLI_HELP, "things", NULL, NULL, 0},
        {"help of an action", {"things", "move", "-h"}, CLI_HELP, "things move", NULL, NULL, 0},
        {"help", {"--help"}, CLI_HELP, NULL, NULL, NULL, 0},
        {"help of a command", {"run", "-h"}, CLI_HELP, "run", NULL, NULL, 0},
        {"the version", {"-V"}, CLI_VERSION, NULL, NULL, NULL, 0},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct cli_args args;

            if (parse(r->words, &args, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            CHECK(args.flags == r->flags, r->says);
            CHECK(args.word_count == r->word_count, r->says);
            CHECK_STR(str_c(cli_value(&args, CLI_ENDPOS)), str_c(r->endpos), r->says);
            CHECK_STR(str_c(args.command ? args.command->name : NULL), str_c(r->command), r->says);
            CHECK_STR(str_c(cli_value(&args, CLI_CONFIG)), str_c(r->config), r->says);
        }
}

static void refuses(void **state)
{
    static const struct row {
        const char *says;
        const char *words[MAX_WORDS];
        const char *error;
    } rows[] = {
        {"no command", {NULL}, "a command is missing"},
        {"only a file", {"-c", "x"}, "a command is missing"},
        {"an unknown command", {"start"}, "unknown command start"},
        {"two commands", {"init", "run"}, "\"run\" is one word too many"},
        {"an unknown option", {"init", "--jason"}, "unknown option --jason"},
        {"an option of another command",
         {"run", "--json"},
         "--json is not for run; usage: pgherald run"},
        {"a value where there is none", {"init", "--json=yes"}, "--json takes no value"},
        {"no value where there is one", {"run", "--endpos"}, "--endpos needs a value: LSN"},
        {"no LSN", {"run", "--endpos", "now"}, "\"now\" is no LSN"},
        {"no such action", {"things", "lose"}, "things has no action lose; usage: pgherald things"},
        {"a word too few", {"things", "move"}, "things move needs more words"},
        {"a word too many", {"things", "move", "a", "b", "c"}, "\"c\" is one word too many"},
        {"an option of another action", {"things", "list", "--dry-run"}, "is not for things list"},
        {"an option that is needed", {"things", "own"}, "things own needs --user; usage: pgherald"},
        {"another option does not do",
         {"things", "own", "--account", "1"},
         "things own needs --user"},
        {"no uuid", {"things", "own", "--user", "ann"}, "--user: \"ann\" is no uuid"},
        {"an empty account", {"things", "own", "--account="}, "--account: it is empty"},
        {"a limit of none", {"things", "--limit", "0"}, "\"0\" is no number from 1 to 10000"},
        {"a limit of too many", {"things", "--limit=10001"}, "is no number from 1 to 10000"},
        {"a limit that is no number", {"things", "--limit", "-1"}, "is no number"},
        {"LSN 0", {"run", "--endpos", "0/0"}, "is no LSN"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct cli_args args;

            CHECK(parse(r->words, &args, &err) == FAILED, r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
        }
}

static void helps(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1000000);
    cli_write_help(commands, COUNT(commands), NULL, &out);
    CHECK(strstr(out.data, "  init      makes it\n") && strstr(out.data, "Exit codes"),
          "the whole");
    buf_clear(&out);
    cli_write_help(commands, COUNT(commands), &commands[0], &out);
    CHECK(strstr(out.data, "usage: pgherald init [--json]") && strstr(out.data, "--dry-run"),
          "one");
    CHECK(!strstr(out.data, "--endpos") && !strstr(out.data, "slot_name"), "and only its own");
    buf_clear(&out);
    cli_write_help(commands, COUNT(commands), &commands[1], &out);
    CHECK(strstr(out.data, "slot_name = pgherald"), "with the settings where they matter");
    buf_clear(&out);
    cli_write_help(commands, COUNT(commands), &commands[2], &out);
    CHECK(strstr(out.data, "  pgherald things move NAME") && strstr(out.data, "moves one"),
          "with its actions");
    CHECK(strstr(out.data, "--json") && strstr(out.data, "--dry-run"), "and their options");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(helps),
    };

    return cmocka_run_group_tests_name("cli/args", tests, NULL, NULL);
}
