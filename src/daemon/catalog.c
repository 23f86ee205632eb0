#include "daemon/catalog.h"

#include <stdlib.h>

#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000

struct catalog {
    struct catalog_events events;
    void *arg;
    struct pg_conn *conn;
    struct types *types;
};

static uint32_t oid_at(const struct pg_result *result, size_t row, size_t column)
{
    uint64_t oid = 0;

    return str_to_u64(pg_result_value(result, row, column), &oid) ? (uint32_t)oid : 0;
}

static void on_context_key(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;
    struct mac_key key = {0};
    struct err whole;

    if (err) {
        whole = *err;
        err_context(&whole, "reading pgherald.context_key (was `pgherald init` run?)");
        catalog->events.on_failed(catalog->arg, &whole);
        return;
    }
    if (pg_result_rows(result) == 1)
        (void)mac_key_read(&key, pg_result_value(result, 0, 0));
    catalog->events.on_loaded(catalog->arg, catalog->types, &key);
}

static void on_fields(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    if (err) {
        catalog->events.on_failed(catalog->arg, err);
        return;
    }
    for (size_t row = 0; row < pg_result_rows(result); row++)
        types_add_field(catalog->types, oid_at(result, row, 0), pg_result_value(result, row, 1),
                        oid_at(result, row, 2));
    types_seal(catalog->types);
    pg_conn_query(catalog->conn, sql_catalog_context_key, NULL, 0, on_context_key, catalog);
}

static void on_types(void *arg, const struct pg_result *result, const struct err *err)
{
    struct catalog *catalog = arg;

    if (err) {
        catalog->events.on_failed(catalog->arg, err);
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

        types_add(catalog->types, &type);
    }
    pg_conn_query(catalog->conn, sql_catalog_fields, NULL, 0, on_fields, catalog);
}

static void on_open(void *arg)
{
    struct catalog *catalog = arg;

    pg_conn_query(catalog->conn, sql_catalog_types, NULL, 0, on_types, catalog);
}

static void on_lost(void *arg, const struct err *err)
{
    struct catalog *catalog = arg;

    catalog->events.on_failed(catalog->arg, err);
}

struct catalog *catalog_load(uv_loop_t *loop, const char *database_url,
                             const struct catalog_events *events, void *arg)
{
    static const struct pg_conn_events conn_events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {database_url, "pgherald catalog", false,
                                            CONNECT_TIMEOUT_MS};
    struct catalog *catalog = mem_alloc(sizeof(*catalog));

    catalog->events = *events;
    catalog->arg = arg;
    catalog->types = types_new();
    catalog->conn = pg_conn_open(loop, &options, &conn_events, catalog);
    return catalog;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    pg_conn_close(catalog->conn);
    types_unref(catalog->types);
    free(catalog);
}
