#include "daemon/catalog.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000
#define MAX_WAITS 500 /* of 10 ms */

/* The order of the questions: slot (again until the transaction is over), types, fields, context
 * key; and for pgoutput publication, primary keys. */
struct catalog {
    struct catalog_events events;
    void *arg;
    const struct config *config;
    uint32_t xid; /* 0: a session starts */
    unsigned waits;
    struct pg_conn *conn;
    struct catalog_facts facts;
};

static void ask_for_slot(struct catalog *catalog);

static uint32_t oid_at(const struct pg_result *result, size_t row, size_t column)
{
    uint64_t oid = 0;

    return str_to_u64(pg_result_value(result, row, column), &oid) ? (uint32_t)oid : 0;
}

static void fail(struct catalog *catalog, const struct err *err)
{
    catalog->events.on_failed(catalog->arg, err);
}

/* What pgoutput does not say */

static void on_primary_keys(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    if (err) {
        fail(catalog, err);
        return;
    }
    for (size_t row = 0; row < pg_result_rows(result); row++)
        table_keys_add(catalog->facts.primary_keys, oid_at(result, row, 0),
                       pg_result_value(result, row, 1));
    catalog->events.on_loaded(catalog->arg, &catalog->facts);
}

/* Where this role may not, it is init's to do, and doctor tells what is missing. */
static void on_published(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    (void)result;
    if (err)
        log_warn("pipeline", "the publication could not be brought up to date: run `pgherald init`",
                 log_s("publication", catalog->config->publication), log_err(err));
    pg_conn_query(catalog->conn, sql_catalog_keys, NULL, 0, on_primary_keys, catalog);
}

static void load_rest(struct catalog *catalog)
{
    const struct pg_param publication = {str_c(catalog->config->publication)};

    if (catalog->facts.plugin != PLUGIN_PGOUTPUT)
        catalog->events.on_loaded(catalog->arg, &catalog->facts);
    else if (catalog->xid == 0)
        pg_conn_query(catalog->conn, sql_catalog_publish, &publication, 1, on_published, catalog);
    else
        pg_conn_query(catalog->conn, sql_catalog_keys, NULL, 0, on_primary_keys, catalog);
}

/* Types and the key of contexts */

static void on_context_key(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;
    struct err whole;

    if (err) {
        whole = *err;
        err_context(&whole, "reading pgherald.context_key (was `pgherald init` run?)");
        fail(catalog, &whole);
        return;
    }
    if (pg_result_rows(result) == 1)
        (void)mac_key_read(&catalog->facts.context_key, pg_result_value(result, 0, 0));
    load_rest(catalog);
}

static void on_fields(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    if (err) {
        fail(catalog, err);
        return;
    }
    for (size_t row = 0; row < pg_result_rows(result); row++)
        types_add_field(catalog->facts.types, oid_at(result, row, 0),
                        pg_result_value(result, row, 1), oid_at(result, row, 2));
    types_seal(catalog->facts.types);
    pg_conn_query(catalog->conn, sql_catalog_context_key, NULL, 0, on_context_key, catalog);
}

static void on_types(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    if (err) {
        fail(catalog, err);
        return;
    }
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        struct str delimiter = pg_result_value(result, row, 4);
        const struct type type = {
            .oid = oid_at(result, row, 0),
            .name = pg_result_value(result, row, 1),
            .kind = type_kind_parse(pg_result_value(result, row, 2)),
            .element = oid_at(result, row, 3),
            .delimiter = delimiter.len ? delimiter.data[0] : ',',
        };

        types_add(catalog->facts.types, &type);
    }
    pg_conn_query(catalog->conn, sql_catalog_fields, NULL, 0, on_fields, catalog);
}

/* The slot, and whether the transaction is over */

/* Without a slot the plugin does not matter: the server will say what is missing. */
static enum result choose_plugin(const struct config *config, struct str of_slot,
                                 enum config_plugin *plugin, struct err *err)
{
    enum config_plugin configured = config->plugin;

