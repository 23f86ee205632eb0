#include "realtime/payload.h"

#include "base/clock.h"
#include "base/json.h"
#include "row/value.h"

struct str payload_type(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_INSERT:
        return STR("INSERT");
    case CHANGE_UPDATE:
        return STR("UPDATE");
    case CHANGE_DELETE:
        return STR("DELETE");
    case CHANGE_TRUNCATE:
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_MESSAGE:
        break; /* never sent */
    }
    return STR("");
}

static bool is_key(const struct change *change, struct str name)
{
    for (size_t i = 0; i < change->key_count; i++)
        if (str_eq(change->key[i], name))
            return true;
    return false;
}

enum fault { FAULT_NONE, FAULT_NO_KEY, FAULT_KEY_HIDDEN, FAULT_TOO_LARGE };

static enum fault find_fault(const struct event_row *row, const struct view *view)
{
    if (row->change.key_count == 0)
        return FAULT_NO_KEY;
    for (size_t i = 0; i < row->change.key_count; i++)
        if (names_has(view->hidden, row->change.key[i]))
            return FAULT_KEY_HIDDEN;
    return row->source_bytes > PAYLOAD_MAX_SOURCE && !view->left ? FAULT_TOO_LARGE : FAULT_NONE;
}

/* One walk over the columns that are shown; what to do with each depends on `part`. */
struct writer {
    struct buf *out;
    const struct event_row *row;
    const struct view *view;
    bool short_only;
    bool comma;
};

static bool is_shown(const struct writer *w, const struct column *column)
{
    if (names_has(w->view->hidden, column->name))
        return false;
    return w->view->select->count == 0 || names_has(w->view->select, column->name) ||
           is_key(&w->row->change, column->name);
}

static void separate(struct writer *w)
{
    if (w->comma)
        buf_add_char(w->out, ',');
    w->comma = true;
}

static void write_name_and_type(struct writer *w, const struct column *column)
{
    const struct type *type = types_find(w->row->types, column->type);

    if (!is_shown(w, column))
        return;
    separate(w);
    buf_add_str(w->out, STR("{\"name\":"));
    json_add_string(w->out, column->name);
    buf_add_str(w->out, STR(",\"type\":"));
    json_add_string(w->out, type ? type->name : STR("unknown"));
    buf_add_char(w->out, '}');
}

static void write_value(struct writer *w, const struct column *column)
{
    if (!is_shown(w, column) || (w->short_only && column->value.len > PAYLOAD_SHORT))
        return;
    separate(w);
    json_add_string(w->out, column->name);
    buf_add_char(w->out, ':');
    value_add_json(w->out, w->row->types, column, VALUE_AS_REALTIME);
}

typedef void each_fn(struct writer *w, const struct column *column);

/* The row as it is now: the record, and, where the old row came whole, from there the TOASTed
 * values that did not change. */
static void each_current(struct writer *w, each_fn *each)
{
    const struct change *change = &w->row->change;

    w->comma = false;
    for (size_t i = 0; i < change->record.count; i++)
        each(w, &change->record.items[i]);
    if (change->kind != CHANGE_UPDATE || !change_has_full_identity(change) ||
        change->identity.count == change->record.count)
        return;
    for (size_t i = 0; i < change->identity.count; i++)
        if (!columns_find(change->record, change->identity.items[i].name))
            each(w, &change->identity.items[i]);
}

static void each_old(struct writer *w, each_fn *each)
{
    const struct change *change = &w->row->change;

    w->comma = false;
    for (size_t i = 0; i < change->identity.count; i++) {
        const struct column *column = &change->identity.items[i];

        if (w->view->old_whole || is_key(change, column->name))
            each(w, column);
    }
}

static enum change_kind kind_told(const struct event_row *row, const struct view *view)
{
    return view->left ? CHANGE_DELETE : row->change.kind;
}

static void write_head(struct buf *out, const struct event_row *row, const struct view *view)
{
    char time[CLOCK_ISO_TEXT], lsn[LSN_TEXT];

    buf_add_str(out, STR("{\"schema\":"));
    json_add_string(out, row->change.schema);
    buf_add_str(out, STR(",\"table\":"));
    json_add_string(out, row->change.table);
    buf_add_str(out, STR(",\"commit_timestamp\":\""));
    buf_add_c(out, clock_iso_ms(row->change.commit_time, time));
    buf_add_str(out, STR("\",\"type\":\""));
    buf_add_str(out, payload_type(kind_told(row, view)));
    buf_add_str(out, STR("\",\"commit_lsn\":\""));
    buf_add_c(out, lsn_format(row->commit_lsn, lsn));
    buf_add_str(out, STR("\",\"ordinal\":"));
    buf_add_u64(out, row->ordinal);
    if (view->left)
        buf_add_str(out, STR(",\"left\":true"));
}

static void write_row(struct writer *w)
{
    enum change_kind kind = kind_told(w->row, w->view);
    bool gone = kind == CHANGE_DELETE;

    buf_add_str(w->out, STR(",\"columns\":["));
    if (gone)
        each_old(w, write_name_and_type);
    else
        each_current(w, write_name_and_type);
    buf_add_char(w->out, ']');
    if (!gone) {
        buf_add_str(w->out, STR(",\"record\":{"));
        each_current(w, write_value);
        buf_add_char(w->out, '}');
    }
    if (kind != CHANGE_INSERT) {
        buf_add_str(w->out, STR(",\"old_record\":{"));
        each_old(w, write_value);
        buf_add_char(w->out, '}');
    }
}

void payload_write(struct buf *out, const struct event_row *row, const struct view *view)
{
    struct writer w = {.out = out, .row = row, .view = view};

    write_head(out, row, view);
    switch (find_fault(row, view)) {
    case FAULT_NO_KEY:
        buf_add_str(out, STR(",\"columns\":[],\"record\":{},\"errors\":"
                             "[\"Error 400: Bad Request, no primary key\"]}"));
        return;
    case FAULT_KEY_HIDDEN:
        buf_add_str(out, STR(",\"columns\":[],\"record\":{},\"errors\":"
                             "[\"Error 401: Unauthorized\"]}"));
        return;
    case FAULT_TOO_LARGE:
        w.short_only = true;
        write_row(&w);
        buf_add_str(out, STR(",\"errors\":[\"Error 413: Payload Too Large\"]}"));
        return;
    case FAULT_NONE:
        write_row(&w);
        buf_add_str(out, STR(",\"errors\":null}"));
        return;
    }
}
