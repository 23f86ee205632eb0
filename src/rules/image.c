#include "rules/image.h"

#include "base/clock.h"
#include "base/json.h"
#include "row/value.h"

/* jsonb holds 268,435,455 bytes, a little less than that as text; and what is nested needs up to
 * six times its text there (`1,` twelve bytes), and in the memory of its parser thirty times. So an
 * image has room for so many bytes, in which nested values count eightfold. Source: jsonb.h. */
#define MAX_ROOM ((size_t)240 * 1000 * 1000)
#define NESTED_WEIGHT 8
#define SMALL_VALUE 65536 /* not worth looking its type up */

static size_t weight_of(const struct ruleset *rules, const struct column *column)
{
    const struct type *type;

    if (column->value.len <= SMALL_VALUE)
        return column->value.len * NESTED_WEIGHT;
    type = types_find(ruleset_types(rules), column->type);
    if (type &&
        (type->kind == TYPE_JSON || type->kind == TYPE_ARRAY || type->kind == TYPE_COMPOSITE))
        return column->value.len * NESTED_WEIGHT;
    return column->value.len;
}

/* A value for which jsonb has no room must not stop the pipeline for good: its size stands there.
 */
static void add_value(struct buf *out, struct ruleset *rules, const struct column *column,
                      size_t *room)
{
    size_t weight = weight_of(rules, column);

    if (weight > *room) {
        buf_addf(out, "\"[left out: %zu bytes]\"", column->value.len);
        return;
    }
    *room -= weight;
    value_add_json(out, ruleset_types(rules), column, VALUE_AS_JSONB);
}

static void add_column(struct buf *out, struct ruleset *rules, const struct column_rule *rule,
                       const struct column *column, size_t *room)
{
    if (rule->care == COLUMN_IGNORE)
        return;
    if (out->data[out->len - 1] != '{')
        buf_add_char(out, ',');
    buf_add_str(out, rule->json_key);
    if (rule->care == COLUMN_REDACT && column->form != VALUE_NULL)
        buf_add_c(out, "\"[redacted]\"");
    else
        add_value(out, rules, column, room);
}

static void add_columns(struct buf *out, struct ruleset *rules, struct table_rules *table,
                        struct columns columns, size_t *room)
{
    for (size_t i = 0; i < columns.count && buf_ok(out); i++)
        add_column(out, rules, table_rules_column(rules, table, i, &columns.items[i]),
                   &columns.items[i], room);
}

/* Unchanged TOASTed values are not in the record, but a full identity has them. */
static void add_unchanged(struct buf *out, struct ruleset *rules, struct table_rules *table,
                          const struct change *change, size_t *room)
{
    if (change->record.count >= change->identity.count || !change_has_full_identity(change))
        return;
    for (size_t i = 0; i < change->identity.count && buf_ok(out); i++) {
        const struct column *column = &change->identity.items[i];

        if (!columns_find(change->record, column->name))
            add_column(out, rules, table_rules_column(rules, table, i, column), column, room);
    }
}

void image_add_new(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change)
{
    size_t room = MAX_ROOM;

    buf_add_char(out, '{');
    if (!buf_ok(out))
        return;
    add_columns(out, rules, table, change->record, &room);
    if (change->kind == CHANGE_UPDATE)
        add_unchanged(out, rules, table, change, &room);
    buf_add_char(out, '}');
}

void image_add_old(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change)
{
    size_t room = MAX_ROOM;

    buf_add_char(out, '{');
    if (!buf_ok(out))
        return;
    add_columns(out, rules, table, change->identity, &room);
    buf_add_char(out, '}');
}

/* The old value of the record's column at `index`: nearly always at the same index. */
static const struct column *old_value(const struct change *change, size_t index)
{
    struct str name = change->record.items[index].name;

    if (index < change->identity.count && str_eq(change->identity.items[index].name, name))
        return &change->identity.items[index];
    return columns_find(change->identity, name);
}

static bool has_changed(const struct change *change, size_t index)
{
    const struct column *old = old_value(change, index);

    return !old || !value_same(old, &change->record.items[index]);
}