    *plugin = configured == PLUGIN_PGOUTPUT ? PLUGIN_PGOUTPUT : PLUGIN_WAL2JSON;
    if (of_slot.len == 0)
        return OK;
    *plugin = str_eq(of_slot, STR("pgoutput")) ? PLUGIN_PGOUTPUT : PLUGIN_WAL2JSON;
    if (*plugin == PLUGIN_WAL2JSON && !str_eq(of_slot, STR("wal2json")))
        return err_set(err,
                       "slot \"%s\" is of the plugin %.*s, which nothing here reads: choose "
                       "another slot_name",
                       config->slot_name, STR_ARG(of_slot));
    if (configured != PLUGIN_AUTO && configured != *plugin)
        return err_set(err,
                       "slot \"%s\" is of the plugin %.*s, and the setting plugin is %s. A slot "
                       "keeps its plugin: set plugin = auto to go on with it, or see \"Changing "
                       "the plugin\" in docs/stream.md",
                       config->slot_name, STR_ARG(of_slot),
                       configured == PLUGIN_PGOUTPUT ? "pgoutput" : "wal2json");
    return OK;
}

static void on_waited(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    (void)result;
    if (err)
        fail(catalog, err);
    else
        ask_for_slot(catalog);
}

/* A commit comes by the stream before others see what was committed: with synchronous replication
 * long before. Nobody is to wait for that for ever. */
static bool is_over(struct catalog *catalog)
{
    if (catalog->xid == 0 || table_keys_see(catalog->facts.primary_keys, catalog->xid))
        return true;
    if (++catalog->waits <= MAX_WAITS)
        return false;
    log_warn("pipeline",
             "a transaction is committed and not visible yet: going on without what "
             "the catalog would say of its new tables and types",
             log_u("xid", catalog->xid));
    table_keys_assume(catalog->facts.primary_keys, catalog->xid);
    return true;
}

static void on_slot(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;
    struct err wrong = {"the server does not say which transactions are over"};

    if (err) {
        fail(catalog, err);
        return;
    }
    table_keys_free(catalog->facts.primary_keys);
    catalog->facts.primary_keys =
        pg_result_rows(result) == 1 ? table_keys_new(pg_result_value(result, 0, 1)) : NULL;
    if (!catalog->facts.primary_keys ||
        choose_plugin(catalog->config, pg_result_value(result, 0, 0), &catalog->facts.plugin,
                      &wrong) != OK)
        fail(catalog, &wrong);
    else if (is_over(catalog))
        pg_conn_query(catalog->conn, sql_catalog_types, NULL, 0, on_types, catalog);
    else
        pg_conn_query(catalog->conn, sql_catalog_wait, NULL, 0, on_waited, catalog);
}

static void ask_for_slot(struct catalog *catalog)
{
    const struct pg_param slot = {str_c(catalog->config->slot_name)};

    pg_conn_query(catalog->conn, sql_catalog_slot, &slot, 1, on_slot, catalog);
}

static void on_open(void *arg)
{
    ask_for_slot(arg);
}

static void on_lost(void *arg, const struct err *err)
{
    fail(arg, err);
}

struct catalog *catalog_load(uv_loop_t *loop, const struct config *config, uint32_t xid,
                             const struct catalog_events *events, void *arg)
{
    static const struct pg_conn_events conn_events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {config->database_url, "pgherald catalog", false,
                                            CONNECT_TIMEOUT_MS, 0};
    struct catalog *catalog = mem_alloc(sizeof(*catalog));

    catalog->events = *events;
    catalog->arg = arg;
    catalog->config = config;
    catalog->xid = xid;
    catalog->facts.types = types_new();
    catalog->conn = pg_conn_open(loop, &options, &conn_events, catalog);
    return catalog;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    pg_conn_close(catalog->conn);
    types_unref(catalog->facts.types);
    table_keys_free(catalog->facts.primary_keys);
    free(catalog);
}
