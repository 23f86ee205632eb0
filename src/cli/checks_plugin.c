/* The output plugin, and for pgoutput the publications that it reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/checks.h"
#include "embedded.h"
#include "stream/spool.h"
#include "stream/stream.h"

#define MAX_SHOWN 20 /* findings of publications; the rest is a number */

/* A temporary slot is the one sure sign. The plugin is loaded before the server waits for running
 * transactions, so a time-out is a good answer too. */
static void probe_plugin(struct checks *checks, struct pg_sync *conn, enum config_plugin plugin,
                         enum config_plugin configured)
{
    const struct pg_refusal *refusal = pg_sync_refusal(conn);
    char name[64];
    const char *params[] = {name, plugin_name(plugin)};
    struct err err;

    snprintf(name, sizeof(name), "pgherald_doctor_%ld", (long)getpid());
    if (pg_sync_run(conn, "set statement_timeout = 3000", NULL, 0, NULL, &err) != OK ||
        pg_sync_run(conn, sql_doctor_probe_slot, params, 2, NULL, &err) != OK) {
        if (strcmp(refusal->sqlstate, "57014") == 0)
            checks_add(checks, "output plugin", CHECK_OK, NULL,
                       "%s is there (a slot has to wait for transactions that are open now)",
                       params[1]);
        else if (strcmp(refusal->sqlstate, "58P01") == 0 && configured == PLUGIN_AUTO)
            checks_add(checks, "output plugin", CHECK_OK, NULL,
                       "wal2json is not installed, so pgherald init takes pgoutput");
        else if (strcmp(refusal->sqlstate, "58P01") == 0)
            checks_add(checks, "output plugin", CHECK_FAIL,
                       "set plugin = pgoutput, which is always there, or install it on the "
                       "database's host; on Debian: apt-get install postgresql-15-wal2json (with "
                       "the version of the server)",
                       "%s is not installed", params[1]);
        else
            checks_add(checks, "output plugin", CHECK_FAIL, "see the server's message", "%s",
                       err.message);
    } else {
        checks_add(checks, "output plugin", CHECK_OK, NULL, "%s is there and allowed", params[1]);
        if (pg_sync_run(conn, sql_doctor_drop_probe, params, 1, NULL, &err) != OK)
            return; /* it goes with the session */
    }
    if (pg_sync_run(conn, "set statement_timeout = 0", NULL, 0, NULL, &err) != OK)
        return; /* the next statement says so */
}

static void check_plugin(struct checks *checks, struct pg_sync *conn, const struct config *config,
                         const struct server_facts *server, const struct slot_facts *slot)
{
    enum config_plugin plugin = plugin_to_use(config->plugin, server, slot);
    const char *name = plugin_name(plugin);
    struct err what, remedy;
    bool forbidden = server_forbids_slot(server, plugin, &what, &remedy);

    if (forbidden && server->guards_plugins && !plugin_is_listed(server->plugin_libraries, name))
        checks_add(checks, "output plugin", CHECK_FAIL, remedy.message, "%s", what.message);
    else if (forbidden)
        checks_add(checks, "output plugin", CHECK_WARN, "first mend what is above",
                   "cannot be tried: %s", what.message);
    else if (slot->exists && strcmp(slot->plugin, name) == 0)
        checks_add(checks, "output plugin", CHECK_OK, NULL, "%s is allowed, the slot uses it",
                   name);
    else if (plugin == PLUGIN_PGOUTPUT && config->plugin == PLUGIN_AUTO)
        checks_add(checks, "output plugin", CHECK_OK, NULL,
                   "pgoutput, since output_plugin_libraries does not list wal2json");
    else
        probe_plugin(checks, conn, plugin, config->plugin);
}

/* What the publications lack. */
static void check_publications(struct checks *checks, struct pg_sync *conn,
                               const struct config *config)
{
    char *schemas = pg_text_array(config->schemas.items, config->schemas.count);
    const char *params[] = {config->publication, schemas};
    struct pg_rows *rows;
    struct err err;
    size_t count;

    if (pg_sync_run(conn, sql_doctor_publication, params, 2, &rows, &err) != OK) {
        checks_add(checks, "publication", CHECK_FAIL, "run pgherald init", "%s", err.message);
        free(schemas);
        return;
    }
    count = pg_rows_count(rows);
    for (size_t i = 0; i < count && i < MAX_SHOWN; i++)
        checks_add(checks, "publication", pg_rows_is_true(rows, i, 0) ? CHECK_FAIL : CHECK_WARN,
                   pg_rows_text(rows, i, 2), "%s", pg_rows_text(rows, i, 1));
    if (count > MAX_SHOWN)
        checks_add(checks, "publication", CHECK_WARN, NULL, "and %zu more", count - MAX_SHOWN);
    if (count == 0)
        checks_add(checks, "publication", CHECK_OK, NULL, "%s lists what is followed, %s%s too",
                   config->publication, config->publication, PUBLICATION_OF_INSERTS);
    pg_rows_free(rows);
    free(schemas);
}

/* The daemon goes on without streaming where it is not possible. */
static void check_streaming(struct checks *checks, const struct config *config,
                            const struct server_facts *server, enum config_plugin plugin)
{
    struct err err;

    if (!config->streaming)
        return;
    if (plugin != PLUGIN_PGOUTPUT)
        checks_add(checks, "streaming", CHECK_WARN, "set plugin = pgoutput, or streaming = off",
                   "it is on, and %s cannot", plugin_name(plugin));
    else if (server->version_number < STREAM_STREAMING_VERSION)
        checks_add(checks, "streaming", CHECK_WARN, "set streaming = off",
                   "it is on, and PostgreSQL %s cannot: from 14 on", server->version);
    else if (spool_try(config->spool_directory, &err) != OK)
        checks_add(checks, "streaming", CHECK_WARN,
                   "set spool_directory to a folder in which the daemon may make files", "%s",
                   err.message);
    else
        checks_add(checks, "streaming", CHECK_OK, NULL, "files can be made in %s",
                   config->spool_directory);
}

void checks_run_plugin(struct checks *checks, const struct config *config, struct pg_sync *conn,
                       const struct server_facts *server, const struct slot_facts *slot)
{
    enum config_plugin plugin = plugin_to_use(config->plugin, server, slot);

    check_plugin(checks, conn, config, server, slot);
    if (slot->exists && plugin == PLUGIN_PGOUTPUT)
        check_publications(checks, conn, config);
    check_streaming(checks, config, server, plugin);
}
