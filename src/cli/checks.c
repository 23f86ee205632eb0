#include "cli/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/facts.h"
#include "cli/migrate.h"
#include "embedded.h"

#define MIN_VERSION 150000
#define CLOCK_WARN_US (1000 * 1000)
#define CLOCK_FAIL_US (60 * 1000 * 1000)

void checks_add(struct checks *checks, const char *name, enum check_verdict verdict,
                const char *remedy, const char *found, ...)
{
    struct check *check;
    char text[ERR_MAX];
    va_list ap;

    va_start(ap, found);
    vsnprintf(text, sizeof(text), found, ap);
    va_end(ap);
    checks->items = mem_grow(checks->items, checks->count + 1, sizeof(*checks->items));
    check = &checks->items[checks->count++];
    *check = (struct check){name, verdict, mem_strdup(text), mem_strdup(remedy)};
}

void checks_fini(struct checks *checks)
{
    for (size_t i = 0; i < checks->count; i++) {
        free(checks->items[i].found);
        free(checks->items[i].remedy);
    }
    free(checks->items);
    *checks = (struct checks){0};
}

/* ---------------------------------------------------------------- the server */

static void check_version(struct checks *checks, const struct server_facts *server)
{
    bool good = server->version_number >= MIN_VERSION;

    checks_add(checks, "server version", good ? CHECK_OK : CHECK_FAIL,
               good ? NULL : "upgrade the server to PostgreSQL 15 or later", "PostgreSQL %s",
               server->version);
    if (server->standby)
        checks_add(checks, "primary", CHECK_FAIL, "name the primary in database_url",
                   "this server is a standby, where nothing can be written");
}

/* wal2json does not convert, and JSON is UTF-8. */
static void check_encoding(struct checks *checks, const struct server_facts *server)
{
    bool good = strcmp(server->encoding, "UTF8") == 0;

    checks_add(checks, "encoding", good ? CHECK_OK : CHECK_FAIL,
               good ? NULL
                    : "use a database with encoding UTF8: text of others would not be stored",
               "%s", server->encoding);
}

static void check_wal(struct checks *checks, const struct server_facts *server,
                      const struct slot_facts *slot)
{
    bool logical = strcmp(server->wal_level, "logical") == 0;
    bool slot_free = slot->exists || server->used_slots < server->max_slots;
    bool sender_free = slot->active || server->used_senders < server->max_senders;
    char remedy[128];

    checks_add(checks, "wal_level", logical ? CHECK_OK : CHECK_FAIL,
               logical ? NULL : "alter system set wal_level = 'logical'; then restart the server",
               "%s", server->wal_level);
    checks_add(checks, "max_replication_slots", slot_free ? CHECK_OK : CHECK_FAIL,
               slot_free ? NULL
                         : "raise max_replication_slots and restart the server, or drop a slot "
                           "that nobody needs (select * from pg_replication_slots)",
               "%d of %d in use", server->used_slots, server->max_slots);
    checks_add(checks, "max_wal_senders", sender_free ? CHECK_OK : CHECK_FAIL,
               sender_free ? NULL : "raise max_wal_senders and restart the server",
               "%d of %d in use", server->used_senders, server->max_senders);
    snprintf(remedy, sizeof(remedy), "as a superuser: alter role \"%s\" replication;",
             server->user);
    checks_add(checks, "replication attribute", server->replication ? CHECK_OK : CHECK_FAIL,
               server->replication ? NULL : remedy, "role %s %s", server->user,
               server->replication ? "may replicate" : "may not replicate");
}

/* ---------------------------------------------------------------- slot */

static void check_slot(struct checks *checks, const struct config *config,
                       const struct slot_facts *slot)
{
    const char *name = config->slot_name;
    struct err what, remedy;

    if (!slot->exists)
        checks_add(checks, "slot", CHECK_FAIL, "run pgherald init", "slot %s does not exist", name);
    else if (slot_is_unusable(name, slot, config->plugin, &what, &remedy))
        checks_add(checks, "slot", CHECK_FAIL, remedy.message, "%s", what.message);
    else if (strcmp(slot->wal_status, "unreserved") == 0)
        checks_add(checks, "slot", CHECK_WARN,
                   "start the daemon now, and raise max_slot_wal_keep_size",
                   "slot %s will be lost at the server's next checkpoint", name);
    else
        checks_add(checks, "slot", CHECK_OK, NULL, "slot %s, %s, %s", name,
                   slot->active ? "in use" : "not in use", slot->wal_status);
}

/* ---------------------------------------------------------------- schema and rights */

