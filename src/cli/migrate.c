#include "cli/migrate.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "embedded.h"

const char *migration_name(size_t index)
{
    return migrations[index].name;
}

void migration_checksum(const char *sql, char out[MIGRATION_CHECKSUM])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    out[0] = '\0';
    if (EVP_Digest(sql, strlen(sql), digest, &len, EVP_sha256(), NULL) != 1)
        return;
    for (unsigned i = 0; i < len && i < (MIGRATION_CHECKSUM - 1) / 2; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", digest[i]);
}

bool migration_is_seed(const char *sql, bool *seed)
{
    struct str line, rest;

    str_split(str_c(sql), '\n', &line, &rest);
    line = str_trim(line);
    *seed = str_eq(line, STR("-- pgherald: set=seed"));
    return *seed || str_eq(line, STR("-- pgherald: set=core"));
}

/* ---------------------------------------------------------------- the plan */

static enum result load_applied(struct pg_sync *conn, struct pg_rows **out, struct err *err)
{
    struct pg_rows *rows;
    bool installed;

    *out = NULL;
    if (pg_sync_run(conn, sql_init_has_migrations, NULL, 0, &rows, err) != OK)
        return FAILED;
    installed = pg_rows_is_true(rows, 0, 0);
    pg_rows_free(rows);
    return installed ? pg_sync_run(conn, sql_init_applied, NULL, 0, out, err) : OK;
}

/* The row of a migration among those applied, or -1. */
static long find_applied(const struct pg_rows *applied, const char *name)
{
    size_t count = applied ? pg_rows_count(applied) : 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(pg_rows_text(applied, i, 0), name) == 0)
            return (long)i;
    return -1;
}

static enum migration_state state_of(const struct migration *migration, bool is_seed, bool seed_app,
                                     const struct pg_rows *applied)
{
    long row = find_applied(applied, migration->name);
    char checksum[MIGRATION_CHECKSUM];

    if (row < 0)
        return is_seed && !seed_app ? MIGRATION_LEFT_OUT : MIGRATION_MISSING;
    migration_checksum(migration->sql, checksum);
    if (strcmp(pg_rows_text(applied, (size_t)row, 1), checksum) != 0)
        return MIGRATION_CHANGED;
    return seed_app && !pg_rows_is_true(applied, (size_t)row, 2) ? MIGRATION_REPEAT
                                                                 : MIGRATION_APPLIED;
}

static enum result make_plan(const struct pg_rows *applied, bool with_seed_app,
                             struct migration_plan *plan, struct err *err)
{
    bool *is_seed = mem_array(migration_count, sizeof(*is_seed));
    enum result result = OK;

    plan->installed = applied != NULL;
    plan->seed_app = with_seed_app;
    plan->count = migration_count;
    plan->states = mem_array(migration_count, sizeof(*plan->states));
    for (size_t i = 0; i < migration_count && result == OK; i++) {
        if (!migration_is_seed(migrations[i].sql, &is_seed[i]))
            result = err_set(err,
                             "sql/migrations/%s.sql does not begin with -- pgherald: set=core "
                             "or set=seed",
                             migrations[i].name);
        else if (is_seed[i] && find_applied(applied, migrations[i].name) >= 0)
            plan->seed_app = true; /* once installed it is kept up to date */
    }
    for (size_t i = 0; i < migration_count && result == OK; i++)
        plan->states[i] = state_of(&migrations[i], is_seed[i], plan->seed_app, applied);
    free(is_seed);
    return result;
}

enum result migration_plan_load(struct pg_sync *conn, bool with_seed_app,
                                struct migration_plan *out, struct err *err)
{
    struct pg_rows *applied;
    enum result result;

    *out = (struct migration_plan){0};
    if (load_applied(conn, &applied, err) != OK)
        return FAILED;
    result = make_plan(applied, with_seed_app, out, err);
    pg_rows_free(applied);
    if (result != OK)
        migration_plan_free(out);
    return result;
}

void migration_plan_free(struct migration_plan *plan)
{
    free(plan->states);
    *plan = (struct migration_plan){0};
}

size_t migration_plan_count(const struct migration_plan *plan, enum migration_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++)
        count += plan->states[i] == state;
    return count;
}

/* ---------------------------------------------------------------- applying */

static enum result record(struct pg_sync *conn, const struct migration *migration, bool seed_app,
                          struct err *err)
{
    char checksum[MIGRATION_CHECKSUM];
    const char *params[] = {migration->name, checksum, seed_app ? "true" : "false"};

    migration_checksum(migration->sql, checksum);
    if (pg_sync_run(conn, sql_init_migrations_table, NULL, 0, NULL, err) != OK)
        return FAILED;
    return pg_sync_run(conn, sql_init_record, params, 3, NULL, err);
}

/* Our connections have an empty search_path, and then an extension has no schema to be made in. */
#define BEGIN "begin; set local search_path = public; set local pgherald.seed_app = "

/* An error leaves the transaction to the caller, who has yet to read what the server said. */
enum result migration_apply(struct pg_sync *conn, size_t index, bool seed_app, struct err *err)
{
    const struct migration *migration = &migrations[index];
    const char *begin = seed_app ? BEGIN "'on'" : BEGIN "'off'";

    if (pg_sync_run(conn, begin, NULL, 0, NULL, err) != OK ||
        pg_sync_run(conn, migration->sql, NULL, 0, NULL, err) != OK ||
        record(conn, migration, seed_app, err) != OK)
        return FAILED;
    return pg_sync_run(conn, "commit", NULL, 0, NULL, err);
}
