/* pgherald audit history, and show. */
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/audit.h"
#include "embedded.h"

#define MAX_VERSION ((size_t)1 << 30)

struct print {
    bool json, colour;
    size_t count;
};

static enum result print_version(void *arg, const struct pg_rows *rows, bool *more, struct err *err)
{
    struct print *print = arg;
    json_t *version;
    struct buf out;

    (void)more;
    print->count++;
    if (print->json) {
        audit_print_member(print->count, pg_rows_text(rows, 0, 0));
        return OK;
    }
    version = audit_json(rows, 0);
    if (!version)
        return err_set(err, "a version is no JSON");
    buf_init(&out, MAX_VERSION);
    if (print->count > 1)
        buf_add_char(&out, '\n');
    audit_add_version(&out, version, print->colour);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
    json_decref(version);
    return OK;
}

static enum result print_versions(struct audit_command *command, struct print *print,
                                  struct err *err)
{
    const struct cli_args *args = command->args;
    char since[AUDIT_TIME_TEXT], until[AUDIT_TIME_TEXT];
    const char *params[] = {args->words[0], args->words[1], audit_time(args, CLI_SINCE, since),
                            audit_time(args, CLI_UNTIL, until), print->json ? "on" : "off"};

    if (audit_begin(command, "audit_read", args->words[0], err) != OK ||
        audit_each(command, sql_audit_versions, params, 5, print_version, print, err) != OK)
        return FAILED;
    if (print->json)
        audit_print_end(print->count);
    else if (print->count == 0)
        puts("the audit trail has nothing of this row");
    return OK;
}

int audit_history(const struct config *config, const struct cli_args *args)
{
    struct print print = {.json = args->flags & CLI_JSON,
                          .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
    struct audit_command command;
    struct err err;
    int code;

    if (!audit_times_are_sane(args))
        return EX_USAGE;
    code = audit_open(&command, config, args);
    if (code != EXIT_SUCCESS)
        return code;
    return audit_close(&command, print_versions(&command, &print, &err), &err);
}

/* ---------------------------------------------------------------- show */

static enum result print_row(struct audit_command *command, struct err *err)
{
    const struct cli_args *args = command->args;
    char at[AUDIT_TIME_TEXT];
    const char *params[] = {args->words[0], args->words[1], audit_time(args, CLI_AS_OF, at)};
    struct pg_rows *rows;

    if (audit_begin(command, "audit_read", args->words[0], err) != OK ||
        pg_sync_run(command->conn, sql_audit_as_of, params, 3, &rows, err) != OK)
        return FAILED;
    puts(pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    return OK;
}

int audit_show(const struct config *config, const struct cli_args *args)
{
    struct audit_command command;
    struct err err;
    int code;

    if (!audit_times_are_sane(args))
        return EX_USAGE;
    code = audit_open(&command, config, args);
    if (code != EXIT_SUCCESS)
        return code;
    return audit_close(&command, print_row(&command, &err), &err);
}