static void check_schema(struct checks *checks, struct pg_sync *conn)
{
    struct migration_plan plan;
    struct err err;
    size_t missing, changed;

    if (migration_plan_load(conn, false, &plan, &err) != OK) {
        checks_add(checks, "schema", CHECK_FAIL, "run pgherald init as the owner", "%s",
                   err.message);
        return;
    }
    missing = migration_plan_count(&plan, MIGRATION_MISSING) +
              migration_plan_count(&plan, MIGRATION_REPEAT);
    changed = migration_plan_count(&plan, MIGRATION_CHANGED);
    if (!plan.installed)
        checks_add(checks, "schema", CHECK_FAIL, "run pgherald init", "not installed");
    else if (changed > 0)
        checks_add(checks, "schema", CHECK_FAIL,
                   "run the pgherald that the database was made with, or a later one",
                   "%zu migrations have another content than this program has", changed);
    else if (missing > 0)
        checks_add(checks, "schema", CHECK_FAIL, "run pgherald init", "%zu migrations are missing",
                   missing);
    else
        checks_add(checks, "schema", CHECK_OK, NULL, "%zu migrations applied%s",
                   migration_plan_count(&plan, MIGRATION_APPLIED),
                   plan.seed_app ? ", with the seed application" : "");
    migration_plan_free(&plan);
}

static void check_privileges(struct checks *checks, struct pg_sync *conn,
                             const struct server_facts *server)
{
    struct pg_rows *rows;
    char remedy[512];
    struct err err;

    if (pg_sync_run(conn, sql_doctor_privileges, NULL, 0, &rows, &err) != OK) {
        checks_add(checks, "privileges", CHECK_FAIL,
                   "connect as the role that ran pgherald init, or grant it to yours", "%s",
                   err.message);
        return;
    }
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const char *table = pg_rows_text(rows, i, 0);

        if (pg_rows_is_true(rows, i, 2)) {
            snprintf(remedy, sizeof(remedy),
                     "connect as the owner of the table, or: alter role \"%s\" bypassrls;",
                     server->user);
            checks_add(checks, "privileges", CHECK_FAIL, remedy,
                       "row level security of %s would hide rows from %s", table, server->user);
        } else {
            snprintf(remedy, sizeof(remedy), "grant %s on %s to \"%s\";", pg_rows_text(rows, i, 1),
                     table, server->user);
            checks_add(checks, "privileges", CHECK_FAIL, remedy, "role %s needs %s on %s",
                       server->user, pg_rows_text(rows, i, 1), table);
        }
    }
    if (pg_rows_count(rows) == 0)
        checks_add(checks, "privileges", CHECK_OK, NULL, "role %s may read and write what it needs",
                   server->user);
    pg_rows_free(rows);
}

static void check_roles(struct checks *checks, struct pg_sync *conn,
                        const struct server_facts *server)
{
    struct pg_rows *rows;
    char remedy[256];
    struct err err;

    if (pg_sync_run(conn, sql_doctor_roles, NULL, 0, &rows, &err) != OK) {
        checks_add(checks, "client roles", CHECK_FAIL, "see the server's message", "%s",
                   err.message);
        return;
    }
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const char *role = pg_rows_text(rows, i, 0);

        if (!pg_rows_is_true(rows, i, 1)) {
            checks_add(checks, "client roles", CHECK_FAIL, "run pgherald init",
                       "role %s does not exist", role);
        } else if (!pg_rows_is_true(rows, i, 2)) {
            snprintf(remedy, sizeof(remedy), "as a superuser: grant %s to \"%s\";", role,
                     server->user);
            checks_add(checks, "client roles", CHECK_FAIL, remedy,
                       "role %s may not set role %s, so it cannot ask what a client may read",
                       server->user, role);
        } else if (!pg_rows_is_true(rows, i, 3)) {
            snprintf(remedy, sizeof(remedy), "as a superuser: alter role %s bypassrls;", role);
            checks_add(checks, "client roles", CHECK_WARN, remedy,
                       "role %s does not bypass row level security, so it sees no row", role);
        } else {
            checks_add(checks, "client roles", CHECK_OK, NULL, "set role %s is possible", role);
        }
    }
    pg_rows_free(rows);
}

/* ---------------------------------------------------------------- tables */

