#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "embedded.h"
#include "replay/entry.h"
#include "replay/outbox.h"
#include "replay/tables.h"
#include "rules/image.h"
#include "rules/webhook_body.h"

#define PAGE_ROWS "1000"
#define PAGE_BYTES "8388608" /* of images as they are stored, mostly compressed */
#define END_OF_TIME "infinity"

/* The columns of sql/queries/replay_page.sql. */
enum page_column {
    PAGE_ID,
    PAGE_TIME,
    PAGE_LSN,
    PAGE_ORDINAL,
    PAGE_XID,
    PAGE_ACTION,
    PAGE_RESOURCE,
    PAGE_WANTED,
    PAGE_OLD,
    PAGE_NEW
};

struct replay {
    struct pg_sync *conn;
    const struct replay_plan *plan;
    struct replay_counts *counts;
    struct stats stats; /* which the rules count in; shown nowhere */
    struct ruleset *rules;
    struct types *types;
    struct tables *tables;
    struct entry_reader *reader;
    struct webhook_rule only; /* with the patterns of plan->events alone */
    char *patterns;           /* a text[] for replay_page.sql */
    struct webhook_body body;
    struct buf row_key;
    struct replay_outbox outbox;
};

/* ---------------------------------------------------------------- which events */

/* A pattern of rules as one of LIKE for schema.table.operation. It may find too much: the rules
 * have the last word. */
static char *like_of(const char *prefix, const char *pattern)
{
    struct buf out;

    buf_init(&out, 2 * strlen(pattern) + 16);
    buf_add_c(&out, prefix);
    for (const char *p = pattern; *p; p++) {
        if (*p == '%' || *p == '_' || *p == '\\')
            buf_add_char(&out, '\\');
        buf_add_char(&out, *p == '*' ? '%' : *p);
    }
    return buf_take(&out, NULL);
}

/* A pattern without a schema means public. */
static char *like_patterns(const struct rule_list *events)
{
    char **items = mem_array(2 * events->count, sizeof(*items)), *array;

    for (size_t i = 0; i < events->count; i++) {
        items[2 * i] = like_of("", events->items[i]);
        items[2 * i + 1] = like_of("public.", events->items[i]);
    }
    array = pg_text_array(items, 2 * events->count);
    for (size_t i = 0; i < 2 * events->count; i++)
        free(items[i]);
    free(items);
    return array;
}

