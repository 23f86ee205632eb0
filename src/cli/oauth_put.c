/* pgherald oauth put: from JSON on stdin to a sealed row. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/oauth.h"
#include "embedded.h"

#define INPUT_MAX (256 * 1024)
#define TRIES 3

struct put {
    struct oauth oauth;
    const char *user; /* as it was given */
    char user_id[40]; /* as it is stored */
    struct oauth_grant grant;
    struct buf access, refresh; /* sealed, in hexadecimal */
    char *fields;               /* the grant's, as JSON text */
    bool has_refresh, created;
};

/* ---------------------------------------------------------------- reading */

static enum result read_stdin(struct buf *out, struct err *err)
{
    ssize_t got;

    if (!buf_reserve(out, INPUT_MAX))
        return err_set(err, "no memory for what is on stdin");
    while (out->len < INPUT_MAX) {
        got = read(STDIN_FILENO, out->data + out->len, INPUT_MAX - out->len);
        if (got == 0)
            return OK;
        if (got > 0)
            out->len += (size_t)got;
        else if (errno != EINTR)
            return err_set_errno(err, errno, "cannot read stdin");
    }
    return err_set(err, "more than %d bytes", INPUT_MAX - 1);
}

static enum result read_grant(struct oauth_grant *grant, struct err *err)
{
    enum result result;
    struct buf text;

    buf_init(&text, INPUT_MAX);
    result = read_stdin(&text, err);
    if (result == OK)
        result = oauth_grant_parse(buf_str(&text), grant, err);
    buf_wipe(&text);
    return result == OK ? OK : err_context(err, "stdin");
}

/* ---------------------------------------------------------------- writing */

/* There is one key a row, so a refresh token that stays is sealed anew with the access token. */
static enum result keep_refresh(struct put *put, const struct oauth_row *row, struct err *err)
{
    enum result result;
    struct buf plain;

    buf_init(&plain, SEAL_PLAIN_MAX);
    result = oauth_open(&put->oauth, row, OAUTH_REFRESH, &plain, err);
    if (result == OK)
        result = oauth_seal(&put->oauth, row->user_id, row->account_id, OAUTH_REFRESH,
                            buf_str(&plain), &put->refresh, err);
    buf_wipe(&plain);
    put->has_refresh = true;
    return result == OK ? OK
                        : err_context(err, "the refresh token that is stored has to stay, as none "
                                           "is given (null drops it), and cannot be moved to the "
                                           "first key");
}

static enum result seal_grant(struct put *put, struct err *err)
{
    const struct oauth_grant *grant = &put->grant;

    if (oauth_seal(&put->oauth, put->user, grant->account_id, OAUTH_ACCESS, grant->access,
                   &put->access, err) != OK)
        return FAILED;
    put->has_refresh = grant->refresh.len > 0;
    if (!put->has_refresh)
        return OK;
    return oauth_seal(&put->oauth, put->user, grant->account_id, OAUTH_REFRESH, grant->refresh,
                      &put->refresh, err);
}

static enum result write_row(struct put *put, const char *sql, bool *done, struct err *err)
{
    const char *params[] = {put->user, put->fields, put->access.data,
                            put->has_refresh ? put->refresh.data : NULL,
                            vault_keys_at(put->oauth.keys, 0)->id};
    struct pg_rows *rows;

    if (pg_sync_run(put->oauth.conn, sql, params, 5, &rows, err) != OK) {
        if (strcmp(pg_sync_refusal(put->oauth.conn)->sqlstate, "23503") == 0)
            return err_set(err, "there is no user %s", put->user);
        return FAILED;
    }
    *done = pg_rows_count(rows) == 1;
    if (*done)
        snprintf(put->user_id, sizeof(put->user_id), "%s", pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    return OK;
}

/* Within a transaction. *done stays false if another program made the row right between. */
static enum result put_row(struct put *put, bool *done, struct err *err)
{
    const char *params[] = {put->user, put->grant.account_id, OAUTH_SEAL_MAX_TEXT};
    struct oauth_row row = {.account_id = put->grant.account_id};
    enum result result = OK;
    struct pg_rows *rows;

