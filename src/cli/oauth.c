/* pgherald oauth: its actions, and those that show no token. The others are in oauth_put.c,
 * oauth_get.c, oauth_rotate.c and oauth_check.c. */
#include "cli/oauth.h"

#include <jansson.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/clock.h"
#include "cli/table.h"
#include "embedded.h"

#define LIST_ROWS "1000" /* a page, and so the memory that a list takes */

/* ---------------------------------------------------------------- beginning and end */

int oauth_fail(const struct err *err)
{
    fprintf(stderr, "pgherald: %s\n", err->message);
    return EXIT_FAILURE;
}

static int read_keys(struct oauth *oauth)
{
    const char *text = oauth->config->encryption_keys;
    struct err err;

    if (!text[0]) {
        fputs("pgherald: encryption_keys is not set. Make a key with: pgherald oauth keygen, keep "
              "it in\na file that only you may read, and name that in encryption_keys_file, or in "
              "the environment:\n  PGHERALD_ENCRYPTION_KEYS_FILE=PATH\n",
              stderr);
        return EX_CONFIG;
    }
    if (vault_keys_parse(str_c(text), &oauth->keys, &err) == OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "pgherald: encryption_keys: %s\n", err.message);
    return EX_CONFIG;
}

static enum result check_table(struct pg_sync *conn, struct err *err)
{
    struct pg_rows *rows;
    bool fits, exists;

    if (pg_sync_run(conn, sql_oauth_table, NULL, 0, &rows, err) != OK)
        return FAILED;
    fits = pg_rows_is_true(rows, 0, 0);
    exists = pg_rows_is_true(rows, 0, 1);
    pg_rows_free(rows);
    if (fits)
        return OK;
    if (exists)
        return err_set(err, "public.google_oauth_tokens in this database is not the seed "
                            "application's: it lacks columns that docs/schema.md lists");
    return err_set(err, "there is no table google_oauth_tokens in this database: it belongs to the "
                        "seed application, which pgherald init --with-seed-app installs");
}

int oauth_begin(struct oauth *oauth, const struct config *config, bool with_keys)
{
    int code = EXIT_SUCCESS;
    struct err err;

    *oauth = (struct oauth){.config = config};
    if (!cli_has_database(config))
        return EX_CONFIG;
    if (with_keys)
        code = read_keys(oauth);
    if (code == EXIT_SUCCESS &&
        (pg_sync_open(config->database_url, "pgherald oauth", &oauth->conn, &err) != OK ||
         check_table(oauth->conn, &err) != OK))
        code = oauth_fail(&err);
    if (code != EXIT_SUCCESS)
        oauth_end(oauth);
    return code;
}

void oauth_end(struct oauth *oauth)
{
    pg_sync_close(oauth->conn);
    vault_keys_free(oauth->keys);
    *oauth = (struct oauth){0};
}

/* ---------------------------------------------------------------- list */

static const struct table_column list_columns[] = {
    {"user_id", "user", false},
    {"google_account_id", "account", false},
    {"google_email", "email", false},
    {"encryption_key_id", "key", false},
    {"has_refresh_token", "refresh", false},
    {"expires_at", "expires", false},
    {"revoked_at", "revoked", false},
};

static void print_table(const struct pg_rows *rows)
{
    json_t *accounts = json_array();

    for (size_t i = 0; i < pg_rows_count(rows); i++)
        json_array_append_new(accounts, json_loads(pg_rows_text(rows, i, 2), 0, NULL));
    table_print(accounts, list_columns, sizeof(list_columns) / sizeof(*list_columns), "no accounts",
                false);
    json_decref(accounts);
}

/* One array over all pages. */
static void print_json(const struct pg_rows *rows, bool first)
{
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        printf("%s  %s", first && i == 0 ? "\n" : ",\n", pg_rows_text(rows, i, 2));
}

/* A table of many accounts has its headings anew on every page. */
static enum result list_pages(struct oauth *oauth, const char *user, bool json, struct err *err)
{
    const char *params[] = {user, NULL, NULL, LIST_ROWS};
    struct pg_rows *rows = NULL, *before;
    bool first = true;
    size_t count;

