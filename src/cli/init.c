/* pgherald init: schema, publication, slot. What is done is said as it is done; with --json it is
 * said once, at the end. */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/init.h"
#include "cli/migrate.h"
#include "embedded.h"

/* ---------------------------------------------------------------- saying */

void init_say(struct init *init, const char *kind, const char *name, const char *what)
{
    if (init->json)
        json_array_append_new(
            init->steps, json_pack("{s:s, s:s, s:s}", "kind", kind, "name", name, "result", what));
    else
        printf("%-11s %-32s %s\n", kind, name, what);
    fflush(stdout);
}

void init_warn(struct init *init, const char *fmt, ...)
{
    char text[ERR_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (init->json)
        json_array_append_new(init->warnings, json_string(text));
    else
        printf("warning: %s\n", text);
}

/* The server's refusal at full length: an error in one line would be cut. */
static void print_refusal(const char *file, const struct pg_refusal *refusal)
{
    if (refusal->line)
        fprintf(stderr, "  sql/migrations/%s.sql, line %u\n", file, refusal->line);
    if (refusal->detail[0])
        fprintf(stderr, "  detail: %s\n", refusal->detail);
    if (refusal->hint[0])
        fprintf(stderr, "  hint: %s\n", refusal->hint);
    if (refusal->context[0])
        fprintf(stderr, "  where: %s\n", refusal->context);
}

/* ---------------------------------------------------------------- steps */

static enum result lock(struct init *init, struct err *err)
{
    struct pg_rows *rows;
    bool got;

    if (init->dry_run)
        return OK;
    if (pg_sync_run(init->conn, sql_init_lock, NULL, 0, &rows, err) != OK)
        return FAILED;
    got = pg_rows_is_true(rows, 0, 0);
    pg_rows_free(rows);
    if (got)
        return OK;
    fputs("pgherald: another init is at work in this database, waiting for it\n", stderr);
    return pg_sync_run(init->conn, sql_init_lock_wait, NULL, 0, NULL, err);
}

static enum result refuse_changed(const struct migration_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->states[i] == MIGRATION_CHANGED)
            return err_set(err,
                           "migration %s was applied with another content than this program has. "
                           "Migrations only go forward: run the pgherald that the database was "
                           "made with or a later one; if you edited sql/migrations/%s.sql, put it "
                           "back and put the change in a new file",
                           migration_name(i), migration_name(i));
    return OK;
}

/* What would not bear the installation is found before anything is changed. */
static enum result refuse_conflicts(struct init *init, const struct migration_plan *plan,
                                    struct err *err)
{
    const char *seed_app[] = {plan->seed_app ? "on" : "off"};
    struct pg_rows *rows;
    size_t count;

    if (migration_plan_count(plan, MIGRATION_MISSING) +
            migration_plan_count(plan, MIGRATION_REPEAT) ==
        0)
        return OK;
    if (pg_sync_run(init->conn, sql_init_seed_app, seed_app, 1, NULL, err) != OK ||
        pg_sync_run(init->conn, sql_init_conflicts, NULL, 0, &rows, err) != OK)
        return err_context(err, "looking for what is in the way");
    count = pg_rows_count(rows);
    for (size_t i = 0; i < count; i++)
        init_warn(init, "%s. Remedy: %s", pg_rows_text(rows, i, 0), pg_rows_text(rows, i, 1));
    pg_rows_free(rows);
    if (count == 0)
        return OK;
    return err_set(err,
                   "pgherald cannot be installed: %zu object(s) of the project are in the way (see "
                   "the warnings). Nothing has been changed",
                   count);
}

static enum result apply_one(struct init *init, size_t i, bool seed_app, struct err *err)
{
    const struct pg_refusal *refusal;
    struct err ignored;
    struct err shown;

    if (migration_apply(init->conn, i, seed_app, err) == OK)
        return OK;
    refusal = pg_sync_refusal(init->conn);
    if (refusal->message[0])
        err_set(&shown, "migration %s: %s", migration_name(i), refusal->message);
    else
        err_set(&shown, "migration %s: %.900s", migration_name(i), err->message);
    *err = shown;
    fprintf(stderr, "pgherald: %s\n", err->message);
    print_refusal(migration_name(i), refusal);
    init->said = true;
    if (pg_sync_run(init->conn, "rollback", NULL, 0, NULL, &ignored) != OK)
        return FAILED; /* the connection is gone, and the transaction with it */
    return FAILED;
}

