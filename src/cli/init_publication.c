/* The publication, as `pgherald init` leaves it. */
#include <stdio.h>

#include "cli/init.h"
#include "decode/followed.h"
#include "embedded.h"

/* What pgoutput will not bring. */
static enum result check_published(struct init *init, bool at_once, struct err *err)
{
    const char *params[] = {init->config->publication};
    struct pg_rows *rows;
    size_t count;

    if (pg_sync_run(init->conn, sql_init_unpublished, params, 1, &rows, err) != OK)
        return FAILED;
    count = pg_rows_count(rows);
    for (size_t i = 0; i < count && i < MAX_LISTED; i++)
        init_warn(init, "NO CHANGES of %s are seen: it is %s. Run pgherald init as that role",
                  pg_rows_text(rows, i, 0), pg_rows_text(rows, i, 1));
    if (count > MAX_LISTED)
        init_warn(init, "and of %zu more tables", count - MAX_LISTED);
    pg_rows_free(rows);
    if (!at_once)
        init_warn(init, "A TABLE THAT IS MADE LATER is not seen before the daemon starts again or "
                        "pgherald init is run: as a superuser, init makes an event trigger that "
                        "publishes it at once");
    return OK;
}

/* For pgoutput: whatever is followed has to be listed, before the slot is made. */
static enum result follow(struct init *init, struct err *err)
{
    const struct config *config = init->config;
    const char *further = followed_has_auth_events(config) ? "{auth.audit_log_entries}" : "{}";
    const char *params[] = {config->publication, init->schemas, further};
    struct pg_rows *rows;
    char what[96];
    bool at_once;

    if (pg_sync_run(init->conn, sql_init_follow, params, 3, NULL, err) != OK ||
        pg_sync_run(init->conn, sql_init_followed, params, 1, &rows, err) != OK)
        return err_context(err, "publication %s", config->publication);
    snprintf(what, sizeof(what), "lists %s tables for pgoutput, %s of them in %s%s",
             pg_rows_text(rows, 0, 0), pg_rows_text(rows, 0, 1), config->publication,
             PUBLICATION_OF_INSERTS);
    at_once = pg_rows_is_true(rows, 0, 2);
    pg_rows_free(rows);
    init_say(init, "publication", config->publication, what);
    return init->plugin == PLUGIN_PGOUTPUT ? check_published(init, at_once, err) : OK;
}

/* While a slot of pgoutput reads the publication, init for one of wal2json must not take out what
 * only that one needs. */
static enum result has_other_reader(struct init *init, bool *has, struct err *err)
{
    const char *params[] = {init->config->publication};
    struct pg_rows *rows;

    if (pg_sync_run(init->conn, sql_init_is_followed, params, 1, &rows, err) != OK)
        return FAILED;
    *has = pg_rows_is_true(rows, 0, 0);
    pg_rows_free(rows);
    return OK;
}

enum result init_publish(struct init *init, struct err *err)
{
    const char *params[] = {init->config->publication, init->schemas};
    struct pg_rows *rows;
    bool for_other = false;
    size_t listed = 0;
    char what[64];

    if (init->dry_run) {
        init_say(init, "publication", init->config->publication, "would be brought up to date");
        return OK;
    }
    if (init->plugin == PLUGIN_WAL2JSON && has_other_reader(init, &for_other, err) != OK)
        return FAILED;
    if (init->plugin == PLUGIN_PGOUTPUT || for_other)
        return follow(init, err);
    if (pg_sync_run(init->conn, sql_init_publication, params, 2, &rows, err) != OK)
        return err_context(err, "publication %s", init->config->publication);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        listed += pg_rows_is_null(rows, i, 1);
    pg_rows_free(rows);
    snprintf(what, sizeof(what), "lists %zu tables", listed);
    init_say(init, "publication", init->config->publication, what);
    return OK;
}
