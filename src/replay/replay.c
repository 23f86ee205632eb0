#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "embedded.h"
#include "replay/entry.h"
#include "replay/matcher.h"
#include "replay/outbox.h"
#include "replay/tables.h"

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
    struct types *types;
    struct tables *tables;
    struct entry_reader *reader;
    struct matcher *matcher;
    struct replay_outbox outbox;
};

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

static enum result deliver(struct replay *replay, const struct matched *matched,
                           const struct position *position, struct err *err)
{
    replay->counts->matched++;
    replay->counts->incomplete += matched->incomplete;
    return replay_outbox_add(&replay->outbox, matched, position, err);
}

static enum result take_entry(struct replay *replay, const struct pg_rows *page, size_t row,
                              struct err *err)
{
    const struct entry_table *catalog;
    struct change change;
    struct entry entry;
    struct matched matched;
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
    switch (matcher_judge(replay->matcher, replay->reader, &change, &entry.position, &matched)) {
    case MATCH_NO:
        break;
    case MATCH_UNDECIDED:
        replay->counts->undecided++;
        break;
    case MATCH_YES:
        return deliver(replay, &matched, &entry.position, err);
    }
    return OK;
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
                            matcher_patterns(replay->matcher)};
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
    return matcher_load(replay->matcher, replay->conn, replay->plan->webhook_id,
                        replay->plan->events, replay->types, err);
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
    replay->matcher = matcher_new(config);
    replay->tables = tables_new(conn);
    replay->reader = entry_reader_new();
    replay_outbox_init(&replay->outbox);
    result = prepare(replay, err) == OK ? take_trail(replay, err) : FAILED;
    replay_outbox_fini(&replay->outbox);
    entry_reader_free(replay->reader);
    tables_free(replay->tables);
    matcher_free(replay->matcher);
    types_unref(replay->types);
    free(replay);
    return result;
}