static enum result migrate(struct init *init, struct migration_plan *plan, struct err *err)
{
    if (refuse_changed(plan, err) != OK || refuse_conflicts(init, plan, err) != OK)
        return FAILED;
    for (size_t i = 0; i < plan->count; i++) {
        switch (plan->states[i]) {
        case MIGRATION_MISSING:
        case MIGRATION_REPEAT:
            if (!init->dry_run && apply_one(init, i, plan->seed_app, err) != OK)
                return FAILED;
            init_say(init, "migration", migration_name(i),
                     init->dry_run ? "would be applied"
                     : plan->states[i] == MIGRATION_REPEAT
                         ? "applied again, now with the seed application"
                         : "applied");
            break;
        case MIGRATION_APPLIED:
            init_say(init, "migration", migration_name(i), "already there");
            break;
        case MIGRATION_LEFT_OUT:
            init_say(init, "migration", migration_name(i), "left out: of the seed application");
            break;
        case MIGRATION_CHANGED:
            break;
        }
    }
    return OK;
}

static enum result check_schemas(struct init *init, struct err *err)
{
    const char *params[] = {init->schemas};
    struct pg_rows *rows;

    if (pg_sync_run(init->conn, sql_init_schemas, params, 1, &rows, err) != OK)
        return FAILED;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        init_warn(init, "schema %s of the setting schemas does not exist",
                  pg_rows_text(rows, i, 0));
    pg_rows_free(rows);
    return OK;
}

/* Tables that lack something, as warnings with the statement that helps. */
static enum result check_tables(struct init *init, struct err *err)
{
    const char *params[] = {init->schemas};
    size_t dropped = 0, blind = 0;
    struct pg_rows *rows;

    if (pg_sync_run(init->conn, sql_init_tables, params, 1, &rows, err) != OK)
        return FAILED;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const char *table = pg_rows_text(rows, i, 0);

        if (!pg_rows_is_true(rows, i, 1) && ++dropped <= MAX_LISTED)
            init_warn(init,
                      "UPDATE and DELETE of %s are NOT SEEN: it has no primary key and no replica "
                      "identity. Add a primary key, or: alter table %s replica identity full;",
                      table, table);
        else if (pg_rows_is_true(rows, i, 1) && !pg_rows_is_true(rows, i, 2) &&
                 ++blind <= MAX_LISTED)
            init_warn(init,
                      "no values from before a change of %s; if you want them: alter table %s "
                      "replica identity full;",
                      table, table);
    }
    if (dropped > MAX_LISTED || blind > MAX_LISTED)
        init_warn(init, "and more tables; pgherald doctor lists all");
    pg_rows_free(rows);
    return OK;
}

/* A new slot starts now. If there is a checkpoint, an earlier slot of that name is gone, and what
 * happened since then nobody has. */
static enum result forget_checkpoint(struct init *init, struct err *err)
{
    const char *params[] = {init->config->slot_name};
    struct pg_rows *rows;
    enum result result = OK;

    if (pg_sync_run(init->conn, sql_init_checkpoint, params, 1, &rows, err) != OK)
        return FAILED;
    if (pg_rows_count(rows) > 0) {
        result = pg_sync_run(init->conn, sql_init_forget, params, 1, NULL, err);
        if (result == OK)
            init_warn(
                init,
                "THERE IS A GAP: slot %s existed before and was processed up to %s%s%s. "
                "Changes between then and now are in no audit entry, notification or webhook. An "
                "entry with action pgherald.gap says so in audit_logs.",
                init->config->slot_name, pg_rows_text(rows, 0, 0),
                pg_rows_is_null(rows, 0, 1) ? "" : ", committed at ", pg_rows_text(rows, 0, 1));
    }
    pg_rows_free(rows);
    return result;
}

/* Adds the remedy to what the server says of a slot it will not make. */
static enum result explain_slot_error(struct init *init, struct err *err)
{
    const struct pg_refusal *refusal = pg_sync_refusal(init->conn);

    err_context(err, "slot %s cannot be made", init->config->slot_name);
    if (strcmp(refusal->sqlstate, "58P01") == 0)
        return err_set(err,
                       "slot %s cannot be made: the output plugin wal2json is not installed on the "
                       "database's host. On Debian: apt-get install postgresql-15-wal2json (with "
                       "the version of the server). Or set plugin = pgoutput, which is always "
                       "there",
                       init->config->slot_name);
    if (strcmp(refusal->sqlstate, "53400") == 0)
        return err_set(
            err,
            "slot %s cannot be made: all replication slots of the server are in use. "
            "Raise max_replication_slots and restart the server, or drop one that nobody "
            "needs (select * from pg_replication_slots)",
            init->config->slot_name);
    return FAILED;
}

