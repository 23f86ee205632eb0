/* What the actions of `pgherald audit` share. Each notes in the audit trail what was asked and by
 * whom, and that note is committed before anything is read. All of them read with one row in
 * memory, however many there are. */
#ifndef PGHERALD_CLI_AUDIT_H
#define PGHERALD_CLI_AUDIT_H

#include <jansson.h>

#include "cli/cli.h"
#include "pg/sync.h"

struct audit_command {
    const struct cli_args *args;
    struct pg_sync *conn;
};

/* Connects. Another code than EXIT_SUCCESS is the command's: the error has been said. */
int audit_open(struct audit_command *command, const struct config *config,
               const struct cli_args *args);

/* The end of a command: says what is wrong, with err unless the result is OK, and disconnects.
 * Returns the exit code. */
int audit_close(struct audit_command *command, enum result result, const struct err *err);

/* Notes that somebody reads (`action` is audit_read or audit_export), and sees that he may read all
 * of the trail and that the tables, with commas between or NULL, are known. */
enum result audit_begin(struct audit_command *command, const char *action, const char *tables,
                        struct err *err) MUST_CHECK;

/* The note alone, with what came of it as JSON, or NULL. */
enum result audit_note(struct audit_command *command, const char *action, const char *outcome,
                       struct err *err) MUST_CHECK;

#define AUDIT_TIME_TEXT 32

/* The time that was given with a flag, as PostgreSQL reads it; NULL if none was. Returns out. */
const char *audit_time(const struct cli_args *args, uint64_t flag, char out[AUDIT_TIME_TEXT]);

/* Whether the times can be meant: --since before --until, --as-of not in the future. If not, has
 * said so. */
bool audit_times_are_sane(const struct cli_args *args);

/* What log and export look for: arguments $1 to $6 of audit_log.sql. */
#define AUDIT_FILTERS 6

struct audit_filter {
    const char *params[AUDIT_FILTERS];
    char since[AUDIT_TIME_TEXT], until[AUDIT_TIME_TEXT];
};

/* False if it cannot be meant, and has said so. The filter must not move. */
bool audit_filter_init(struct audit_filter *filter, const struct cli_args *args);

/* Gets a row, as row 0, and says whether it wants another one; FAILED ends it too. */
typedef enum result audit_row_cb(void *arg, const struct pg_rows *rows, bool *more,
                                 struct err *err);

/* Reads what a statement that declares the cursor audit_page gives, with one row in memory. */
enum result audit_each(struct audit_command *command, const char *sql, const char *const *params,
                       size_t count, audit_row_cb *each, void *arg, struct err *err) MUST_CHECK;

/* A column of row 0 that is JSON; NULL if it is NULL. The caller's. */
json_t *audit_json(const struct pg_rows *rows, size_t column);

/* The `count`-th member of an array, as it came, or its end: [ and ] on lines of their own. */
void audit_print_member(size_t count, const char *json);
void audit_print_end(size_t count);

/* Appends a version of a row as a diff, as audit_versions.sql shows it. With `colour` it has the
 * escapes of a terminal. */
void audit_add_version(struct buf *out, const json_t *version, bool colour);

/* Appends one step of undoing as SQL with comments. */
void audit_add_step(struct buf *out, const json_t *step);

/* Appends a field of CSV (RFC 4180), with quotes where they are needed; NULL is nothing at all, and
 * the empty text is "". */
void audit_add_csv(struct buf *out, const char *text);

int audit_log(const struct config *config, const struct cli_args *args);
int audit_history(const struct config *config, const struct cli_args *args);
int audit_show(const struct config *config, const struct cli_args *args);
int audit_revert(const struct config *config, const struct cli_args *args);
int audit_export(const struct config *config, const struct cli_args *args);

#endif
