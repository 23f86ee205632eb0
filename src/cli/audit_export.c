/* pgherald audit export: as many entries as there are, in the memory of one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/audit.h"
#include "embedded.h"

#define MAX_LINE ((size_t)2 << 30)
#define KEEP_LINE ((size_t)1 << 20)
#define PROGRESS_EVERY 10000 /* entries */
#define CSV_COLUMNS 17

static const char csv_heading[] =
    "id,occurred_at,commit_lsn,ordinal,xid,user_id,action,resource_type,resource_id,"
    "old_resource_id,old_values,new_values,changed_fields,ip_address,session_id,user_agent,"
    "context\r\n";

struct exporting {
    bool csv;
    FILE *out;
    const char *name; /* of the file, for errors */
    struct buf line;
    size_t count;
};

static void progress(const struct exporting *exporting, bool end)
{
    bool terminal = isatty(STDERR_FILENO);

    if (end)
        fprintf(stderr, "%spgherald: %zu entries exported\n", terminal ? "\r\033[K" : "",
                exporting->count);
    else if (terminal && exporting->count % PROGRESS_EVERY == 0)
        fprintf(stderr, "\r%zu entries", exporting->count);
}

static enum result complain(const struct exporting *exporting, struct err *err)
{
    return err_set(err, "cannot write to %s: %s", exporting->name, strerror(errno));
}

static enum result write_row(void *arg, const struct pg_rows *rows, bool *more, struct err *err)
{
    struct exporting *exporting = arg;
    struct buf *line = &exporting->line;
    size_t columns = exporting->csv ? CSV_COLUMNS : 1;

    (void)more;
    buf_shrink(line, KEEP_LINE);
    for (size_t i = 0; i < columns; i++) {
        const char *text = pg_rows_is_null(rows, 0, i) ? NULL : pg_rows_text(rows, 0, i);

        if (i > 0)
            buf_add_char(line, ',');
        if (exporting->csv)
            audit_add_csv(line, text);
        else
            buf_add_c(line, text ? text : "");
    }
    buf_add_c(line, exporting->csv ? "\r\n" : "\n");
    if (!buf_ok(line))
        return err_set(err, "an entry is larger than %zu bytes", MAX_LINE);
    if (fwrite(line->data, 1, line->len, exporting->out) != line->len)
        return complain(exporting, err);
    exporting->count++;
    progress(exporting, false);
    return OK;
}

static const char *query_of(const char *format)
{
    if (strcmp(format, "csv") == 0)
        return sql_audit_export_csv;
    return strcmp(format, "ocsf") == 0 ? sql_audit_export_ocsf : sql_audit_export_ndjson;
}

/* Readable by its owner alone: an audit trail has what the tables have. */
static enum result open_output(struct exporting *exporting, const char *path, struct err *err)
{
    exporting->out = stdout;
    exporting->name = "stdout";
    if (!path)
        return OK;
    exporting->name = path;
    umask(077);
    exporting->out = fopen(path, "w");
    return exporting->out ? OK : complain(exporting, err);
}

static enum result export_all(struct audit_command *command, struct exporting *exporting,
                              const struct audit_filter *filter, struct err *err)
{
    const struct cli_args *args = command->args;

    if (audit_begin(command, "audit_export", filter->params[0], err) != OK ||
        open_output(exporting, cli_value(args, CLI_OUTPUT), err) != OK)
        return FAILED;
    if (exporting->csv && fputs(csv_heading, exporting->out) == EOF)
        return complain(exporting, err);
    if (audit_each(command, query_of(cli_value(args, CLI_FORMAT)), filter->params, AUDIT_FILTERS,
                   write_row, exporting, err) != OK)
        return FAILED;
    if (fflush(exporting->out) != 0)
        return complain(exporting, err);
    progress(exporting, true);
    return OK;
}

static enum result close_output(struct exporting *exporting, struct err *err)
{
    if (!exporting->out || exporting->out == stdout || fclose(exporting->out) == 0)
        return OK;
    return complain(exporting, err);
}

int audit_export(const struct config *config, const struct cli_args *args)
{
    struct exporting exporting = {.csv = strcmp(cli_value(args, CLI_FORMAT), "csv") == 0};
    struct audit_command command;
    struct audit_filter filter;
    enum result result;
    struct err err, close_err;
    int code;

    if (!audit_filter_init(&filter, args))
        return EX_USAGE;
    code = audit_open(&command, config, args);
    if (code != EXIT_SUCCESS)
        return code;
    buf_init(&exporting.line, MAX_LINE);
    result = export_all(&command, &exporting, &filter, &err);
    if (close_output(&exporting, &close_err) != OK && result == OK) {
        result = FAILED;
        err = close_err;
    }
    buf_fini(&exporting.line);
    return audit_close(&command, result, &err);
}
