#include "store/batch.h"

#include "base/clock.h"
#include "base/json.h"
#include "pg/copy.h"
#include "rules/image.h"

/* Of audit_logs_resource_idx: a row of a btree has 2704 bytes, of which the table's name and the
 * time take 160 at most. Source: BTMaxItemSize, nbtree.h. */
#define MAX_KEY_BYTES 2048
#define MAX_BYTES ((size_t)1 << 30)  /* a message of the protocol cannot be larger */
#define KEEP_BYTES ((size_t)1 << 20) /* of memory between batches */
#define AUDIT_FIELDS 16
#define DELIVERY_FIELDS 5

void batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    buf_init(&batch->audit, MAX_BYTES);
    buf_init(&batch->deliveries, MAX_BYTES);
    buf_init(&batch->notifications, MAX_BYTES);
    buf_init(&batch->rules, MAX_BYTES);
}

void batch_fini(struct batch *batch)
{
    buf_fini(&batch->audit);
    buf_fini(&batch->deliveries);
    buf_fini(&batch->notifications);
    buf_fini(&batch->rules);
}

void batch_reset(struct batch *batch)
{
    struct batch fresh = {.audit = batch->audit,
                          .deliveries = batch->deliveries,
                          .notifications = batch->notifications,
                          .rules = batch->rules};

    buf_shrink(&fresh.audit, KEEP_BYTES);
    buf_shrink(&fresh.deliveries, KEEP_BYTES);
    buf_shrink(&fresh.notifications, KEEP_BYTES);
    buf_shrink(&fresh.rules, KEEP_BYTES);
    *batch = fresh;
}

uint64_t batch_effects(const struct batch *batch)
{
    return batch->audit_rows + batch->delivery_rows + batch->notification_rows +
           batch->rule_changes;
}

bool batch_is_empty(const struct batch *batch)
{
    return batch_effects(batch) == 0;
}

size_t batch_bytes(const struct batch *batch)
{
    return batch->audit.len + batch->deliveries.len + batch->notifications.len + batch->rules.len;
}

/* Counts what was added, or takes it back whole. */
static enum result finish(struct batch *batch, struct buf *buf, size_t before, uint64_t *count,
                          const char *what, struct err *err)
{
    if (!buf_ok(buf)) {
        buf->failed = false;
        buf_truncate(buf, before);
        return err_set(err, "%s does not fit into %zu bytes together with what waits before it",
                       what, MAX_BYTES);
    }
    if (batch_is_empty(batch))
        batch->started_ms = clock_monotonic_ms();
    ++*count;
    return OK;
}

struct field_list {
    struct buf *out;
    uint32_t count;
};

static void add_changed_field(void *arg, struct str name)
{
    struct field_list *list = arg;

    copy_add_text(list->out, name);
    list->count++;
}

static void add_changed_fields(struct buf *out, struct ruleset *rules, struct table_rules *table,
                               const struct change *change)
{
    struct field_list list = {out, 0};
    size_t before = out->len;
    size_t begun = copy_begin_text_array(out);

    if (image_changed_columns(rules, table, change, add_changed_field, &list)) {
        copy_end_text_array(out, begun, list.count);
    } else {
        buf_truncate(out, before);
        copy_add_null(out);
    }
}

/* A longer key than an index row holds would make the batch fail for good, so it is no resource_id:
 * the images have it. */
static void add_key(struct buf *out, struct ruleset *rules, const struct change *change,
                    bool (*add)(struct buf *, struct ruleset *, const struct change *))
{
    size_t before = out->len;
    size_t begun = copy_begin_field(out);
    size_t key = out->len;

    if (change->kind != CHANGE_TRUNCATE && add(out, rules, change) &&
        out->len - key <= MAX_KEY_BYTES) {
        copy_end_field(out, begun);
    } else {
        buf_truncate(out, before);
        copy_add_null(out);
    }
}

static void add_images(struct buf *out, struct ruleset *rules, struct table_rules *table,
                       const struct change *change)
{
    size_t begun;

    if (change->identity.count) {
        begun = copy_begin_jsonb(out);
        image_add_old(out, rules, table, change, NULL, IMAGE_JSONB_ORDER);
        copy_end_field(out, begun);
    } else {
        copy_add_null(out);
    }
    if (change->record.count) {
        begun = copy_begin_jsonb(out);
        image_add_new(out, rules, table, change, NULL, IMAGE_JSONB_ORDER);
        copy_end_field(out, begun);
    } else {
        copy_add_null(out);
    }
}