static void check_tables(struct checks *checks, struct pg_sync *conn, const struct config *config)
{
    char *schemas = pg_text_array(config->schemas.items, config->schemas.count);
    const char *params[] = {schemas};
    size_t whole = 0;
    struct pg_rows *rows;
    char remedy[512];
    struct err err;

    if (pg_sync_run(conn, sql_init_tables, params, 1, &rows, &err) != OK) {
        checks_add(checks, "tables", CHECK_FAIL, "see the server's message", "%s", err.message);
        free(schemas);
        return;
    }
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        const char *table = pg_rows_text(rows, i, 0);

        snprintf(remedy, sizeof(remedy), "alter table %s replica identity full;", table);
        if (pg_rows_is_true(rows, i, 2))
            whole++;
        else if (pg_rows_is_true(rows, i, 1))
            checks_add(checks, "before-images", CHECK_WARN, remedy,
                       "of changes in %s the old values are not known", table);
        else
            checks_add(checks, "replica identity", CHECK_FAIL, remedy,
                       "UPDATE and DELETE of %s are not seen: it has no primary key and no replica "
                       "identity",
                       table);
    }
    checks_add(checks, "tables", pg_rows_count(rows) > 0 ? CHECK_OK : CHECK_WARN,
               pg_rows_count(rows) > 0 ? NULL : "is the setting schemas right?",
               "%zu followed, %zu of them with old values", pg_rows_count(rows), whole);
    pg_rows_free(rows);
    free(schemas);
}

/* Without them the trail has rows only. */
static void check_schema_changes(struct checks *checks, struct pg_sync *conn,
                                 const struct config *config)
{
    struct pg_rows *rows;
    struct err err;
    bool good;

    if (!config->audit)
        return;
    if (pg_sync_run(conn, sql_doctor_event_triggers, NULL, 0, &rows, &err) != OK) {
        checks_add(checks, "schema changes", CHECK_FAIL, "see the server's message", "%s",
                   err.message);
        return;
    }
    good = strcmp(pg_rows_text(rows, 0, 0), "2") == 0;
    checks_add(checks, "schema changes", good ? CHECK_OK : CHECK_WARN,
               good ? NULL
                    : "as a superuser: select pgherald.note_schema_changes(); or, where they are "
                      "disabled, alter event trigger ... enable",
               good ? "they are entries of the audit trail"
                    : "they are no entries of the audit trail: an event trigger is missing");
    pg_rows_free(rows);
}

/* A policy that hides nothing is worse than none. */
static void check_policies(struct checks *checks, struct pg_sync *conn)
{
    struct pg_rows *rows;
    struct err err;

    if (pg_sync_run(conn, sql_doctor_policies, NULL, 0, &rows, &err) != OK) {
        checks_add(checks, "audit policies", CHECK_FAIL, "see the server's message", "%s",
                   err.message);
        return;
    }
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        checks_add(checks, "audit policies", CHECK_WARN,
                   "as the owner of pgherald: select pgherald.inherit_policies()",
                   "that of table %s does not hold for %s, which is below it",
                   pg_rows_text(rows, i, 0), pg_rows_text(rows, i, 1));
    pg_rows_free(rows);
}

/* The server's clock against the middle of the time that asking took. */
static void check_clock(struct checks *checks, struct pg_sync *conn)
{
    int64_t before = clock_now_us(), off;
    struct server_facts server;
    enum check_verdict verdict;
    struct err err;

    if (server_facts_load(conn, &server, &err) != OK) {
        checks_add(checks, "clock", CHECK_FAIL, "see the server's message", "%s", err.message);
        return;
    }
    off = server.now_us - (before + clock_now_us()) / 2;
    verdict = llabs(off) > CLOCK_FAIL_US   ? CHECK_FAIL
              : llabs(off) > CLOCK_WARN_US ? CHECK_WARN
                                           : CHECK_OK;
    checks_add(checks, "clock", verdict,
               verdict == CHECK_OK ? NULL : "let both machines follow a time server (NTP)",
               "the server's differs from this machine's by %+.3f s", (double)off / 1e6);
}

void checks_run_database(struct checks *checks, const struct config *config, struct pg_sync *conn)
{
    struct server_facts server;
    struct slot_facts slot;
    struct err err;

    if (server_facts_load(conn, &server, &err) != OK ||
        slot_facts_load(conn, config->slot_name, &slot, &err) != OK) {
        checks_add(checks, "connection", CHECK_FAIL, "see the server's message", "%s", err.message);
        return;
    }
    checks_add(checks, "connection", CHECK_OK, NULL, "database %s as %s", server.database,
               server.user);
    check_version(checks, &server);
    check_encoding(checks, &server);
    check_wal(checks, &server, &slot);
    checks_run_plugin(checks, config, conn, &server, &slot);
    check_slot(checks, config, &slot);
    check_schema(checks, conn);
    check_privileges(checks, conn, &server);
    check_roles(checks, conn, &server);
    check_tables(checks, conn, config);
    check_schema_changes(checks, conn, config);
    check_policies(checks, conn);
    check_clock(checks, conn);
}