/* With plugin = auto, that wal2json is not installed comes out only now. */
static bool may_take_pgoutput(struct init *init)
{
    return init->config->plugin == PLUGIN_AUTO && init->plugin == PLUGIN_WAL2JSON &&
           strcmp(pg_sync_refusal(init->conn)->sqlstate, "58P01") == 0;
}

static enum result ask_for_slot(struct init *init, struct pg_rows **rows, struct err *err)
{
    const char *params[] = {init->config->slot_name, plugin_name(init->plugin)};

    if (pg_sync_run(init->conn, sql_init_create_slot, params, 2, rows, err) == OK)
        return OK;
    if (!may_take_pgoutput(init))
        return explain_slot_error(init, err);
    init_say(init, "plugin", "pgoutput", "since wal2json is not installed on the database's host");
    init->plugin = PLUGIN_PGOUTPUT;
    return init_publish(init, err) == OK ? ask_for_slot(init, rows, err) : FAILED;
}

static enum result create_slot(struct init *init, struct err *err)
{
    struct pg_rows *rows;
    char what[96];

    if (init->dry_run) {
        init_say(init, "slot", init->config->slot_name, "would be made");
        return OK;
    }
    if (forget_checkpoint(init, err) != OK)
        return FAILED;
    if (ask_for_slot(init, &rows, err) != OK)
        return FAILED;
    snprintf(what, sizeof(what), "made for %s: changes are kept from %s on",
             plugin_name(init->plugin), pg_rows_text(rows, 0, 0));
    pg_rows_free(rows);
    init_say(init, "slot", init->config->slot_name, what);
    return OK;
}

static enum result ensure_slot(struct init *init, struct err *err)
{
    const struct config *config = init->config;
    const struct slot_facts *slot = &init->slot;
    struct err what, remedy;

    if (slot->exists ? slot_is_unusable(config->slot_name, slot, config->plugin, &what, &remedy)
                     : server_forbids_slot(&init->server, init->plugin, &what, &remedy))
        return err_set(err, "%.300s. Remedy: %.600s", what.message, remedy.message);
    if (!slot->exists)
        return create_slot(init, err);
    init_say(init, "slot", config->slot_name,
             slot->active ? "already there, in use" : "already there");
    return OK;
}

static enum result choose_plugin(struct init *init, struct err *err)
{
    if (server_facts_load(init->conn, &init->server, err) != OK ||
        slot_facts_load(init->conn, init->config->slot_name, &init->slot, err) != OK)
        return FAILED;
    init->plugin = plugin_to_use(init->config->plugin, &init->server, &init->slot);
    return OK;
}

static enum result install(struct init *init, struct err *err)
{
    struct migration_plan plan;
    enum result result;

    if (lock(init, err) != OK || migration_plan_load(init->conn, init->with_seed_app, &plan, err))
        return FAILED;
    result = migrate(init, &plan, err);
    migration_plan_free(&plan);
    if (result != OK || check_schemas(init, err) != OK || choose_plugin(init, err) != OK ||
        init_publish(init, err) != OK || check_tables(init, err) != OK)
        return FAILED;
    return ensure_slot(init, err);
}

/* ---------------------------------------------------------------- the face */

static void finish_json(struct init *init, enum result result, const struct err *err)
{
    json_t *root = json_pack("{s:b, s:b, s:o, s:o, s:s?}", "ok", result == OK, "dry_run",
                             init->dry_run, "steps", init->steps, "warnings", init->warnings,
                             "error", result == OK ? NULL : err->message);

    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

int cli_init(const struct config *config, const struct cli_args *args)
{
    struct init init = {.config = config,
                        .dry_run = args->flags & CLI_DRY_RUN,
                        .with_seed_app = args->flags & CLI_WITH_SEED_APP,
                        .json = args->flags & CLI_JSON};
    enum result result;
    struct err err;

    if (!cli_has_database(config))
        return EX_CONFIG;
    init.steps = json_array();
    init.warnings = json_array();
    init.schemas = pg_text_array(config->schemas.items, config->schemas.count);
    result = pg_sync_open(config->database_url, "pgherald init", &init.conn, &err);
    if (result == OK)
        result = install(&init, &err);
    pg_sync_close(init.conn);
    free(init.schemas);
    if (init.json) {
        finish_json(&init, result, &err);
    } else {
        json_decref(init.steps);
        json_decref(init.warnings);
    }
    if (result != OK && !init.said)
        fprintf(stderr, "pgherald: %s\n", err.message);
    return result == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
