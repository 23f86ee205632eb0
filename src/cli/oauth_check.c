/* pgherald oauth check: opens every row and counts which key it needs. Prints no token. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/oauth.h"
#include "cli/table.h"

#define MISSING_MAX 32 /* ids of keys that are not in the set and are counted each by itself */

struct tally {
    char id[64];
    long long rows, failed;
};

/* The keys of the set in their order, those that are missing behind them, and at the end all others
 * in one. */
struct check {
    struct oauth oauth;
    struct tally tallies[VAULT_KEYS_MAX + MISSING_MAX + 1];
    size_t known, count; /* of tallies: of the set, in all */
    long long failed;
};

static void start_tallies(struct check *check)
{
    check->known = vault_keys_count(check->oauth.keys);
    check->count = check->known;
    for (size_t i = 0; i < check->known; i++)
        oauth_shown(vault_keys_at(check->oauth.keys, i)->id, check->tallies[i].id);
}

static struct tally *tally_of(struct check *check, const char *key_id)
{
    size_t last = check->known + MISSING_MAX;
    struct tally *fresh = &check->tallies[check->count];
    char shown[64];

    oauth_shown(key_id, shown);
    for (size_t i = 0; i < check->count; i++)
        if (strcmp(check->tallies[i].id, shown) == 0)
            return &check->tallies[i];
    if (check->count > last)
        return &check->tallies[last];
    snprintf(fresh->id, sizeof(fresh->id), "%s", check->count == last ? "(others)" : shown);
    check->count++;
    return fresh;
}

static enum result open_token(struct check *check, const struct oauth_row *row,
                              enum oauth_column column, struct err *err)
{
    enum result result;
    struct buf plain;

    buf_init(&plain, SEAL_PLAIN_MAX);
    result = oauth_open(&check->oauth, row, column, &plain, err);
    buf_wipe(&plain);
    return result;
}

static void check_row(struct check *check, const struct oauth_row *row)
{
    struct tally *tally = tally_of(check, row->key_id);
    struct err err;

    tally->rows++;
    if (open_token(check, row, OAUTH_ACCESS, &err) == OK &&
        (!row->has_refresh || open_token(check, row, OAUTH_REFRESH, &err) == OK))
        return;
    tally->failed++;
    check->failed++;
    fprintf(stderr, "pgherald: row %s of user %s: %s\n", row->id, row->user_id, err.message);
}

static enum result check_rows(struct check *check, struct err *err)
{
    struct pg_rows *rows = NULL;
    struct oauth_row row;
    enum result result;

    while ((result = oauth_next_page(&check->oauth, NULL, &rows, err)) == OK &&
           pg_rows_count(rows) > 0) {
        for (size_t i = 0; i < pg_rows_count(rows); i++) {
            oauth_row_read(rows, i, &row);
            check_row(check, &row);
        }
    }
    pg_rows_free(rows);
    return result;
}

static const char *meaning(const struct check *check, size_t i)
{
    if (i >= check->known)
        return "missing: not among encryption_keys";
    if (i == 0)
        return "seals what is stored now";
    return check->tallies[i].rows > 0 ? "still needed" : "not needed by any row";
}

static void print_tallies(const struct check *check, bool json)
{
    static const struct table_column columns[] = {{"key", "key", false},
                                                  {"rows", "rows", true},
                                                  {"failed", "do not open", true},
                                                  {"meaning", "meaning", false}};
    json_t *keys = json_array();

    for (size_t i = 0; i < check->count; i++)
        json_array_append_new(
            keys, json_pack("{s:s, s:b, s:I, s:I, s:s}", "key", check->tallies[i].id, "configured",
                            i < check->known, "rows", (json_int_t)check->tallies[i].rows, "failed",
                            (json_int_t)check->tallies[i].failed, "meaning", meaning(check, i)));
    table_print(keys, columns, sizeof(columns) / sizeof(*columns), "no keys", json);
    json_decref(keys);
}

int cli_oauth_check(const struct config *config, const struct cli_args *args)
{
    struct check check = {.count = 0};
    int code = oauth_begin(&check.oauth, config, true);
    struct err err;

    if (code != EXIT_SUCCESS)
        return code;
    start_tallies(&check);
    if (check_rows(&check, &err) != OK) {
        code = oauth_fail(&err);
    } else {
        print_tallies(&check, args->flags & CLI_JSON);
        code = check.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    oauth_end(&check.oauth);
    return code;
}