    do {
        before = rows; /* what the parameters borrow */
        if (pg_sync_run(oauth->conn, sql_oauth_list, params, 4, &rows, err) != OK) {
            pg_rows_free(before);
            return FAILED;
        }
        pg_rows_free(before);
        count = pg_rows_count(rows);
        if (json)
            print_json(rows, first);
        else if (count > 0 || first)
            print_table(rows);
        if (count > 0) {
            params[1] = pg_rows_text(rows, count - 1, 0);
            params[2] = pg_rows_text(rows, count - 1, 1);
        }
        first = false;
    } while (count > 0);
    pg_rows_free(rows);
    return OK;
}

static int list(const struct config *config, const struct cli_args *args)
{
    bool json = args->flags & CLI_JSON;
    struct oauth oauth;
    enum result result;
    struct err err;
    int code = oauth_begin(&oauth, config, false);

    if (code != EXIT_SUCCESS)
        return code;
    if (json)
        putchar('[');
    result = list_pages(&oauth, cli_value(args, CLI_USER), json, &err);
    if (json)
        puts("\n]");
    oauth_end(&oauth);
    return result == OK ? EXIT_SUCCESS : oauth_fail(&err);
}

/* ---------------------------------------------------------------- keygen */

static int keygen(const struct config *config, const struct cli_args *args)
{
    struct buf key;
    struct err err;
    enum result result;

    (void)config;
    (void)args;
    buf_init(&key, 200);
    result = vault_key_generate(&key, clock_now_us(), &err);
    buf_add_char(&key, '\n');
    if (result == OK)
        result = oauth_print(buf_str(&key), &err);
    buf_wipe(&key);
    return result == OK ? EXIT_SUCCESS : oauth_fail(&err);
}

/* ---------------------------------------------------------------- the actions */

const struct cli_command cli_oauth_actions[CLI_OAUTH_ACTION_COUNT] = {
    {.name = "oauth list",
     .flags = CLI_USER | CLI_JSON,
     .usage = "oauth [list] [--user UUID] [--json]",
     .summary = "the accounts, with their keys' ids and without their tokens",
     .help = "One line an account. Needs no key.",
     .run = list},
    {.name = "oauth put",
     .flags = CLI_USER | CLI_JSON,
     .needs = CLI_USER,
     .usage = "oauth put --user UUID [--json] <FILE",
     .summary = "seal the tokens of one account, read from stdin",
     .help =
         "Reads one JSON object:\n\n"
         "  google_account_id  needed; which account of the user\n"
         "  access_token       needed\n"
         "  refresh_token      left out: the one that is stored stays; null: there is none\n"
         "  expires_at         of the access token: 2026-11-23T15:04:05Z, or null\n"
         "  scopes             an array, or one text with blanks between\n"
         "  google_email, token_type\n\n"
         "An account that is there already is updated and counts as not revoked; what is left out\n"
         "stays, except expires_at. Says what was stored, never the tokens.",
     .run = cli_oauth_put},
    {.name = "oauth get",
     .flags = CLI_USER | CLI_ACCOUNT,
     .needs = CLI_USER,
     .usage = "oauth get --user UUID [--account ID]",
     .summary = "open the tokens of one account and print them as JSON",
     .help = "Prints what oauth put reads. Before that an entry oauth_token.read goes into "
             "audit_logs,\n"
             "in the name of the user; without it nothing is printed.",
     .run = cli_oauth_get},
    {.name = "oauth rotate",
     .flags = CLI_DRY_RUN | CLI_JSON,
     .usage = "oauth rotate [--dry-run] [--json]",
     .summary = "put all tokens under the first key",
     .help = "Opens every row that is not under the first of encryption_keys and seals it anew. "
             "May be\n"
             "interrupted and run again at any time, also while tokens are written. Exits 1 if "
             "some row\n"
             "is not under the first key afterwards, and names each with the reason.",
     .run = cli_oauth_rotate},
    {.name = "oauth check",
     .flags = CLI_JSON,
     .usage = "oauth check [--json]",
     .summary = "open every row, print none, and count who needs which key",
     .help = "Run it before you take a key out of encryption_keys. Exits 1 if some row does not "
             "open,\n"
             "and names each with the reason.",
     .run = cli_oauth_check},
    {.name = "oauth keygen",
     .usage = "oauth keygen",
     .summary = "print a fresh key as encryption_keys wants it",
     .help = "Needs neither settings nor a database. Keep what it prints in a file that only "
             "those may\n"
             "read who need it: (umask 077; pgherald oauth keygen >keys)",
     .needs_no_settings = true,
     .run = keygen},
};