static void split_events(const char *text, struct rule_list *out)
{
    struct str item, rest = str_c(text);

    *out = (struct rule_list){0};
    while (rest.len > 0) {
        (void)str_split(rest, ',', &item, &rest);
        item = str_trim(item);
        if (item.len == 0)
            continue;
        out->items = mem_grow(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = str_dup(item);
    }
}

static enum result note_events(struct replay *replay, struct str webhook, struct err *err)
{
    struct rule_row *row;
    struct rule_list own;
    enum result result;

    if (replay->plan->events) {
        split_events(replay->plan->events, &replay->only.events);
        replay->patterns = like_patterns(&replay->only.events);
        return OK;
    }
    if (rule_row_parse(webhook, &row, err) != OK)
        return FAILED;
    result = rule_row_list(row, "events", &own, err);
    if (result == OK)
        replay->patterns = like_patterns(&own);
    rule_list_fini(&own);
    rule_row_free(row);
    return result;
}

/* ---------------------------------------------------------------- rules */

static enum result load_webhook(struct replay *replay, struct err *err)
{
    const char *params[] = {replay->plan->webhook_id};
    struct pg_rows *rows;
    enum result result = FAILED;

    if (pg_sync_run(replay->conn, sql_replay_endpoint, params, 1, &rows, err) != OK)
        return FAILED;
    if (pg_rows_count(rows) != 1) {
        err_set(err, "there is no webhook %s", replay->plan->webhook_id);
    } else {
        struct str row = str_c(pg_rows_text(rows, 0, 0));

        result = ruleset_put(replay->rules, RULE_WEBHOOK, str_c(params[0]), row, err);
        if (result == OK)
            result = note_events(replay, row, err);
    }
    pg_rows_free(rows);
    return result;
}

static enum result load_policies(struct replay *replay, struct err *err)
{
    enum result result = OK;
    struct pg_rows *rows;

    if (pg_sync_run(replay->conn, sql_replay_policies, NULL, 0, &rows, err) != OK)
        return FAILED;
    for (size_t row = 0; row < pg_rows_count(rows) && result == OK; row++)
        result = ruleset_put(replay->rules, RULE_AUDIT_POLICY, str_c(pg_rows_text(rows, row, 0)),
                             str_c(pg_rows_text(rows, row, 1)), err);
    pg_rows_free(rows);
    return result;
}

/* ---------------------------------------------------------------- one entry */

static struct str cell(const struct pg_rows *page, size_t row, enum page_column column)
{
    return str_c(pg_rows_text(page, row, column));
}

static bool read_kind(struct str action, enum change_kind *kind)
{
    for (unsigned i = 0; i < RULE_OPERATIONS; i++) {
        *kind = (enum change_kind)(CHANGE_INSERT + i);
        if (str_eq(action, change_verb(*kind)))
            return true;
    }
    return false;
}

/* false: it is no change of a row. */
static bool read_columns(const struct pg_rows *page, size_t row, struct entry *entry)
{
    *entry = (struct entry){
        .position =
            {
                .commit_time = pg_rows_number(page, row, PAGE_TIME),
                .ordinal = (uint64_t)pg_rows_number(page, row, PAGE_ORDINAL),
                .xid = (uint32_t)pg_rows_number(page, row, PAGE_XID),
            },
        .old_values = cell(page, row, PAGE_OLD),
        .new_values = cell(page, row, PAGE_NEW),
    };
    return read_kind(cell(page, row, PAGE_ACTION), &entry->kind) &&
           lsn_parse(cell(page, row, PAGE_LSN), &entry->position.commit_lsn);
}

/* Whether the filter can be asked of this change. */
struct doubt {
    struct replay *replay;
    struct table_rules *table;
    const struct entry_table *catalog;
    const struct change *change;
    bool lacks;
};

static bool lacks_value(const struct column *column)
{
    return column && (entry_is_redacted(column) || entry_is_left_out(column));
}

static bool is_ignored(const struct doubt *doubt, struct str name)
{
    for (size_t i = 0; i < doubt->catalog->column_count; i++) {
        const struct entry_column *found = &doubt->catalog->columns[i];
        const struct column column = {.name = found->name, .type = found->type};

        if (str_eq(found->name, name))
            return table_rules_column(doubt->replay->rules, doubt->table, i, &column)->care ==
                   COLUMN_IGNORE;
    }
    return false;
}

static void doubt_column(void *arg, struct str name)
{
    struct doubt *doubt = arg;

    doubt->lacks = doubt->lacks || lacks_value(columns_find(doubt->change->record, name)) ||
                   lacks_value(columns_find(doubt->change->identity, name)) ||
                   is_ignored(doubt, name);
}

static bool is_undecided(struct replay *replay, struct table_rules *table,
                         const struct entry_table *catalog, const struct webhook_rule *webhook,
                         const struct change *change)
{
    struct doubt doubt = {replay, table, catalog, change, false};

    predicate_each_column(webhook->filter, doubt_column, &doubt);
    if (webhook->has_owner)
        doubt_column(&doubt, STR("user_id"));
    return doubt.lacks;
}

static bool is_incomplete(const struct change *change)
{
    for (size_t i = 0; i < change->record.count; i++)
        if (entry_is_left_out(&change->record.items[i]))
            return true;
    for (size_t i = 0; i < change->identity.count; i++)
        if (entry_is_left_out(&change->identity.items[i]))
            return true;
    return false;
}

static enum result deliver(struct replay *replay, struct table_rules *table,
                           const struct webhook_rule *webhook, const struct change *change,
                           const struct position *position, struct err *err)
{
    const struct webhook_change of = {replay->rules, table, change, position};

    webhook_body_begin(&replay->body, &of);
    buf_clear(&replay->row_key);
    if (webhook->orders_by_key)
        image_add_row_key(&replay->row_key, replay->rules, table, change);
    replay->counts->matched++;
    replay->counts->incomplete += is_incomplete(change);
    return replay_outbox_add(&replay->outbox, webhook, table->events[rule_operation(change->kind)],
                             position, buf_str(&replay->row_key),
                             webhook_body_for(&replay->body, webhook), err);
}

/* The ruleset has no other webhook than this one. */
static enum result match(struct replay *replay, const struct entry_table *catalog,
                         const struct change *change, const struct position *position,
                         struct err *err)
{
    struct table_rules *table = ruleset_table(replay->rules, change);
    unsigned op = rule_operation(change->kind);
    const struct webhook_rule *webhook;

    if (table->webhook_count[op] == 0 ||
        (replay->plan->events && !webhook_rule_wants(&replay->only, table->events[op],
                                                     str_eq(table->schema, STR("public")))))
        return OK;
    webhook = table->webhooks[op][0];
    if (is_undecided(replay, table, catalog, webhook, change)) {
        replay->counts->undecided++;
        return OK;
    }
    if (!webhook_rule_matches(webhook, change, replay->types))
        return OK;
    return deliver(replay, table, webhook, change, position, err);
}

static enum result take_entry(struct replay *replay, const struct pg_rows *page, size_t row,
                              struct err *err)
{
    const struct entry_table *catalog;
    struct change change;
    struct entry entry;
    struct err why;

    replay->counts->entries++;
    if (!read_columns(page, row, &entry)) {
        replay->counts->application++;
        return OK;
    }
    if (!pg_rows_is_true(page, row, PAGE_WANTED))
        return OK;
    if (entry.kind == CHANGE_TRUNCATE) {
        replay->counts->truncates++;
        return OK;
    }
    if (tables_find(replay->tables, cell(page, row, PAGE_RESOURCE), &catalog, err) != OK)
        return FAILED;
    if (entry_read(replay->reader, catalog, replay->types, &entry, &change, &why) != OK) {
        replay->counts->unreadable++;
        return OK;
    }
    return match(replay, catalog, &change, &entry.position, err);
}

/* ---------------------------------------------------------------- the trail */

static void tell(const struct replay *replay, long long first, long long at, long long last)
{
    long long all = last - first + 1;
    unsigned percent = all > 0 ? (unsigned)(100.0 * (double)(at - first + 1) / (double)all) : 100;

    if (replay->plan->on_progress)
        replay->plan->on_progress(replay->plan->arg, percent, replay->counts);
}

static enum result take_page(struct replay *replay, const struct pg_rows *page, struct err *err)
{
    for (size_t row = 0; row < pg_rows_count(page); row++)
        if (take_entry(replay, page, row, err) != OK)
            return FAILED;
    return OK;
}

static enum result take_pages(struct replay *replay, const char *last, struct err *err)
{
    char after[32] = "0";
    const char *params[] = {after,
                            last,
                            replay->plan->since,
                            replay->plan->until ? replay->plan->until : END_OF_TIME,
                            PAGE_ROWS,
                            PAGE_BYTES,
                            replay->patterns};
    long long first = -1;
    struct pg_rows *page;
    enum result result;
    size_t count;

    do {
        if (pg_sync_run(replay->conn, sql_replay_page, params, 7, &page, err) != OK)
            return FAILED;
        count = pg_rows_count(page);
        result = take_page(replay, page, err);
        if (count > 0) {
            snprintf(after, sizeof(after), "%lld", pg_rows_number(page, count - 1, PAGE_ID));
            first = first < 0 ? pg_rows_number(page, 0, PAGE_ID) : first;
            tell(replay, first, strtoll(after, NULL, 10), strtoll(last, NULL, 10));
        }
        pg_rows_free(page);
    } while (result == OK && count > 0);
    return result == OK ? replay_outbox_flush(&replay->outbox, err) : FAILED;
}

/* The end of the trail first, then what the outbox has: so an entry that is seen has its delivery
 * seen too, as both were stored in one transaction. */
static enum result take_trail(struct replay *replay, struct err *err)
{
    struct pg_rows *rows;
    enum result result;

    if (pg_sync_run(replay->conn, sql_replay_last, NULL, 0, &rows, err) != OK)
        return FAILED;
    result = replay_outbox_begin(&replay->outbox, replay->conn, replay->plan, replay->counts, err);
    if (result == OK)
        result = take_pages(replay, pg_rows_text(rows, 0, 0), err);
    pg_rows_free(rows);
    return result;
}

/* ---------------------------------------------------------------- beginning and end */

static enum result lock(struct replay *replay, struct err *err)
{
    const char *params[] = {replay->plan->webhook_id};
    struct pg_rows *rows;
    bool locked;

    if (pg_sync_run(replay->conn, sql_replay_lock, params, 1, &rows, err) != OK)
        return FAILED;
    locked = pg_rows_is_true(rows, 0, 0);
    pg_rows_free(rows);
    return locked ? OK : err_set(err, "another replay to this webhook is under way");
}

static enum result prepare(struct replay *replay, struct err *err)
{
    if (lock(replay, err) != OK || tables_load_types(replay->conn, &replay->types, err) != OK)
        return FAILED;
    ruleset_set_types(replay->rules, replay->types);
    return load_webhook(replay, err) == OK ? load_policies(replay, err) : FAILED;
}

enum result replay_run(struct pg_sync *conn, const struct config *config,
                       const struct replay_plan *plan, struct replay_counts *counts,
                       struct err *err)
{
    struct replay *replay = mem_alloc(sizeof(*replay));
    enum result result;

    *counts = (struct replay_counts){0};
    replay->conn = conn;
    replay->plan = plan;
    replay->counts = counts;
    replay->rules = ruleset_new(config, &replay->stats);
    replay->tables = tables_new(conn);
    replay->reader = entry_reader_new();
    webhook_body_init(&replay->body);
    buf_init(&replay->row_key, IMAGE_ROW_KEY_MAX);
    replay_outbox_init(&replay->outbox);
    result = prepare(replay, err) == OK ? take_trail(replay, err) : FAILED;
    replay_outbox_fini(&replay->outbox);
    webhook_body_fini(&replay->body);
    buf_fini(&replay->row_key);
    entry_reader_free(replay->reader);
    tables_free(replay->tables);
    ruleset_free(replay->rules);
    types_unref(replay->types);
    rule_list_fini(&replay->only.events);
    free(replay->patterns);
    free(replay);
    return result;
}