    if (pg_sync_run(put->oauth.conn, sql_oauth_lock, params, 3, &rows, err) != OK)
        return FAILED;
    put->created = pg_rows_count(rows) == 0;
    if (!put->created) {
        row.user_id = pg_rows_text(rows, 0, 0);
        row.key_id = pg_rows_text(rows, 0, 1);
        row.has_refresh = pg_rows_is_true(rows, 0, 2);
        row.refresh = pg_rows_is_null(rows, 0, 3) ? NULL : pg_rows_text(rows, 0, 3);
    }
    if (row.has_refresh && !put->grant.gives_refresh)
        result = keep_refresh(put, &row, err);
    if (result == OK)
        result = write_row(put, put->created ? sql_oauth_insert : sql_oauth_update, done, err);
    pg_rows_free(rows);
    return result;
}

static enum result store(struct put *put, struct err *err)
{
    struct pg_sync *conn = put->oauth.conn;
    bool done = false;

    if (seal_grant(put, err) != OK)
        return FAILED;
    for (int i = 0; i < TRIES && !done; i++)
        if (pg_sync_run(conn, "begin", NULL, 0, NULL, err) != OK ||
            put_row(put, &done, err) != OK || pg_sync_run(conn, "commit", NULL, 0, NULL, err) != OK)
            return FAILED;
    return done ? OK : err_set(err, "another program writes this account at the same time");
}

/* ---------------------------------------------------------------- the face */

static void say_as_json(const struct put *put, const char *expiry)
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:b, s:b, s:s?}", "user_id", put->user_id,
                             "google_account_id", put->grant.account_id, "encryption_key_id",
                             vault_keys_at(put->oauth.keys, 0)->id, "created", put->created,
                             "has_refresh_token", put->has_refresh, "expires_at", expiry);

    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static void say_stored(const struct put *put, bool json)
{
    const char *expiry = json_string_value(json_object_get(put->grant.fields, "expires_at"));
    char account[64];

    if (json) {
        say_as_json(put, expiry);
        return;
    }
    printf("%s account %s of user %s: access token%s under key %s, %s%s\n",
           put->created ? "stored" : "updated", oauth_shown(put->grant.account_id, account),
           put->user_id, put->has_refresh ? " and refresh token" : ", no refresh token,",
           vault_keys_at(put->oauth.keys, 0)->id, expiry ? "expires " : "expiry not known",
           expiry ? expiry : "");
}

static int run(struct put *put, bool json)
{
    struct err err;

    if (read_grant(&put->grant, &err) != OK)
        return oauth_fail(&err);
    put->fields = json_dumps(put->grant.fields, JSON_COMPACT);
    if (store(put, &err) != OK)
        return oauth_fail(&err);
    say_stored(put, json);
    return EXIT_SUCCESS;
}

int cli_oauth_put(const struct config *config, const struct cli_args *args)
{
    struct put put = {.user = cli_value(args, CLI_USER)};
    int code;

    if (isatty(STDIN_FILENO)) {
        fputs("pgherald: oauth put reads a JSON object on stdin, so that no token stands on a "
              "command line:\n  pgherald oauth put --user UUID <FILE\n",
              stderr);
        return EX_USAGE;
    }
    code = oauth_begin(&put.oauth, config, true);
    if (code != EXIT_SUCCESS)
        return code;
    oauth_wipe_json();
    buf_init(&put.access, OAUTH_HEX_MAX);
    buf_init(&put.refresh, OAUTH_HEX_MAX);
    code = run(&put, args->flags & CLI_JSON);
    buf_fini(&put.access);
    buf_fini(&put.refresh);
    free(put.fields);
    oauth_grant_fini(&put.grant);
    oauth_end(&put.oauth);
    return code;
}
