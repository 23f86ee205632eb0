/* pgherald oauth get: opens the tokens of one account. The audit entry comes first: it is committed
 * before anything is printed. */
#include <jansson.h>
#include <stdlib.h>

#include "cli/oauth.h"
#include "embedded.h"

struct get {
    struct oauth oauth;
    const char *user, *account; /* account NULL: the only one */
    json_t *out;
};

static enum result check_found(const struct get *get, const struct pg_rows *rows, struct err *err)
{
    if (pg_rows_count(rows) == 0)
        return err_set(err, "user %s has no such account; pgherald oauth list --user %s shows them",
                       get->user, get->user);
    if (pg_rows_count(rows) > 1)
        return err_set(err,
                       "user %s has several accounts: name one with --account; pgherald oauth list "
                       "--user %s shows them",
                       get->user, get->user);
    return OK;
}

static enum result open_one(struct get *get, const struct oauth_row *row, enum oauth_column column,
                            const char *name, struct err *err)
{
    enum result result;
    struct buf plain;

    buf_init(&plain, SEAL_PLAIN_MAX);
    result = oauth_open(&get->oauth, row, column, &plain, err);
    if (result == OK &&
        json_object_set_new(get->out, name, json_stringn(buf_str(&plain).data, plain.len)) != 0)
        result = err_set(err, "%s opens, but it is no text in UTF-8", name);
    buf_wipe(&plain);
    return result;
}

static enum result open_row(struct get *get, const struct pg_rows *rows, struct err *err)
{
    struct oauth_row row;

    oauth_row_read(rows, 0, &row);
    get->out = json_loads(pg_rows_text(rows, 0, 7), 0, NULL);
    json_object_set_new(get->out, "refresh_token", json_null());
    if (open_one(get, &row, OAUTH_ACCESS, "access_token", err) != OK)
        return FAILED;
    return row.has_refresh ? open_one(get, &row, OAUTH_REFRESH, "refresh_token", err) : OK;
}

static enum result audit(struct get *get, const struct pg_rows *rows, struct err *err)
{
    const char *params[] = {pg_rows_text(rows, 0, 0), pg_rows_text(rows, 0, 1),
                            pg_rows_text(rows, 0, 2)};

    return pg_sync_run(get->oauth.conn, sql_oauth_audit, params, 3, NULL, err);
}

static enum result find(struct get *get, struct pg_rows **rows, struct err *err)
{
    const char *params[] = {get->user, get->account, OAUTH_SEAL_MAX_TEXT};

    return pg_sync_run(get->oauth.conn, sql_oauth_find, params, 3, rows, err);
}

static enum result read_tokens(struct get *get, struct err *err)
{
    struct pg_sync *conn = get->oauth.conn;
    struct pg_rows *rows = NULL;
    enum result result = FAILED;

    if (pg_sync_run(conn, "begin", NULL, 0, NULL, err) == OK && find(get, &rows, err) == OK &&
        check_found(get, rows, err) == OK && open_row(get, rows, err) == OK &&
        audit(get, rows, err) == OK && pg_sync_run(conn, "commit", NULL, 0, NULL, err) == OK)
        result = OK;
    if (result == OK && !pg_rows_is_null(rows, 0, 8))
        fprintf(stderr, "pgherald: this account was revoked at %s\n", pg_rows_text(rows, 0, 8));
    pg_rows_free(rows);
    return result;
}

static enum result print(const struct get *get, struct err *err)
{
    size_t len = json_dumpb(get->out, NULL, 0, JSON_INDENT(2));
    enum result result;
    struct buf text;

    buf_init(&text, len + 1);
    if (!buf_reserve(&text, len + 1))
        return err_set(err, "no memory for the tokens");
    text.len = json_dumpb(get->out, text.data, len, JSON_INDENT(2));
    buf_add_char(&text, '\n');
    result = oauth_print(buf_str(&text), err);
    buf_wipe(&text);
    return result;
}

int cli_oauth_get(const struct config *config, const struct cli_args *args)
{
    struct get get = {.user = cli_value(args, CLI_USER), .account = cli_value(args, CLI_ACCOUNT)};
    int code = oauth_begin(&get.oauth, config, true);
    struct err err;

    if (code != EXIT_SUCCESS)
        return code;
    oauth_wipe_json();
    if (read_tokens(&get, &err) != OK || print(&get, &err) != OK)
        code = oauth_fail(&err);
    json_decref(get.out);
    oauth_end(&get.oauth);
    return code;
}
