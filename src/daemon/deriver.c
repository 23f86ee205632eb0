#include "daemon/deriver.h"

#include "base/json.h"
#include "base/log.h"
#include "row/value.h"
#include "rules/image.h"

#define MAX_SCRATCH ((size_t)1 << 30)
#define KEEP_SCRATCH ((size_t)1 << 20)

void deriver_init(struct deriver *deriver, const struct config *config, struct ruleset *rules,
                  struct stats *stats)
{
    deriver->config = config;
    deriver->rules = rules;
    deriver->stats = stats;
    webhook_body_init(&deriver->body);
    buf_init(&deriver->scratch, MAX_SCRATCH);
    buf_init(&deriver->row_key, IMAGE_ROW_KEY_MAX);
    attribution_init(&deriver->who, config);
}

void deriver_fini(struct deriver *deriver)
{
    webhook_body_fini(&deriver->body);
    buf_fini(&deriver->scratch);
    buf_fini(&deriver->row_key);
    attribution_fini(&deriver->who);
}

static enum result add_event(struct deriver *deriver, struct transaction *txn,
                             struct change *message, struct str action, struct str resource,
                             struct batch *batch, struct err *err)
{
    transaction_place(txn, message);
    if (!deriver->config->audit)
        return OK;
    return batch_add_event(batch, action, resource, &txn->position,
                           attribution_fields(&deriver->who), err);
}

/* Somebody wrote a message that only the database may write. Each is counted, the first is an
 * entry. */
static enum result add_forgery(struct deriver *deriver, struct transaction *txn,
                               struct change *message, bool is_first, struct batch *batch,
                               struct err *err)
{
    stat_add(&deriver->stats->contexts_forged_total, 1);
    if (!is_first)
        return OK;
    log_warn("audit", "a transaction has a message of ours without a valid signature",
             log_v("prefix", message->prefix), log_u("xid", txn->position.xid),
             log_lsn("commit", txn->position.commit_lsn));
    return add_event(deriver, txn, message, STR("forged_context"), message->prefix, batch, err);
}

enum result deriver_take_context(struct deriver *deriver, struct transaction *txn,
                                 struct change *message, struct batch *batch, struct err *err)
{
    bool had_forgery = deriver->who.has_forgery;
    struct str resource;

    switch (attribution_take(&deriver->who, message->content, txn->position.xid, &resource)) {
    case ATTRIBUTION_TAKEN:
        return OK;
    case ATTRIBUTION_READ:
        return add_event(deriver, txn, message, STR("read"), resource, batch, err);
    case ATTRIBUTION_FORGED:
        return add_forgery(deriver, txn, message, !had_forgery, batch, err);
    }
    return err_set(err, "unknown verdict");
}

enum result deriver_take_schema_change(struct deriver *deriver, struct transaction *txn,
                                       struct change *message, struct batch *batch, struct err *err)
{
    struct schema_change change;
    struct str facts;
    struct err why;

    if (!attribution_is_signed(&deriver->who, message->content, &facts) ||
        schema_change_read(facts, &deriver->scratch, &change, &why) != OK ||
        (uint32_t)change.xid != txn->position.xid)
        return add_forgery(deriver, txn, message, attribution_note_forgery(&deriver->who), batch,
                           err);
    transaction_place(txn, message);
    if (!deriver->config->audit)
        return OK;
    return batch_add_schema_change(batch, &change, &txn->position,
                                   attribution_fields(&deriver->who), err);
}

static struct str row_key_for(struct deriver *deriver, const struct webhook_rule *webhook,
                              const struct change *change, const struct table_rules *table)
{
    if (!webhook->orders_by_key)
        return STR("");
    if (deriver->row_key.len == 0)
        image_add_row_key(&deriver->row_key, deriver->rules, table, change);
    return buf_str(&deriver->row_key);
}

/* Bodies are made only if anybody wants them. */
static enum result add_deliveries(struct deriver *deriver, const struct transaction *txn,
                                  const struct change *change, struct table_rules *table,
                                  struct batch *batch, struct err *err)
{
    const struct webhook_change of = {deriver->rules, table, change, &txn->position};
    unsigned op = rule_operation(change->kind);

    webhook_body_begin(&deriver->body, &of);
    buf_clear(&deriver->row_key);
    for (size_t i = 0; i < table->webhook_count[op]; i++) {
        const struct webhook_rule *webhook = table->webhooks[op][i];

        if (!webhook_rule_matches(webhook, change, ruleset_types(deriver->rules)))
            continue;
        if (batch_add_delivery(batch, webhook, table->events[op], &txn->position,
                               row_key_for(deriver, webhook, change, table),
                               webhook_body_for(&deriver->body, webhook), err) != OK)
            return FAILED;
    }
    return OK;
}

static enum result add_notifications(struct deriver *deriver, const struct change *change,
                                     struct table_rules *table, struct batch *batch,
                                     struct err *err)
{
    unsigned op = rule_operation(change->kind);

