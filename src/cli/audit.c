/* pgherald audit: what its actions share, and which there are. */
#include "cli/audit.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/moment.h"
#include "embedded.h"

#define HOST_TEXT 256
#define CLOCK_SKEW_US (INT64_C(60) * 1000 * 1000)

int audit_open(struct audit_command *command, const struct config *config,
               const struct cli_args *args)
{
    struct err err;

    *command = (struct audit_command){.args = args};
    signal(SIGPIPE, SIG_DFL); /* `| head` has seen enough: end without a word */
    if (!cli_has_database(config))
        return EX_CONFIG;
    if (pg_sync_open(config->database_url, "pgherald audit", &command->conn, &err) == OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "pgherald: %s\n", err.message);
    return EXIT_FAILURE;
}

int audit_close(struct audit_command *command, enum result result, const struct err *err)
{
    int code = result == OK ? EXIT_SUCCESS : EXIT_FAILURE;

    if (result != OK) {
        ask_complain(command->conn, err);
    } else if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "pgherald: cannot write to stdout: %s\n", strerror(errno));
        code = EXIT_FAILURE;
    }
    pg_sync_close(command->conn);
    return code;
}

/* ---------------------------------------------------------------- the note */

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value)
        json_object_set_new(object, key, json_string(value)); /* what is no UTF-8 is left out */
}

/* Who runs this, as the machine knows him: also who he was before sudo. */
static void add_operator(json_t *asked)
{
    const struct passwd *user = getpwuid(geteuid());
    char host[HOST_TEXT] = "";

    set_text(asked, "os_user", user ? user->pw_name : NULL);
    set_text(asked, "sudo_user", getenv("SUDO_USER"));
    if (gethostname(host, sizeof(host) - 1) == 0)
        set_text(asked, "host", host);
}

static char *what_was_asked(const struct cli_args *args)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } values[] = {{"user", CLI_USER},     {"since", CLI_SINCE},   {"until", CLI_UNTIL},
                  {"action", CLI_ACTION}, {"where", CLI_WHERE},   {"as_of", CLI_AS_OF},
                  {"format", CLI_FORMAT}, {"output", CLI_OUTPUT}, {"table", CLI_TABLE},
                  {"key", CLI_KEY}};
    json_t *asked = json_object(), *words = json_array();
    char *text;

    set_text(asked, "command", args->command->name);
    for (size_t i = 0; i < args->word_count; i++)
        json_array_append_new(words, json_string(args->words[i]));
    if (args->word_count > 0)
        json_object_set(asked, "words", words);
    json_decref(words);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        set_text(asked, values[i].name, cli_value(args, values[i].flag));
    if (args->flags & CLI_APPLY)
        json_object_set_new(asked, "apply", json_true());
    if (args->flags & CLI_FORCE)
        json_object_set_new(asked, "force", json_true());
    add_operator(asked);
    text = json_dumps(asked, JSON_COMPACT);
    json_decref(asked);
    return text;
}

enum result audit_note(struct audit_command *command, const char *action, const char *outcome,
                       struct err *err)
{
    char *asked = what_was_asked(command->args);
    const char *params[] = {action, asked, outcome};
    enum result result = pg_sync_run(command->conn, sql_audit_note, params, 3, NULL, err);

    free(asked);
    return result;
}

/* Less than all of the trail would look like all of it. */
static enum result check_rights(struct audit_command *command, struct err *err)
{
    enum result result = OK;
    struct pg_rows *rows;

    if (pg_sync_run(command->conn, sql_audit_may_read, NULL, 0, &rows, err) != OK)
        return FAILED;
    if (pg_rows_is_true(rows, 0, 0))
        result = err_set(err, "row level security hides entries of the audit trail from this "
                              "login: connect as its owner, or as a role with bypassrls");
    pg_rows_free(rows);
    return result;
}

static enum result check_tables(struct audit_command *command, const char *tables, struct err *err)
{
    enum result result = OK;
    struct pg_rows *rows;

    if (pg_sync_run(command->conn, sql_audit_unknown, &tables, 1, &rows, err) != OK)
        return FAILED;
    if (!pg_rows_is_null(rows, 0, 0))
        result = err_set(err,
                         "neither the database nor the audit trail has %s: name tables like "
                         "public.memories",
                         pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    return result;
}

enum result audit_begin(struct audit_command *command, const char *action, const char *tables,
                        struct err *err)
{
    if (audit_note(command, action, NULL, err) != OK || check_rights(command, err) != OK)
        return FAILED;
    return tables ? check_tables(command, tables, err) : OK;
}

/* ---------------------------------------------------------------- filters */

static bool read_time(const struct cli_args *args, uint64_t flag, int64_t *us)
{
    const char *value = cli_value(args, flag);
    struct err err;

    return value && moment_parse(str_c(value), clock_now_us(), us, &err) == OK;
}

const char *audit_time(const struct cli_args *args, uint64_t flag, char out[AUDIT_TIME_TEXT])
{
    int64_t us;

    return read_time(args, flag, &us) ? clock_iso_us(us, out) : NULL;
}

bool audit_times_are_sane(const struct cli_args *args)
{
    int64_t since, until, as_of;

    if (read_time(args, CLI_SINCE, &since) && read_time(args, CLI_UNTIL, &until) && since > until) {
        fputs("pgherald: --since is behind --until\n", stderr);
        return false;
    }
    if (read_time(args, CLI_AS_OF, &as_of) && as_of > clock_now_us() + CLOCK_SKEW_US) {
        fputs("pgherald: --as-of is in the future\n", stderr);
        return false;
    }
    return true;
}

bool audit_filter_init(struct audit_filter *filter, const struct cli_args *args)
{
    const char *const params[AUDIT_FILTERS] = {cli_value(args, CLI_TABLE),
                                               cli_value(args, CLI_KEY),
                                               cli_value(args, CLI_USER),
                                               audit_time(args, CLI_SINCE, filter->since),
                                               audit_time(args, CLI_UNTIL, filter->until),
                                               cli_value(args, CLI_ACTION)};

    memcpy(filter->params, params, sizeof(params));
    if (cli_value(args, CLI_KEY) && !cli_value(args, CLI_TABLE)) {
        fputs("pgherald: --key is of a row: name its table with --table\n", stderr);
        return false;
    }
    return audit_times_are_sane(args);
}

/* ---------------------------------------------------------------- reading */

struct page {
    audit_row_cb *each;
    void *arg;
    bool more;
};

static enum result take_row(void *arg, const struct pg_rows *rows, struct err *err)
{
    struct page *page = arg;

