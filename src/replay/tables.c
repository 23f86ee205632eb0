#include "replay/tables.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "embedded.h"

#define MAX_TABLES 4096 /* then all are forgotten, and asked for again */

struct known {
    struct map_node node;
    char *resource;
    struct entry_table table;
    struct pg_rows *rows; /* what the table borrows; NULL if it is gone */
};

struct tables {
    struct pg_sync *conn;
    struct map map;
    struct known **all;
    size_t count;
};

/* ---------------------------------------------------------------- types */

static struct str text(const struct pg_rows *rows, size_t row, size_t column)
{
    return str_c(pg_rows_text(rows, row, column));
}

static void add_types(struct types *types, const struct pg_rows *rows)
{
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        const struct type type = {
            .oid = (uint32_t)pg_rows_number(rows, row, 0),
            .name = text(rows, row, 1),
            .kind = type_kind_parse(text(rows, row, 2)),
            .element = (uint32_t)pg_rows_number(rows, row, 3),
            .delimiter = pg_rows_text(rows, row, 4)[0],
        };

        types_add(types, &type);
    }
}

enum result tables_load_types(struct pg_sync *conn, struct types **out, struct err *err)
{
    struct pg_rows *rows, *fields;

    *out = NULL;
    if (pg_sync_run(conn, sql_catalog_types, NULL, 0, &rows, err) != OK)
        return FAILED;
    if (pg_sync_run(conn, sql_catalog_fields, NULL, 0, &fields, err) != OK) {
        pg_rows_free(rows);
        return FAILED;
    }
    *out = types_new();
    add_types(*out, rows);
    for (size_t row = 0; row < pg_rows_count(fields); row++)
        types_add_field(*out, (uint32_t)pg_rows_number(fields, row, 0), text(fields, row, 1),
                        (uint32_t)pg_rows_number(fields, row, 2));
    types_seal(*out);
    pg_rows_free(fields);
    pg_rows_free(rows);
    return OK;
}

/* ---------------------------------------------------------------- tables */

struct tables *tables_new(struct pg_sync *conn)
{
    struct tables *tables = mem_alloc(sizeof(*tables));

    tables->conn = conn;
    tables->all = mem_array(MAX_TABLES, sizeof(*tables->all));
    return tables;
}

static void forget_all(struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        struct known *known = tables->all[i];

        free(known->table.columns);
        free(known->table.key);
        free(known->resource);
        pg_rows_free(known->rows);
        free(known);
    }
    tables->count = 0;
    map_fini(&tables->map);
    tables->map = (struct map){0};
}

void tables_free(struct tables *tables)
{
    if (!tables)
        return;
    forget_all(tables);
    free(tables->all);
    free(tables);
}

/* The columns of sql/queries/replay_table.sql. */
static void read_table(struct known *known)
{
    struct entry_table *table = &known->table;
    size_t count = pg_rows_count(known->rows);

    if (count == 0) { /* it is gone: the names are all that is known */
        (void)str_split(str_c(known->resource), '.', &table->schema, &table->table);
        return;
    }
    table->schema = text(known->rows, 0, 0);
    table->table = text(known->rows, 0, 1);
    table->columns = mem_array(count, sizeof(*table->columns));
    table->key = mem_array(count, sizeof(*table->key));
    for (size_t row = 0; row < count; row++) {
        table->columns[row] = (struct entry_column){text(known->rows, row, 2),
                                                    (uint32_t)pg_rows_number(known->rows, row, 3)};
        if (pg_rows_is_true(known->rows, row, 4))
            table->key[table->key_count++] = table->columns[row].name;
    }
    table->column_count = count;
}

static enum result load(struct tables *tables, struct str resource, struct known **out,
                        struct err *err)
{
    struct known *known = mem_alloc(sizeof(*known));
    const char *params[1];

    known->resource = str_dup(resource);
    params[0] = known->resource;
    if (pg_sync_run(tables->conn, sql_replay_table, params, 1, &known->rows, err) != OK) {
        free(known->resource);
        free(known);
        return FAILED;
    }
    read_table(known);
    if (tables->count == MAX_TABLES)
        forget_all(tables);
    tables->all[tables->count++] = known;
    map_add(&tables->map, &known->node, str_hash(resource));
    *out = known;
    return OK;
}

enum result tables_find(struct tables *tables, struct str resource, const struct entry_table **out,
                        struct err *err)
{
    struct map_node *node = map_find(&tables->map, str_hash(resource));
    struct known *known;

    for (; node; node = map_next(node)) {
        known = MAP_THING(node, struct known, node);
        if (str_eq(str_c(known->resource), resource)) {
            *out = &known->table;
            return OK;
        }
    }
    if (load(tables, resource, &known, err) != OK)
        return FAILED;
    *out = &known->table;
    return OK;
}
