/* pgherald audit log. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/audit.h"
#include "cli/table.h"
#include "embedded.h"
#include "replay/entry.h"
#include "replay/tables.h"
#include "row/predicate.h"

#define USUAL_LIMIT 20
#define LIMIT_TEXT 24
#define NAME_TEXT 160

#define BLOCK 500 /* entries: a table is written so many at a time, each block with its heading */

/* Arguments of audit_log.sql behind the filter's, and its columns. */
enum { LIMIT = AUDIT_FILTERS, WHOLE, WITH_IMAGES, PARAMS };
enum { ID, TABLE, ACTION, ENTRY, OLD_VALUES, NEW_VALUES };

struct condition {
    struct predicate *predicate; /* NULL: all hold */
    struct entry_reader *reader;
    struct tables *tables;
    struct types *types;
    struct pg_sync *conn; /* tables are asked for while the cursor of the other one is open */
};

struct listing {
    struct condition condition;
    bool json;
    size_t limit, count;
    json_t *entries; /* of the block of a table */
};

/* ---------------------------------------------------------------- --where */

static enum result condition_open(struct condition *condition, const char *text, const char *url,
                                  struct err *err)
{
    *condition = (struct condition){0};
    if (!text)
        return OK;
    if (pg_sync_open(url, "pgherald audit", &condition->conn, err) != OK ||
        predicate_parse(str_c(text), &condition->predicate, err) != OK ||
        tables_load_types(condition->conn, &condition->types, err) != OK)
        return FAILED;
    condition->reader = entry_reader_new();
    condition->tables = tables_new(condition->conn);
    return OK;
}

static void condition_close(struct condition *condition)
{
    predicate_free(condition->predicate);
    tables_free(condition->tables);
    entry_reader_free(condition->reader);
    if (condition->types)
        types_unref(condition->types);
    pg_sync_close(condition->conn);
}