    return page->more ? page->each(page->arg, rows, &page->more, err) : OK;
}

/* A cursor, since it can be left in the middle; nothing is written, so it ends by rollback. After a
 * refusal the connection is of no more use. */
enum result audit_each(struct audit_command *command, const char *sql, const char *const *params,
                       size_t count, audit_row_cb *each, void *arg, struct err *err)
{
    struct page page = {each, arg, true};
    size_t rows;

    if (pg_sync_run(command->conn, "begin transaction read only", NULL, 0, NULL, err) != OK ||
        pg_sync_run(command->conn, sql, params, count, NULL, err) != OK)
        return FAILED;
    while (page.more) {
        if (pg_sync_each(command->conn, sql_audit_fetch, take_row, &page, &rows, err) != OK)
            return FAILED;
        page.more = page.more && rows > 0;
    }
    return pg_sync_run(command->conn, "rollback", NULL, 0, NULL, err);
}

json_t *audit_json(const struct pg_rows *rows, size_t column)
{
    if (pg_rows_is_null(rows, 0, column))
        return NULL;
    return json_loads(pg_rows_text(rows, 0, column), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

void audit_print_member(size_t count, const char *json)
{
    printf("%s  %s", count == 1 ? "[\n" : ",\n", json);
}

void audit_print_end(size_t count)
{
    puts(count > 0 ? "\n]" : "[]");
}

/* ---------------------------------------------------------------- the actions */

const struct cli_command cli_audit_actions[CLI_AUDIT_ACTION_COUNT] = {
    {.name = "audit log",
     .flags = CLI_JSON | CLI_TABLE | CLI_KEY | CLI_USER | CLI_SINCE | CLI_UNTIL | CLI_ACTION |
              CLI_WHERE | CLI_LIMIT,
     .usage = "audit [log] [--table NAME [--key KEY]] [--user UUID] [--since TIME] [--until TIME]\n"
              "       [--action ACTIONS] [--where CONDITION] [--limit N] [--json]",
     .summary = "entries, the newest first",
     .run = audit_log},
    {.name = "audit history",
     .flags = CLI_JSON | CLI_SINCE | CLI_UNTIL,
     .min_words = 2,
     .max_words = 2,
     .usage = "audit history TABLE KEY [--since TIME] [--until TIME] [--json]",
     .summary = "every version of a row: who, when, and what differs",
     .run = audit_history},
    {.name = "audit show",
     .flags = CLI_JSON | CLI_AS_OF,
     .needs = CLI_AS_OF,
     .min_words = 2,
     .max_words = 2,
     .usage = "audit show --as-of TIME TABLE KEY [--json]",
     .summary = "a row as it was, in JSON; null if it was not there",
     .run = audit_show},
    {.name = "audit revert",
     .flags = CLI_JSON | CLI_TABLE | CLI_SINCE | CLI_UNTIL | CLI_APPLY | CLI_FORCE,
     .max_words = 1,
     .usage = "audit revert XID [--since TIME] [--until TIME] [--apply [--force]] [--json]\n"
              "       pgherald audit revert --table NAMES --since TIME [--until TIME] [--apply "
              "[--force]] "
              "[--json]",
     .summary = "print the SQL that undoes a transaction, or what happened to tables; or do it",
     .help =
         "Statements find their rows only while these are as the changes left them. With "
         "--apply all\n"
         "of them are run in one transaction, or none: what was changed since is a conflict and "
         "is\n"
         "refused (not with --force), and so is what the trail has no values for (always). "
         "Exits 1\n"
         "if anything cannot be undone. Several tables have commas between.",
     .run = audit_revert},
    {.name = "audit export",
     .flags = CLI_TABLE | CLI_KEY | CLI_USER | CLI_SINCE | CLI_UNTIL | CLI_ACTION | CLI_FORMAT |
              CLI_OUTPUT,
     .needs = CLI_FORMAT,
     .usage = "audit export --format ndjson|csv|ocsf [--table NAME [--key KEY]] [--user UUID]\n"
              "       [--since TIME] [--until TIME] [--action ACTIONS] [--output FILE]",
     .summary = "entries as lines of JSON, CSV, or OCSF Entity Management (class 3004)",
     .run = audit_export},
};