bool image_changed_columns(struct ruleset *rules, struct table_rules *table,
                           const struct change *change, void (*each)(void *arg, struct str name),
                           void *arg)
{
    if (change->kind != CHANGE_UPDATE || !change_has_full_identity(change))
        return false;
    for (size_t i = 0; i < change->record.count; i++) {
        const struct column *column = &change->record.items[i];

        if (!has_changed(change, i))
            continue;
        if (table_rules_column(rules, table, i, column)->care != COLUMN_IGNORE)
            each(arg, column->name);
    }
    return true;
}

bool image_changed_ignored_only(struct ruleset *rules, struct table_rules *table,
                                const struct change *change)
{
    bool any = false;

    if (!table->policy || table->policy->ignore.count == 0 || change->kind != CHANGE_UPDATE ||
        !change_has_full_identity(change))
        return false;
    for (size_t i = 0; i < change->record.count; i++) {
        const struct column *column = &change->record.items[i];

        if (!has_changed(change, i))
            continue;
        if (table_rules_column(rules, table, i, column)->care != COLUMN_IGNORE)
            return false;
        any = true;
    }
    return any;
}

bool image_add_key(struct buf *out, struct ruleset *rules, const struct change *change)
{
    struct columns row = change->kind == CHANGE_DELETE ? change->identity : change->record;
    size_t before = out->len;

    if (change->key_count == 0)
        return false;
    if (change->key_count > 1)
        buf_add_char(out, '[');
    for (size_t i = 0; i < change->key_count; i++) {
        const struct column *column = columns_find(row, change->key[i]);

        if (!column) {
            buf_truncate(out, before);
            return false;
        }
        if (i > 0)
            buf_add_char(out, ',');
        if (change->key_count > 1)
            value_add_json(out, ruleset_types(rules), column, VALUE_AS_JSONB);
        else
            value_add_text(out, column);
    }
    if (change->key_count > 1)
        buf_add_char(out, ']');
    return true;
}

static void add_row(struct buf *out, struct ruleset *rules, struct table_rules *table,
                    const struct change *change)
{
    buf_add_c(out, ",\"record\":");
    if (change->kind == CHANGE_INSERT || change->kind == CHANGE_UPDATE)
        image_add_new(out, rules, table, change);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"old_record\":");
    if (change->kind == CHANGE_UPDATE || change->kind == CHANGE_DELETE)
        image_add_old(out, rules, table, change);
    else
        buf_add_c(out, "null");
}

/* A row too large for a webhook: the receiver learns which one, and can read it from the database.
 */
static void add_row_key(struct buf *out, struct ruleset *rules, const struct change *change)
{
    struct buf key;

    buf_init(&key, WEBHOOK_MAX_BODY);
    buf_add_c(out, ",\"record\":null,\"old_record\":null,\"error\":\"payload too large\",\"key\":");
    if (image_add_key(&key, rules, change) && buf_ok(&key))
        json_add_string(out, buf_str(&key));
    else
        buf_add_c(out, "null");
    buf_fini(&key);
}

void image_add_webhook_body(struct buf *out, struct ruleset *rules, struct table_rules *table,
                            const struct change *change, const struct position *position)
{
    char when[CLOCK_ISO_TEXT];
    char lsn[LSN_TEXT];
    size_t before_row;

    buf_add_c(out, "{\"type\":");
    json_add_string(out, table->events[rule_operation(change->kind)]);
    buf_addf(out, ",\"timestamp\":\"%s\",\"data\":{\"schema\":",
             clock_iso_us(position->commit_time, when));
    json_add_string(out, table->schema);
    buf_add_c(out, ",\"table\":");
    json_add_string(out, table->table);
    buf_add_c(out, ",\"operation\":");
    json_add_string(out, change_verb(change->kind));
    before_row = out->len;
    add_row(out, rules, table, change);
    if (!buf_ok(out) || out->len - before_row > WEBHOOK_MAX_BODY) {
        out->failed = false;
        buf_truncate(out, before_row);
        add_row_key(out, rules, change);
    }
    buf_addf(out, ",\"commit_lsn\":\"%s\",\"ordinal\":", lsn_format(position->commit_lsn, lsn));
    buf_add_u64(out, position->ordinal);
    buf_add_c(out, "}}");
}