static const struct entry_column *find_column(const struct entry_table *table, struct str name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_eq(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

/* What can never hold is a slip. A column that is not there may have been, so that is only told. */
static enum result check_columns(const struct condition *condition, const char *name,
                                 struct err *err)
{
    const struct entry_table *table;

    char whole[NAME_TEXT]; /* as audit_table() takes it; quoted ones have no columns here */

    if (!condition->predicate)
        return OK;
    snprintf(whole, sizeof(whole), "%s%s", strchr(name, '.') ? "" : "public.", name);
    if (tables_find(condition->tables, str_c(whole), &table, err) != OK)
        return FAILED;
    for (size_t i = 0; i < predicate_count(condition->predicate); i++) {
        struct str column = predicate_column(condition->predicate, i), operand;
        const struct entry_column *found = find_column(table, column);

        if (!found && table->column_count > 0)
            fprintf(stderr, "pgherald: %s has no column \"%.*s\" now\n", whole, STR_ARG(column));
        if (found && predicate_is_misfit(condition->predicate, i,
                                         types_find(condition->types, found->type), &operand))
            return err_set(err, "--where: \"%.*s\" is no value of column \"%.*s\" of %s",
                           STR_ARG(operand), STR_ARG(column), whole);
    }
    return OK;
}

static bool kind_of(const char *action, enum change_kind *kind)
{
    static const enum change_kind kinds[] = {CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        *kind = kinds[i];
        if (str_eq(change_verb(kinds[i]), str_c(action)))
            return true;
    }
    return false;
}

/* Of a row's change, whether the one grammar's condition holds. Nothing else fulfils one. */
static enum result condition_holds(const struct condition *condition, const struct pg_rows *rows,
                                   bool *holds, struct err *err)
{
    const struct entry_table *table;
    struct entry entry = {.old_values = str_c(pg_rows_text(rows, 0, OLD_VALUES)),
                          .new_values = str_c(pg_rows_text(rows, 0, NEW_VALUES))};
    struct change change;

    *holds = !condition->predicate;
    if (*holds || !kind_of(pg_rows_text(rows, 0, ACTION), &entry.kind))
        return OK;
    if (tables_find(condition->tables, str_c(pg_rows_text(rows, 0, TABLE)), &table, err) != OK ||
        entry_read(condition->reader, table, condition->types, &entry, &change, err) != OK)
        return FAILED;
    *holds = predicate_matches(condition->predicate, &change, condition->types);
    return OK;
}

/* ---------------------------------------------------------------- entries */

static const struct table_column columns[] = {
    {"time", "time", false},       {"action", "action", false}, {"table", "table", false},
    {"key", "key", false},         {"user_id", "user", false},  {"address", "address", false},
    {"changed", "changed", false}, {"xid", "xid", true},
};
#define COLUMN_COUNT (sizeof(columns) / sizeof(*columns))

static void print_block(struct listing *listing)
{
    table_print(listing->entries, columns, COLUMN_COUNT, "the audit trail has no such entries",
                false);
    json_array_clear(listing->entries);
}

/* As JSON it is printed as it came: no number passes through a double. */
static enum result add_entry(struct listing *listing, const struct pg_rows *rows, struct err *err)
{
    json_t *entry;

    if (listing->json) {
        audit_print_member(listing->count, pg_rows_text(rows, 0, ENTRY));
        return OK;
    }
    entry = audit_json(rows, ENTRY);
    if (!entry)
        return err_set(err, "entry %s is no JSON", pg_rows_text(rows, 0, ID));
    json_array_append_new(listing->entries, entry);
    if (json_array_size(listing->entries) == BLOCK)
        print_block(listing);
    return OK;
}

static enum result take_entry(void *arg, const struct pg_rows *rows, bool *more, struct err *err)
{
    struct listing *listing = arg;
    bool holds;

    if (condition_holds(&listing->condition, rows, &holds, err) != OK)
        return FAILED;
    if (!holds)
        return OK;
    *more = ++listing->count < listing->limit;
    return add_entry(listing, rows, err);
}

static enum result list(struct audit_command *command, struct listing *listing,
                        const char *const *params, struct err *err)
{
    if (audit_begin(command, "audit_read", params[0], err) != OK)
        return FAILED;
    if (params[0] && check_columns(&listing->condition, params[0], err) != OK)
        return FAILED;
    if (audit_each(command, sql_audit_log, params, PARAMS, take_entry, listing, err) != OK)
        return FAILED;
    if (listing->json)
        audit_print_end(listing->count);
    else if (listing->count == 0 || json_array_size(listing->entries) > 0)
        print_block(listing);
    return OK;
}

int audit_log(const struct config *config, const struct cli_args *args)
{
    const char *where = cli_value(args, CLI_WHERE), *params[PARAMS];
    struct audit_command command;
    struct audit_filter filter;
    struct listing listing = {.json = args->flags & CLI_JSON, .limit = USUAL_LIMIT};
    enum result result;
    char limit[LIMIT_TEXT];
    struct err err;
    int code;

    if (!audit_filter_init(&filter, args))
        return EX_USAGE;
    code = audit_open(&command, config, args);
    if (code != EXIT_SUCCESS)
        return code;
    if (cli_value(args, CLI_LIMIT))
        listing.limit = (size_t)strtoul(cli_value(args, CLI_LIMIT), NULL, 10);
    listing.entries = json_array();
    snprintf(limit, sizeof(limit), "%zu", listing.limit);
    memcpy(params, filter.params, sizeof(filter.params));
    params[LIMIT] = where ? NULL : limit; /* here, what holds is counted */
    params[WHOLE] = listing.json ? "on" : "off";
    params[WITH_IMAGES] = where ? "on" : "off";
    result = condition_open(&listing.condition, where, config->database_url, &err);
    if (result == OK)
        result = list(&command, &listing, params, &err);
    condition_close(&listing.condition);
    json_decref(listing.entries);
    return audit_close(&command, result, &err);
}