    for (size_t i = 0; i < table->notification_count[op]; i++) {
        const struct notification_rule *rule = table->notifications[op][i];
        struct str user_id;
        bool misfit;

        if (!predicate_matches(rule->condition, change, ruleset_types(deriver->rules)))
            continue;
        if (!notification_rule_recipient(rule, change, &user_id, &misfit)) {
            if (misfit) {
                stat_add(&deriver->stats->rule_misses_total, 1);
                log_warn("rules", "no notification: the recipient column holds no uuid",
                         log_s("rule", rule->name), log_s("column", rule->recipient));
            }
            continue;
        }
        if (batch_add_notification(batch, rule, change, user_id, table->events[op], err) != OK)
            return FAILED;
    }
    return OK;
}

/* The row of a rule as to_jsonb would give it, without the secret: rules never need it. */
static void render_rule(struct buf *out, const struct ruleset *rules, struct columns row)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < row.count; i++) {
        if (str_eq(row.items[i].name, STR("secret")))
            continue;
        if (out->len > 1)
            buf_add_char(out, ',');
        json_add_string(out, row.items[i].name);
        buf_add_char(out, ':');
        value_add_json(out, ruleset_types(rules), &row.items[i], VALUE_AS_JSONB);
    }
    buf_add_char(out, '}');
}

/* Notes that the rule of this key is now `row`, or gone if that is empty. Rules are called by the
 * plain text of their key, as the database calls them. */
static enum result note_rule(struct transaction *txn, enum rule_kind kind, const struct column *key,
                             struct str row, struct batch *batch, struct err *err)
{
    struct buf id;
    enum result result;

    buf_init(&id, MAX_SCRATCH);
    value_add_text(&id, key);
    if (buf_ok(&id)) {
        transaction_add_rule_change(txn, kind, buf_str(&id), row);
        result = batch_add_rule(batch, kind, buf_str(&id), row, err);
    } else { /* an empty id would stand for all of them */
        result = err_set(err, "the key of a %s is too long", rule_kind_name(kind));
    }
    buf_fini(&id);
    return result;
}

/* Rule tables have REPLICA IDENTITY FULL, so the new row is whole: TOASTed values that did not
 * change are in the identity. */
static enum result add_rule_row(struct deriver *deriver, struct transaction *txn,
                                enum rule_kind kind, const struct change *change,
                                struct batch *batch, struct err *err)
{
    struct column whole[64];
    size_t count = 0;
    const struct column *key = change_current(change, rule_kind_key(kind));

    for (size_t i = 0; i < change->record.count && count < 64; i++)
        whole[count++] = change->record.items[i];
    for (size_t i = 0; i < change->identity.count && count < 64; i++)
        if (!columns_find(change->record, change->identity.items[i].name))
            whole[count++] = change->identity.items[i];
    buf_shrink(&deriver->scratch, KEEP_SCRATCH);
    render_rule(&deriver->scratch, deriver->rules, (struct columns){whole, count});
    if (!key || !buf_ok(&deriver->scratch))
        return err_set(err, "a %s without its key", rule_kind_name(kind));
    return note_rule(txn, kind, key, buf_str(&deriver->scratch), batch, err);
}

static enum result remove_all_rules(struct transaction *txn, enum rule_kind kind,
                                    struct batch *batch, struct err *err)
{
    transaction_add_rule_change(txn, kind, STR(""), STR(""));
    return batch_add_rule(batch, kind, STR(""), STR(""), err);
}

static enum result add_rule_change(struct deriver *deriver, struct transaction *txn,
                                   enum rule_kind kind, const struct change *change,
                                   struct batch *batch, struct err *err)
{
    const struct column *old = columns_find(change->identity, rule_kind_key(kind));
    const struct column *new = columns_find(change->record, rule_kind_key(kind));

    if (change->kind == CHANGE_TRUNCATE)
        return remove_all_rules(txn, kind, batch, err);
    if (old && (!new || !value_same(old, new)) &&
        note_rule(txn, kind, old, STR(""), batch, err) != OK)
        return FAILED;
    if (change->kind == CHANGE_DELETE)
        return OK;
    return add_rule_row(deriver, txn, kind, change, batch, err);
}

enum result deriver_add_effects(struct deriver *deriver, struct transaction *txn,
                                const struct change *change, struct table_rules *table,
                                struct batch *batch, struct err *err)
{
    enum rule_kind kind;

    if (transaction_is_upkeep(txn, change))
        return OK;
    if (table->audited && !txn->own && !image_is_worthless(deriver->rules, table, change) &&
        batch_add_audit(batch, deriver->rules, table, change, &txn->position,
                        attribution_fields(&deriver->who), err) != OK)
        return FAILED;
    if (table->webhook_count[rule_operation(change->kind)] > 0 &&
        add_deliveries(deriver, txn, change, table, batch, err) != OK)
        return FAILED;
    if (table->notification_count[rule_operation(change->kind)] > 0 && !txn->own &&
        add_notifications(deriver, change, table, batch, err) != OK)
        return FAILED;
    if (rule_kind_of_table(table->schema, table->table, &kind))
        return add_rule_change(deriver, txn, kind, change, batch, err);
    return OK;
}
