/* What the actions of `pgherald oauth` share. Tokens are plain in memory only between a stdin or
 * stdout of the operator's and the seal; whatever held one is overwritten. */
#ifndef PGHERALD_CLI_OAUTH_H
#define PGHERALD_CLI_OAUTH_H

#include "cli/cli.h"
#include "pg/sync.h"
#include "vault/seal.h"

struct oauth {
    const struct config *config;
    struct vault_keys *keys; /* NULL for what needs none */
    struct pg_sync *conn;
};

enum oauth_column { OAUTH_ACCESS, OAUTH_REFRESH };

/* A row's place and key, and its tokens as the database wrote them: bytea in hexadecimal, NULL for
 * one that is too long to be sealed. All is borrowed from an answer. */
struct oauth_row {
    const char *id;
    const char *user_id;
    const char *account_id;
    const char *key_id;
    const char *access;
    const char *refresh;
    bool has_refresh;
};

/* Reads the keys if they are wanted, connects, and looks whether the table is there. Another code
 * than EXIT_SUCCESS is the command's: the error has been said, and there is nothing to close. */
int oauth_begin(struct oauth *oauth, const struct config *config, bool with_keys);
void oauth_end(struct oauth *oauth);

/* Says the error on stderr and returns EXIT_FAILURE. */
int oauth_fail(const struct err *err);

/* The page of rows behind *rows, which is freed; NULL for the first one. Leaves out the rows under
 * `except_key` unless that is NULL. Empty behind the last row. The caller frees the last answer,
 * also on FAILED, when it is NULL. */
enum result oauth_next_page(const struct oauth *oauth, const char *except_key,
                            struct pg_rows **rows, struct err *err) MUST_CHECK;

/* Columns 0 to 6 of sql/queries/oauth_page.sql, which those of oauth_find.sql are too. */
void oauth_row_read(const struct pg_rows *rows, size_t at, struct oauth_row *out);

/* Appends the plain token. err says which key is missing or why the token does not open. */
enum result oauth_open(const struct oauth *oauth, const struct oauth_row *row,
                       enum oauth_column column, struct buf *plain, struct err *err) MUST_CHECK;

/* Appends the token, sealed under the first key, as a bytea in hexadecimal. */
enum result oauth_seal(const struct oauth *oauth, const char *user_id, const char *account_id,
                       enum oauth_column column, struct str plain, struct buf *hex,
                       struct err *err) MUST_CHECK;

#define OAUTH_HEX_MAX (2 * SEAL_MAX + 2) /* bytes of a sealed token in hexadecimal */
#define OAUTH_SEAL_MAX_TEXT "65565"      /* SEAL_MAX as a parameter of a statement */
_Static_assert(SEAL_MAX == 65565, "OAUTH_SEAL_MAX_TEXT says the same");

/* From the database, for a terminal: control characters and all beyond ASCII are "?", and it is
 * cut. Returns out. */
const char *oauth_shown(const char *text, char out[64]);

/* Writes to stdout at once, past the buffer of stdio, which would keep a copy. */
enum result oauth_print(struct str secret, struct err *err) MUST_CHECK;

/* From here on JSON overwrites the memory that it gives back. For commands that then end. */
void oauth_wipe_json(void);

/* What `pgherald oauth put` read. */
struct oauth_grant {
    struct json_t *root;   /* owns all below */
    struct json_t *fields; /* what is no secret, as sql/queries/oauth_insert.sql takes it */
    const char *account_id;
    struct str access;
    bool gives_refresh; /* false: keep the one that is there */
    struct str refresh; /* empty: there is none */
};

/* Reads a JSON object of bytes from outside. err never quotes a value. */
enum result oauth_grant_parse(struct str text, struct oauth_grant *out, struct err *err) MUST_CHECK;
void oauth_grant_fini(struct oauth_grant *grant);

int cli_oauth_put(const struct config *config, const struct cli_args *args);
int cli_oauth_get(const struct config *config, const struct cli_args *args);
int cli_oauth_rotate(const struct config *config, const struct cli_args *args);
int cli_oauth_check(const struct config *config, const struct cli_args *args);

#endif
