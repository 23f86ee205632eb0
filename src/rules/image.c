#include "rules/image.h"

#include "row/value.h"
#include "rules/column_order.h"
#include "rules/digest.h"

/* jsonb holds 268,435,455 bytes, a little less than that as text; and what is nested needs up to
 * six times its text there (`1,` twelve bytes), and in the memory of its parser thirty times. So an
 * image has room for so many bytes, in which nested values count eightfold. Source: jsonb.h. */
#define MAX_ROOM ((size_t)240 * 1000 * 1000)
#define NESTED_WEIGHT 8
#define MAX_ROW_KEY 1024  /* an index holds it */
#define SMALL_VALUE 65536 /* not worth looking its type up */

/* A row's image on its way. */
struct image {
    struct buf *out;
    struct ruleset *rules;
    struct table_rules *table;
    const struct rule_list *only; /* these columns; NULL: all */
    enum image_order order;
    size_t room;
};

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
static void add_value(struct image *image, const struct column *column)
{
    size_t weight = weight_of(image->rules, column);

    if (weight > image->room) {
        buf_addf(image->out, "\"[left out: %zu bytes]\"", column->value.len);
        return;
    }
    image->room -= weight;
    value_add_json(image->out, ruleset_types(image->rules), column, VALUE_AS_JSONB);
}

/* NULL says nothing of anybody, and so it is shown. */
static void add_column(struct image *image, const struct column_rule *rule,
                       const struct column *column)
{
    struct buf *out = image->out;
    bool is_null = column->form == VALUE_NULL;

    if (rule->care == COLUMN_IGNORE || (image->only && !rule_list_has(image->only, column->name)))
        return;
    if (out->data[out->len - 1] != '{')
        buf_add_char(out, ',');
    buf_add_str(out, rule->json_key);
    if (rule->care == COLUMN_REDACT && !is_null)
        buf_add_c(out, "\"[redacted]\"");
    else if (column->form == VALUE_LOST)
        buf_add_c(out, "\"[not in the stream: NaN or Infinity]\"");
    else if (rule->care == COLUMN_HASH && !is_null)
        digest_add(out, image->table->policy, column);
    else
        add_value(image, column);
}

static void add_columns(struct image *image, struct columns columns)
{
    const uint16_t *order = image->order == IMAGE_JSONB_ORDER
                                ? column_order_for_jsonb(image->table, columns.count)
                                : NULL;

    for (size_t i = 0; i < columns.count && buf_ok(image->out); i++) {
        size_t at = order ? order[i] : i;

        add_column(image, table_rules_column(image->rules, image->table, at, &columns.items[at]),
                   &columns.items[at]);
    }
}

/* Unchanged TOASTed values are not in the record, but a full identity has them. */
static void add_unchanged(struct image *image, const struct change *change)
{
    if (change->record.count >= change->identity.count || !change_has_full_identity(change))
        return;
    for (size_t i = 0; i < change->identity.count && buf_ok(image->out); i++) {
        const struct column *column = &change->identity.items[i];

        if (!columns_find(change->record, column->name))
            add_column(image, table_rules_column(image->rules, image->table, i, column), column);
    }
}

void image_add_new(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change, const struct rule_list *only,
                   enum image_order order)
{
    struct image image = {out, rules, table, only, order, MAX_ROOM};

    buf_add_char(out, '{');
    if (!buf_ok(out))
        return;
    add_columns(&image, change->record);
    if (change->kind == CHANGE_UPDATE)
        add_unchanged(&image, change);
    buf_add_char(out, '}');
}

void image_add_old(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change, const struct rule_list *only,
                   enum image_order order)
{
    struct image image = {out, rules, table, only, order, MAX_ROOM};

    buf_add_char(out, '{');
    if (!buf_ok(out))
        return;
    add_columns(&image, change->identity);
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

/* A value that is lost on both sides may have changed all the same: better an entry too many. */
static bool may_have_changed(const struct change *change, size_t index)
{
    return has_changed(change, index) || change->record.items[index].form == VALUE_LOST;
}

bool image_is_worthless(struct ruleset *rules, struct table_rules *table,
                        const struct change *change)
{
    bool any = table->policy && table->policy->only_if_changed;

    if (!table->policy || (table->policy->ignore.count == 0 && !any) ||
        change->kind != CHANGE_UPDATE || !change_has_full_identity(change))
        return false;
    for (size_t i = 0; i < change->record.count; i++) {
        const struct column *column = &change->record.items[i];

        if (!may_have_changed(change, i))
            continue;
        if (table_rules_column(rules, table, i, column)->care != COLUMN_IGNORE)
            return false;
        any = true;
    }
    return any;
}

/* The key as it stands in `row`: one value's text, or an array of JSON values. */
static bool add_key(struct buf *out, struct ruleset *rules, const struct change *change,
                    struct columns row)
{
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

bool image_add_key(struct buf *out, struct ruleset *rules, const struct change *change)
{
    return add_key(out, rules, change,
                   change->kind == CHANGE_DELETE ? change->identity : change->record);
}

static bool key_has_changed(const struct change *change)
{
    for (size_t i = 0; i < change->key_count; i++) {
        const struct column *old = columns_find(change->identity, change->key[i]);
        const struct column *new = columns_find(change->record, change->key[i]);

        if (old && new && !value_same(old, new))
            return true;
    }
    return false;
}

bool image_add_old_key(struct buf *out, struct ruleset *rules, const struct change *change)
{
    if (change->kind != CHANGE_UPDATE || change->identity.count == 0 || !key_has_changed(change))
        return false;
    return add_key(out, rules, change, change->identity);
}

void image_add_row_key(struct buf *out, struct ruleset *rules, const struct table_rules *table,
                       const struct change *change)
{
    buf_add_str(out, table->resource);
    buf_add_char(out, ':');
    if (change->kind == CHANGE_TRUNCATE || !image_add_key(out, rules, change) || !buf_ok(out)) {
        buf_clear(out);
        buf_add_str(out, table->resource);
    }
    if (out->len > MAX_ROW_KEY)
        buf_truncate(out, str_whole_utf8(str_from(out->data, MAX_ROW_KEY)).len);
}
