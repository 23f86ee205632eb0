/* The tokens of a row, between the database's text and the seal. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "cli/oauth.h"
#include "embedded.h"

#define TABLE "google_oauth_tokens"
#define PAGE_ROWS "100" /* of at most two tokens of 64 kB each: some 50 MB at the very worst */

static const char *const column_names[] = {"access_token_encrypted", "refresh_token_encrypted"};

static struct seal_place place_of(const char *user_id, const char *account_id,
                                  enum oauth_column column)
{
    return (struct seal_place){TABLE, str_c(user_id), str_c(account_id), column_names[column]};
}

static const char *text_or_null(const struct pg_rows *rows, size_t row, size_t column)
{
    return pg_rows_is_null(rows, row, column) ? NULL : pg_rows_text(rows, row, column);
}

enum result oauth_next_page(const struct oauth *oauth, const char *except_key,
                            struct pg_rows **rows, struct err *err)
{
    struct pg_rows *before = *rows;
    size_t count = before ? pg_rows_count(before) : 0;
    const char *params[] = {count > 0 ? pg_rows_text(before, count - 1, 0) : NULL, except_key,
                            PAGE_ROWS, OAUTH_SEAL_MAX_TEXT};
    enum result result = pg_sync_run(oauth->conn, sql_oauth_page, params, 4, rows, err);

    pg_rows_free(before);
    return result;
}

void oauth_row_read(const struct pg_rows *rows, size_t at, struct oauth_row *out)
{
    *out = (struct oauth_row){
        .id = pg_rows_text(rows, at, 0),
        .user_id = pg_rows_text(rows, at, 1),
        .account_id = pg_rows_text(rows, at, 2),
        .key_id = pg_rows_text(rows, at, 3),
        .access = text_or_null(rows, at, 4),
        .has_refresh = pg_rows_is_true(rows, at, 5),
        .refresh = text_or_null(rows, at, 6),
    };
}

const char *oauth_shown(const char *text, char out[64])
{
    size_t len = 0;

    for (; len < 63 && text[len]; len++)
        out[len] = text[len] < 0x20 || text[len] > 0x7e ? '?' : text[len];
    out[len] = '\0';
    return out;
}

/* PostgreSQL writes a bytea as \x and two digits a byte. */
static enum result from_hex(const char *text, struct buf *out, struct err *err)
{
    if (!text)
        return err_set(err, "more than %d bytes", SEAL_MAX);
    if (!str_starts(str_c(text), STR("\\x")) || !hex_decode(out, str_c(text + 2)) || !buf_ok(out))
        return err_set(err, "the server sent no bytea");
    return OK;
}

enum result oauth_open(const struct oauth *oauth, const struct oauth_row *row,
                       enum oauth_column column, struct buf *plain, struct err *err)
{
    const struct vault_key *key = vault_keys_find(oauth->keys, str_c(row->key_id));
    struct seal_place place = place_of(row->user_id, row->account_id, column);
    enum result result;
    struct buf sealed;
    char shown[64];

    if (!key)
        return err_set(err, "key %s is not among encryption_keys", oauth_shown(row->key_id, shown));
    buf_init(&sealed, SEAL_MAX);
    result = from_hex(column == OAUTH_ACCESS ? row->access : row->refresh, &sealed, err);
    if (result == OK)
        result = seal_open(key, &place, buf_str(&sealed), plain, err);
    buf_fini(&sealed);
    return result == OK ? OK : err_context(err, "%s, key %s", column_names[column], key->id);
}

enum result oauth_seal(const struct oauth *oauth, const char *user_id, const char *account_id,
                       enum oauth_column column, struct str plain, struct buf *hex, struct err *err)
{
    struct seal_place place = place_of(user_id, account_id, column);
    enum result result;
    struct buf sealed;

    buf_init(&sealed, SEAL_MAX);
    result = seal(vault_keys_at(oauth->keys, 0), &place, plain, &sealed, err);
    if (result == OK) {
        buf_add_c(hex, "\\x");
        hex_encode(hex, (const uint8_t *)sealed.data, sealed.len);
    }
    buf_fini(&sealed);
    if (result == OK && !buf_ok(hex))
        result = err_set(err, "no room for the sealed token");
    return result == OK ? OK : err_context(err, "%s", column_names[column]);
}

enum result oauth_print(struct str secret, struct err *err)
{
    ssize_t put;

    fflush(stdout);
    while (secret.len > 0) {
        put = write(STDOUT_FILENO, secret.data, secret.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set_errno(err, errno, "cannot write to stdout");
        secret = str_from(secret.data + put, secret.len - (size_t)put);
    }
    return OK;
}

static void wipe_and_free(void *block)
{
    if (block)
        explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

void oauth_wipe_json(void)
{
    json_set_alloc_funcs(mem_block, wipe_and_free);
}
