/* The subcommands of the program. Each gets the settings and what stood on the command line, and
 * returns an exit code: EXIT_SUCCESS, EXIT_FAILURE (a check failed, the work could not be done), or
 * EX_USAGE, EX_OSERR, EX_CONFIG of sysexits.h. */
#ifndef PGHERALD_CLI_CLI_H
#define PGHERALD_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"

#define CLI_MAX_WORDS 16

/* Bits, so that a command can say which it takes. */
enum cli_flag {
    CLI_JSON = 1 << 0,
    CLI_DRY_RUN = 1 << 1,
    CLI_WITH_SEED_APP = 1 << 2,
    CLI_SAMPLE = 1 << 3,
    CLI_HELP = 1 << 4,
    CLI_VERSION = 1 << 5,
    CLI_ENDPOS = 1 << 6, /* takes a value, as those below */
    CLI_CONFIG = 1 << 7,
    CLI_USER = 1 << 8,
    CLI_ACCOUNT = 1 << 9,
    CLI_LIMIT = 1 << 10,
    CLI_ALL = 1 << 11,  /* takes none */
    CLI_ROLE = 1 << 12, /* of run; takes a value */
    /* of webhooks */
    CLI_FAILING = 1 << 16,
    CLI_FAILED = 1 << 17,
    CLI_AGAIN = 1 << 18,
    CLI_PRINT = 1 << 19,
    CLI_SHOW_HEADERS = 1 << 20,
    CLI_REASON = 1 << 21, /* takes a value, as those below */
    CLI_OVERLAP = 1 << 22,
    CLI_SCHEME = 1 << 23,
    CLI_DELIVERY = 1 << 24,
    CLI_ENDPOINT = 1 << 25,
    CLI_SINCE = 1 << 26,
    CLI_UNTIL = 1 << 27,
    CLI_EVENTS = 1 << 28
};

/* Of audit, beyond what an enumerator holds. */
#define CLI_TABLE (UINT64_C(1) << 32)
#define CLI_KEY (UINT64_C(1) << 33)
#define CLI_ACTION (UINT64_C(1) << 34)
#define CLI_WHERE (UINT64_C(1) << 35)
#define CLI_AS_OF (UINT64_C(1) << 36)
#define CLI_APPLY (UINT64_C(1) << 37) /* takes none */
#define CLI_FORCE (UINT64_C(1) << 38) /* takes none */
#define CLI_FORMAT (UINT64_C(1) << 39)
#define CLI_OUTPUT (UINT64_C(1) << 40)
#define CLI_FLAG_BITS 64

struct cli_command;

struct cli_args {
    uint64_t flags;
    const struct cli_command *command; /* NULL: only --help or --version */
    const char *values[CLI_FLAG_BITS]; /* by the flag's bit; read them with cli_value() */
    const char *words[CLI_MAX_WORDS];  /* what stands behind the command */
    size_t word_count;
};

struct cli_command {
    const char *name; /* of an action: "jobs run" */
    uint64_t flags;   /* which are allowed, besides CLI_HELP and CLI_CONFIG */
    uint64_t needs;   /* which of them have to be given */
    /* How many words have to stand behind it, and how many may: at most CLI_MAX_WORDS. */
    size_t min_words, max_words;
    const char *usage;
    const char *summary;    /* a line of `pgherald --help` */
    const char *help;       /* what `pgherald NAME --help` says */
    bool lists_settings;    /* its help ends in the list of settings */
    bool needs_no_settings; /* it must work with a broken file; `run` gets NULL for the settings */
    /* A command of several actions; the first is meant when none is named. Then `run` is NULL. */
    const struct cli_command *actions;
    size_t action_count;
    int (*run)(const struct config *config, const struct cli_args *args);
};

/* Reads the command line. On FAILED err says what is wrong and what is allowed. */
enum result cli_parse(const struct cli_command *commands, size_t count, int argc, char **argv,
                      struct cli_args *args, struct err *err) MUST_CHECK;

/* The value that was given with a flag, NULL if it was not; its form has been checked. */
const char *cli_value(const struct cli_args *args, uint64_t flag);

/* `pgherald --help`, or of one command. */
void cli_write_help(const struct cli_command *commands, size_t count,
                    const struct cli_command *command, struct buf *out);

/* The file to read: the given one, else ./conf/pgherald.conf, else /etc/pgherald.conf, else NULL.
 */
const char *cli_config_path(const struct cli_args *args);

/* For commands that speak with the database; false, with a message on stderr, if it is not set. */
bool cli_has_database(const struct config *config);

int cli_init(const struct config *config, const struct cli_args *args);
int cli_status(const struct config *config, const struct cli_args *args);
int cli_doctor(const struct config *config, const struct cli_args *args);
int cli_settings(const struct config *config, const struct cli_args *args);

/* Commands of several actions. */
#define CLI_OAUTH_ACTION_COUNT 6
extern const struct cli_command cli_oauth_actions[CLI_OAUTH_ACTION_COUNT];
#define CLI_JOBS_ACTION_COUNT 5
extern const struct cli_command cli_jobs_actions[CLI_JOBS_ACTION_COUNT];
#define CLI_AUDIT_ACTION_COUNT 5
extern const struct cli_command cli_audit_actions[CLI_AUDIT_ACTION_COUNT];
#define CLI_WEBHOOKS_ACTION_COUNT 8
extern const struct cli_command cli_webhooks_actions[CLI_WEBHOOKS_ACTION_COUNT];

#endif
