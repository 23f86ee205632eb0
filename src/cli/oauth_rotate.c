/* pgherald oauth rotate: puts every row under the first key, a page of rows at a time. A row is
 * written only if it is still what was read; what others were writing meanwhile is taken in the
 * next pass. What is done is done: it may be stopped and started again at any time. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/oauth.h"
#include "embedded.h"

#define PASSES_MAX 20 /* so that it ends, even while others go on sealing with an old key */
#define PASS_PAUSE_MS 250
#define PROGRESS_MS 1000

struct rotation {
    struct oauth oauth;
    const char *key_id; /* of the first key */
    bool dry_run;
    bool report; /* name the rows that fail */
    long long total, resealed, failed, busy;
    uint64_t said_at;
};

static enum result count_rows(struct rotation *rotation, struct err *err)
{
    const char *params[] = {rotation->key_id};
    struct pg_rows *rows;

    if (pg_sync_run(rotation->oauth.conn, sql_oauth_count, params, 1, &rows, err) != OK)
        return FAILED;
    rotation->total = pg_rows_number(rows, 0, 0);
    pg_rows_free(rows);
    return OK;
}

static void say_progress(struct rotation *rotation)
{
    uint64_t now = clock_monotonic_ms();

    if (now - rotation->said_at < PROGRESS_MS)
        return;
    rotation->said_at = now;
    fprintf(stderr, "pgherald: %lld of %lld rows %s\n", rotation->resealed, rotation->total,
            rotation->dry_run ? "open" : "resealed");
}

static json_t *reseal_token(struct oauth *oauth, const struct oauth_row *row,
                            enum oauth_column column, struct err *err)
{
    json_t *sealed = NULL;
    struct buf plain, hex;

    buf_init(&plain, SEAL_PLAIN_MAX);
    buf_init(&hex, OAUTH_HEX_MAX);
    if (oauth_open(oauth, row, column, &plain, err) == OK &&
        oauth_seal(oauth, row->user_id, row->account_id, column, buf_str(&plain), &hex, err) == OK)
        sealed = json_stringn(hex.data, hex.len);
    buf_wipe(&plain);
    buf_fini(&hex);
    return sealed;
}

/* NULL if a token does not open; err says which and why. */
static json_t *reseal_row(struct oauth *oauth, const struct oauth_row *row, const char *version,
                          struct err *err)
{
    json_t *access = reseal_token(oauth, row, OAUTH_ACCESS, err), *refresh;

    if (!access)
        return NULL;
    refresh = row->has_refresh ? reseal_token(oauth, row, OAUTH_REFRESH, err) : json_null();
    if (refresh)
        return json_pack("{s:s, s:s, s:o, s:o}", "id", row->id, "version", version, "access",
                         access, "refresh", refresh);
    json_decref(access);
    return NULL;
}

static void note_failed(struct rotation *rotation, const struct oauth_row *row,
                        const struct err *err)
{
    rotation->failed++;
    if (rotation->report)
        fprintf(stderr, "pgherald: row %s of user %s: %s\n", row->id, row->user_id, err->message);
}

/* Those that are still as they were read. */
static enum result write_page(struct rotation *rotation, const json_t *resealed, struct err *err)
{
    char *text = json_dumps(resealed, JSON_COMPACT);
    const char *params[] = {text, rotation->key_id};
    struct pg_rows *rows;
    enum result result = pg_sync_run(rotation->oauth.conn, sql_oauth_reseal, params, 2, &rows, err);

    free(text);
    if (result != OK)
        return FAILED;
    rotation->resealed += (long long)pg_rows_count(rows);
    rotation->busy += (long long)(json_array_size(resealed) - pg_rows_count(rows));
    pg_rows_free(rows);
    return OK;
}

static enum result rotate_page(struct rotation *rotation, const struct pg_rows *rows,
                               struct err *err)
{
    json_t *resealed = json_array();
    enum result result = OK;
    struct oauth_row row;
    struct err why;

    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        json_t *item;

        oauth_row_read(rows, i, &row);
        item = reseal_row(&rotation->oauth, &row, pg_rows_text(rows, i, 7), &why);
        if (item)
            json_array_append_new(resealed, item);
        else
            note_failed(rotation, &row, &why);
    }
    if (rotation->dry_run)
        rotation->resealed += (long long)json_array_size(resealed);
    else if (json_array_size(resealed) > 0)
        result = write_page(rotation, resealed, err);
    json_decref(resealed);
    say_progress(rotation);
    return result;
}

/* Over all rows that are not under the first key. */
static enum result pass(struct rotation *rotation, struct err *err)
{
    struct pg_rows *rows = NULL;
    enum result result;

    rotation->failed = rotation->busy = 0;
    while ((result = oauth_next_page(&rotation->oauth, rotation->key_id, &rows, err)) == OK &&
           pg_rows_count(rows) > 0 && (result = rotate_page(rotation, rows, err)) == OK)
        ;
    pg_rows_free(rows);
    return result;
}

static void pause_for_writers(void)
{
    struct timespec pause = {.tv_nsec = PASS_PAUSE_MS * 1000000L};

    nanosleep(&pause, NULL);
}

/* Until a pass finds nothing that it can do. Rows that do not open are named at the end, once. */
static enum result rotate(struct rotation *rotation, struct err *err)
{
    bool quiet = rotation->dry_run;
    long long before;

    for (int i = 0; i < PASSES_MAX && !quiet; i++) {
        before = rotation->resealed;
        if (pass(rotation, err) != OK)
            return FAILED;
        quiet = rotation->resealed == before && rotation->busy == 0;
        if (rotation->busy > 0)
            pause_for_writers();
    }
    if (quiet && rotation->failed == 0 && !rotation->dry_run)
        return OK;
    rotation->report = true;
    return pass(rotation, err);
}

static void say_done(const struct rotation *rotation, long long left, bool json)
{
    json_t *root;

    if (json) {
        root = json_pack("{s:s, s:b, s:I, s:I}", "encryption_key_id", rotation->key_id, "dry_run",
                         rotation->dry_run, "resealed", (json_int_t)rotation->resealed, "left",
                         (json_int_t)left);
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(root);
    } else {
        printf("key %s: %lld %s, %lld %s under others\n", rotation->key_id, rotation->resealed,
               rotation->dry_run ? "rows would be resealed" : "rows resealed", left,
               rotation->dry_run ? "would stay" : "are still");
    }
    if (left > rotation->failed)
        fputs("pgherald: rows under other keys keep coming or are locked: look which program still "
              "seals\nwith an old key, and run oauth rotate again\n",
              stderr);
}

int cli_oauth_rotate(const struct config *config, const struct cli_args *args)
{
    struct rotation rotation = {.dry_run = args->flags & CLI_DRY_RUN};
    int code = oauth_begin(&rotation.oauth, config, true);
    long long left;
    struct err err;

    if (code != EXIT_SUCCESS)
        return code;
    rotation.key_id = vault_keys_at(rotation.oauth.keys, 0)->id;
    rotation.said_at = clock_monotonic_ms();
    if (count_rows(&rotation, &err) != OK || rotate(&rotation, &err) != OK ||
        (!rotation.dry_run && count_rows(&rotation, &err) != OK)) {
        code = oauth_fail(&err);
    } else {
        left = rotation.dry_run ? rotation.failed : rotation.total;
        say_done(&rotation, left, args->flags & CLI_JSON);
        code = left == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    oauth_end(&rotation.oauth);
    return code;
}