/* The columns and their order: sql/queries/store_copy_audit.sql. */
static void begin_audit(struct buf *out, const struct position *position, struct str action,
                        struct str resource)
{
    copy_begin_row(out, AUDIT_FIELDS);
    copy_add_timestamptz(out, position->commit_time);
    copy_add_int64(out, (int64_t)position->commit_lsn);
    copy_add_int64(out, (int64_t)position->ordinal);
    copy_add_int64(out, position->xid);
    copy_add_text(out, action);
    copy_add_text(out, resource);
}

enum result batch_add_audit(struct batch *batch, struct ruleset *rules, struct table_rules *table,
                            const struct change *change, const struct position *position,
                            struct str who, struct err *err)
{
    struct buf *out = &batch->audit;
    size_t before = out->len;

    begin_audit(out, position, change_verb(change->kind), table->resource);
    add_key(out, rules, change, image_add_key);
    add_key(out, rules, change, image_add_old_key);
    add_images(out, rules, table, change);
    add_changed_fields(out, rules, table, change);
    buf_add_str(out, who);
    return finish(batch, out, before, &batch->audit_rows, "an audit row", err);
}

enum result batch_add_event(struct batch *batch, struct str action, struct str resource,
                            const struct position *position, struct str who, struct err *err)
{
    struct buf *out = &batch->audit;
    size_t before = out->len;

    begin_audit(out, position, action, resource);
    for (unsigned i = 0; i < 5; i++) /* no keys, no images, no changed fields */
        copy_add_null(out);
    buf_add_str(out, who);
    return finish(batch, out, before, &batch->audit_rows, "an audit entry", err);
}

enum result batch_add_schema_change(struct batch *batch, const struct schema_change *change,
                                    const struct position *position, struct str who,
                                    struct err *err)
{
    struct buf *out = &batch->audit;
    size_t before = out->len;
    size_t begun;

    begin_audit(out, position, STR("schema_change"), change->type);
    if (change->name.len > 0 && change->name.len <= MAX_KEY_BYTES)
        copy_add_text(out, change->name);
    else
        copy_add_null(out);
    copy_add_null(out); /* old_resource_id */
    copy_add_null(out); /* old_values */
    begun = copy_begin_jsonb(out);
    buf_add_str(out, change->change);
    copy_end_field(out, begun);
    copy_add_null(out); /* changed_fields */
    buf_add_str(out, who);
    return finish(batch, out, before, &batch->audit_rows, "an audit entry", err);
}

static void add_message_id(struct buf *out, const struct webhook_rule *webhook,
                           const struct position *position)
{
    size_t begun = copy_begin_field(out);

    webhook_rule_add_message_id(out, webhook, position);
    copy_end_field(out, begun);
}

/* The columns and their order: sql/queries/store_copy_deliveries.sql. */
enum result batch_add_delivery(struct batch *batch, const struct webhook_rule *webhook,
                               struct str event, const struct position *position,
                               struct str row_key, struct str body, struct err *err)
{
    struct buf *out = &batch->deliveries;
    size_t before = out->len;

    copy_begin_row(out, DELIVERY_FIELDS);
    copy_add_uuid(out, webhook->id);
    add_message_id(out, webhook, position);
    copy_add_text(out, event);
    copy_add_text(out, body);
    if (row_key.len)
        copy_add_text(out, row_key);
    else
        copy_add_null(out);
    return finish(batch, out, before, &batch->delivery_rows, "a webhook delivery", err);
}

static void separate(struct buf *out)
{
    if (out->len > 0)
        buf_add_char(out, ',');
}

enum result batch_add_notification(struct batch *batch, const struct notification_rule *rule,
                                   const struct change *change, struct str user_id,
                                   struct str event, struct err *err)
{
    size_t before = batch->notifications.len;

    separate(&batch->notifications);
    notification_rule_render(&batch->notifications, rule, change, user_id, event);
    return finish(batch, &batch->notifications, before, &batch->notification_rows, "a notification",
                  err);
}

enum result batch_add_rule(struct batch *batch, enum rule_kind kind, struct str id, struct str row,
                           struct err *err)
{
    struct buf *out = &batch->rules;
    size_t before = out->len;

    separate(out);
    buf_addf(out, "{\"kind\":\"%s\",\"id\":", rule_kind_name(kind));
    if (id.len)
        json_add_string(out, id);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"row\":");
    if (row.len)
        buf_add_str(out, row);
    else
        buf_add_c(out, "null");
    buf_add_char(out, '}');
    return finish(batch, out, before, &batch->rule_changes, "a rule", err);
}
