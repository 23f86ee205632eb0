/* pgherald audit revert. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/audit.h"
#include "embedded.h"

#define PARAMS 5
#define OUTCOME_TEXT 64
#define MAX_STEP ((size_t)2 << 30)

struct revert {
    bool json;
    size_t count, problems, conflicts;
    char since[AUDIT_TIME_TEXT], until[AUDIT_TIME_TEXT];
    const char *params[PARAMS];
};

static int check(struct revert *revert, const struct cli_args *args)
{
    const char *xid = args->word_count > 0 ? args->words[0] : NULL;
    uint64_t number;

    if (xid && (!str_to_u64(str_c(xid), &number) || number > UINT32_MAX)) {
        fprintf(stderr, "pgherald: \"%.40s\" is no number of a transaction\n", xid);
        return EX_USAGE;
    }
    if (xid ? args->flags & CLI_TABLE
            : (args->flags & (CLI_TABLE | CLI_SINCE)) != (CLI_TABLE | CLI_SINCE)) {
        fputs("pgherald: name a transaction, or a table and since when; pgherald audit --help\n",
              stderr);
        return EX_USAGE;
    }
    if ((args->flags & CLI_FORCE) && !(args->flags & CLI_APPLY)) {
        fputs("pgherald: --force is for --apply\n", stderr);
        return EX_USAGE;
    }
    if (!audit_times_are_sane(args))
        return EX_USAGE;
    revert->params[0] = xid;
    revert->params[1] = cli_value(args, CLI_TABLE);
    revert->params[2] = audit_time(args, CLI_SINCE, revert->since);
    revert->params[3] = audit_time(args, CLI_UNTIL, revert->until);
    revert->params[4] = args->flags & CLI_FORCE ? "on" : "off";
    return EXIT_SUCCESS;
}

static void print_step(const struct revert *revert, const json_t *step)
{
    struct buf out;

    buf_init(&out, MAX_STEP);
    if (revert->count == 1)
        buf_add_c(&out, "begin;\n"
                        "set local timezone = 'UTC';\n"
                        "set local datestyle = 'ISO, YMD';\n"
                        "set local intervalstyle = 'postgres';\n"
                        "set constraints all deferred;\n");
    audit_add_step(&out, step);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
}

static enum result take_step(void *arg, const struct pg_rows *rows, bool *more, struct err *err)
{
    struct revert *revert = arg;
    json_t *step = audit_json(rows, 0);

    (void)more;
    if (!step)
        return err_set(err, "a step is no JSON");
    revert->count++;
    revert->problems += json_is_string(json_object_get(step, "problem"));
    revert->conflicts += json_is_string(json_object_get(step, "conflict"));
    if (revert->json)
        audit_print_member(revert->count, pg_rows_text(rows, 0, 0));
    else
        print_step(revert, step);
    json_decref(step);
    return OK;
}

static void conclude(const struct revert *revert)
{
    if (revert->json) {
        audit_print_end(revert->count);
    } else if (revert->count > 0) {
        puts("\ncommit;");
    } else {
        puts("-- the audit trail has no such changes");
    }
    if (revert->problems > 0)
        fprintf(stderr, "pgherald: %zu of %zu changes cannot be undone\n", revert->problems,
                revert->count);
    if (revert->conflicts > 0)
        fprintf(stderr, "pgherald: %zu of %zu changes are in conflict with later ones\n",
                revert->conflicts, revert->count);
}

static enum result print_steps(struct audit_command *command, struct revert *revert,
                               struct err *err)
{
    if (audit_begin(command, "audit_read", revert->params[1], err) != OK ||
        audit_each(command, sql_audit_steps, revert->params, PARAMS, take_step, revert, err) != OK)
        return FAILED;
    conclude(revert);
    return OK;
}

/* The note is of the same transaction: it is there if it was done, and has its xid. */
static enum result undo(struct audit_command *command, const struct revert *revert, char *outcome,
                        struct err *err)
{
    static const char *const why[] = {"{\"command\": \"pgherald audit revert\"}"};
    struct pg_rows *rows;

    if (pg_sync_run(command->conn, "begin", NULL, 0, NULL, err) != OK ||
        pg_sync_run(command->conn, sql_audit_context, why, 1, NULL, err) != OK ||
        pg_sync_run(command->conn, sql_audit_apply, revert->params, PARAMS, &rows, err) != OK)
        return FAILED;
    snprintf(outcome, OUTCOME_TEXT, "{\"rows\": %lld}", pg_rows_number(rows, 0, 0));
    pg_rows_free(rows);
    if (audit_note(command, "audit_revert", outcome, err) != OK)
        return FAILED;
    return pg_sync_run(command->conn, "commit", NULL, 0, NULL, err);
}

/* That it was tried is told too. The connection is another one: that of the refusal, which the
 * caller says, stays as it is. */
static void note_failure(const struct audit_command *command, const struct config *config)
{
    struct audit_command other = {.args = command->args};
    json_t *outcome = json_pack("{s:s}", "error", pg_sync_refusal(command->conn)->message);
    char *text = outcome ? json_dumps(outcome, JSON_COMPACT) : NULL;
    struct err err;

    if (pg_sync_open(config->database_url, "pgherald audit", &other.conn, &err) != OK ||
        audit_note(&other, "audit_revert", text ? text : "{\"error\": \"\"}", &err) != OK)
        fprintf(stderr, "pgherald: the audit trail does not say that this was tried: %s\n",
                err.message);
    pg_sync_close(other.conn);
    free(text);
    json_decref(outcome);
}

static enum result apply(struct audit_command *command, const struct config *config,
                         const struct revert *revert, struct err *err)
{
    char outcome[OUTCOME_TEXT];

    if (audit_begin(command, "audit_read", revert->params[1], err) != OK)
        return FAILED;
    if (undo(command, revert, outcome, err) != OK) {
        note_failure(command, config);
        return FAILED;
    }
    if (revert->json)
        puts(outcome);
    else
        printf("undone: %lld rows\n", strtoll(strchr(outcome, ':') + 1, NULL, 10));
    return OK;
}

int audit_revert(const struct config *config, const struct cli_args *args)
{
    struct revert revert = {.json = args->flags & CLI_JSON};
    struct audit_command command;
    int code = check(&revert, args);
    enum result result;
    struct err err;

    if (code != EXIT_SUCCESS)
        return code;
    code = audit_open(&command, config, args);
    if (code != EXIT_SUCCESS)
        return code;
    result = (args->flags & CLI_APPLY) ? apply(&command, config, &revert, &err)
                                       : print_steps(&command, &revert, &err);
    code = audit_close(&command, result, &err);
    return revert.problems + revert.conflicts > 0 ? EXIT_FAILURE : code;
}
