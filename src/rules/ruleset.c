#include "rules/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "rules/column_care.h"
#include "rules/table_cache.h"

/* One rule of any kind; exactly one pointer is set. */
struct rule {
    char *id;
    struct webhook_rule *webhook;
    struct notification_rule *notification;
    struct audit_policy *policy;
};

struct rule_store {
    struct rule *items;
    size_t count;
};

struct ruleset {
    const struct config *config;
    struct stats *stats;
    struct types *types;
    struct rule_store kinds[RULE_KINDS];
    struct table_cache *tables;
};

static const struct {
    const char *name;
    const char *schema;
    const char *table;
    const char *key;
} kinds[RULE_KINDS] = {
    [RULE_WEBHOOK] = {"webhook", "public", "webhooks", "id"},
    [RULE_NOTIFICATION] = {"notification_rule", "public", "notification_rules", "id"},
    [RULE_AUDIT_POLICY] = {"audit_policy", "pgherald", "audit_policies", "table_name"},
};

unsigned rule_operation(enum change_kind kind)
{
    return (unsigned)kind - CHANGE_INSERT;
}

const char *rule_kind_name(enum rule_kind kind)
{
    return kinds[kind].name;
}

bool rule_kind_parse(struct str name, enum rule_kind *kind)
{
    for (unsigned k = 0; k < RULE_KINDS; k++) {
        if (str_eq(name, str_c(kinds[k].name))) {
            *kind = (enum rule_kind)k;
            return true;
        }
    }
    return false;
}

bool rule_kind_of_table(struct str schema, struct str table, enum rule_kind *kind)
{
    for (unsigned k = 0; k < RULE_KINDS; k++) {
        if (str_eq(table, str_c(kinds[k].table)) && str_eq(schema, str_c(kinds[k].schema))) {
            *kind = (enum rule_kind)k;
            return true;
        }
    }
    return false;
}

struct str rule_kind_key(enum rule_kind kind)
{
    return str_c(kinds[kind].key);
}

struct ruleset *ruleset_new(const struct config *config, struct stats *stats)
{
    struct ruleset *rules = mem_alloc(sizeof(*rules));

    rules->config = config;
    rules->stats = stats;
    rules->tables = table_cache_new();
    return rules;
}

static void free_rule(struct rule *rule)
{
    free(rule->id);
    webhook_rule_free(rule->webhook);
    notification_rule_free(rule->notification);
    audit_policy_free(rule->policy);
}

void ruleset_clear(struct ruleset *rules, enum rule_kind kind)
{
    struct rule_store *store = &rules->kinds[kind];

    for (size_t i = 0; i < store->count; i++)
        free_rule(&store->items[i]);
    free(store->items);
    *store = (struct rule_store){0};
    table_cache_clear(rules->tables);
}

void ruleset_free(struct ruleset *rules)
{
    if (!rules)
        return;
    for (unsigned k = 0; k < RULE_KINDS; k++)
        ruleset_clear(rules, (enum rule_kind)k);
    table_cache_free(rules->tables);
    types_unref(rules->types);
    free(rules);
}

void ruleset_set_types(struct ruleset *rules, struct types *types)
{
    types_unref(rules->types);
    rules->types = types_ref(types);
    table_cache_clear(rules->tables);
}

const struct config *ruleset_config(const struct ruleset *rules)
{
    return rules->config;
}

struct types *ruleset_types(const struct ruleset *rules)
{
    return rules->types;
}

void ruleset_remove(struct ruleset *rules, enum rule_kind kind, struct str id)
{
    struct rule_store *store = &rules->kinds[kind];

    for (size_t i = 0; i < store->count; i++) {
        if (!str_eq(str_c(store->items[i].id), id))
            continue;
        free_rule(&store->items[i]);
        store->items[i] = store->items[--store->count];
        table_cache_clear(rules->tables);
        return;
    }
}

static enum result parse_rule(enum rule_kind kind, const struct rule_row *row, struct rule *out,
                              struct err *err)
{
    switch (kind) {
    case RULE_WEBHOOK:
        return webhook_rule_parse(row, &out->webhook, err);
    case RULE_NOTIFICATION:
        return notification_rule_parse(row, &out->notification, err);
    case RULE_AUDIT_POLICY:
        return audit_policy_parse(row, &out->policy, err);
    }
    return err_set(err, "unknown kind of rule");
}

enum result ruleset_put(struct ruleset *rules, enum rule_kind kind, struct str id, struct str json,
                        struct err *err)
{
    struct rule_store *store = &rules->kinds[kind];
    struct rule rule = {0};
    struct rule_row *row;
    enum result result;

    ruleset_remove(rules, kind, id);
    result = rule_row_parse(json, &row, err);
    if (result == OK)
        result = parse_rule(kind, row, &rule, err);
    rule_row_free(row);
    if (result != OK) {
        stat_add(&rules->stats->rules_rejected_total, 1);
        return err_context(err, "%s %.*s", rule_kind_name(kind), STR_ARG(id));
    }
    rule.id = str_dup(id);
    store->items = mem_grow(store->items, store->count + 1, sizeof(*store->items));
    store->items[store->count++] = rule;
    table_cache_clear(rules->tables);
    return OK;
}

/* Working out what concerns one table */

static void find_policy(const struct ruleset *rules, struct table_rules *table)
{
    const struct rule_store *policies = &rules->kinds[RULE_AUDIT_POLICY];
    unsigned best = 0;

    for (size_t i = 0; i < policies->count; i++) {
        unsigned fit = audit_policy_fit(policies->items[i].policy, table->resource);

        if (fit > best) {
            best = fit;
            table->policy = policies->items[i].policy;
        }
    }
    table->audited = rules->config->audit && (!table->policy || table->policy->is_enabled) &&
                     !str_eq(table->resource, STR("pgherald.store_marks"));
    /* Messages pass by; they are kept only where a policy names them or their schema. */
    if (table->is_messages && best < AUDIT_POLICY_FITS_SCHEMA)
        table->audited = false;
}

static int cmp_webhooks(const void *a, const void *b)
{
    const struct webhook_rule *const *one = a, *const *other = b;

    return webhook_rule_cmp_body(*one, *other);
}

struct care {
    const struct ruleset *rules;
    const struct table_rules *table;
};

static bool is_hidden(void *arg, struct str column)
{
    const struct care *care = arg;

    return column_care_of(care->rules->config, care->table, column) != COLUMN_KEEP;
}

/* A user's webhook must not learn by its filter what its body leaves out, so it gets nothing of
 * such a table. What a system-wide one asks for was written by somebody who may read all. */
static bool asks_for_hidden(const struct ruleset *rules, const struct table_rules *table,
                            const struct rule *rule)
{
    struct webhook_rule *webhook = rule->webhook;
    struct care care = {rules, table};
    struct str column;

    if (!webhook->has_owner || !predicate_asks_for(webhook->filter, is_hidden, &care, &column))
        return false;
    if (!webhook->told)
        log_warn("rules",
                 "a user's webhook gets nothing of a table: its filter names a column that is "
                 "redacted, hashed or ignored there",
                 log_v("table", table->resource), log_v("column", column),
                 log_s("webhook", rule->id));
    webhook->told = true;
    return true;
}

static void find_webhooks(const struct ruleset *rules, struct table_rules *table, unsigned op)
{
    const struct rule_store *all = &rules->kinds[RULE_WEBHOOK];
    bool is_public = str_eq(table->schema, STR("public"));

    table->webhooks[op] = mem_array(all->count, sizeof(*table->webhooks[op]));
    for (size_t i = 0; i < all->count; i++) {
        const struct webhook_rule *rule = all->items[i].webhook;
        bool wanted = table->is_messages
                          ? webhook_rule_names(rule, table->schema, table->events[op])
                          : webhook_rule_wants(rule, table->events[op], is_public);

        if (rule->takes_changes && wanted && !asks_for_hidden(rules, table, &all->items[i]))
            table->webhooks[op][table->webhook_count[op]++] = rule;
    }
    qsort(table->webhooks[op], table->webhook_count[op], sizeof(*table->webhooks[op]),
          cmp_webhooks);
}

static void find_notifications(const struct ruleset *rules, struct table_rules *table, unsigned op)
{
    const struct rule_store *all = &rules->kinds[RULE_NOTIFICATION];

    table->notifications[op] = mem_array(all->count, sizeof(*table->notifications[op]));
    for (size_t i = 0; i < all->count; i++) {
        const struct notification_rule *rule = all->items[i].notification;

        if (notification_rule_wants(rule, table->resource, (enum change_kind)(CHANGE_INSERT + op)))
            table->notifications[op][table->notification_count[op]++] = rule;
    }
}

static bool is_configured(const struct ruleset *rules, struct str schema)
{
    const struct config_list *schemas = &rules->config->schemas;

    for (size_t i = 0; i < schemas->count; i++)
        if (str_eq(str_c(schemas->items[i]), schema))
            return true;
    return false;
}

static void find_kind(const struct ruleset *rules, struct table_rules *table)
{
    table->is_messages = str_eq(table->resource, STR("realtime.messages"));
    table->is_auth_events = str_eq(table->resource, STR("auth.audit_log_entries")) &&
                            !is_configured(rules, table->schema);
    table->is_followed = table->is_messages || !str_eq(table->schema, STR("realtime")) ||
                         is_configured(rules, table->schema);
}

struct table_rules *ruleset_table(struct ruleset *rules, const struct change *change)
{
    bool made;
    struct table_rules *table =
        table_cache_get(rules->tables, change->schema, change->table, &made);

    if (!made)
        return table;
    find_kind(rules, table);
    if (!table->is_followed)
        return table;
    find_policy(rules, table);
    for (unsigned op = 0; op < RULE_OPERATIONS; op++) {
        find_webhooks(rules, table, op);
        find_notifications(rules, table, op);
    }
    return table;
}

/* Columns */

static void set_column(struct ruleset *rules, struct table_rules *table, struct column_rule *rule,
                       const struct column *column)
{
    struct buf key;

    table->jsonb_order_is_known = false;
    column_rule_fini(rule);
    buf_init(&key, 4096);
    json_add_string(&key, column->name);
    buf_add_char(&key, ':');
    rule->json_key.data = buf_take(&key, &rule->json_key.len);
    rule->name = str_from(str_dup(column->name), column->name.len);
    rule->type = column->type;
    rule->type_known = table->accepts_types || types_find(rules->types, column->type) != NULL;
    rule->care = column_care_of(rules->config, table, column->name);
}

/* Where the column stood last time: at `index` nearly always, elsewhere after an omitted TOASTed
 * value or in an identity of the key alone; column_count if it is new. */
static size_t find_column(const struct table_rules *table, size_t index, struct str name)
{
    if (index < table->column_count && str_eq(table->columns[index].name, name))
        return index;
    for (size_t i = 0; i < table->column_count; i++)
        if (str_eq(table->columns[i].name, name))
            return i;
    return table->column_count;
}

const struct column_rule *table_rules_column(struct ruleset *rules, struct table_rules *table,
                                             size_t index, const struct column *column)
{
    size_t at = find_column(table, index, column->name);

    if (at == table->column_count) {
        table->columns = mem_grow(table->columns, ++table->column_count, sizeof(*table->columns));
        memset(&table->columns[at], 0, sizeof(*table->columns));
    }
    if (table->columns[at].type != column->type || !table->columns[at].name.data)
        set_column(rules, table, &table->columns[at], column);
    return &table->columns[at];
}

static bool knows(struct ruleset *rules, struct table_rules *table, struct columns columns)
{
    for (size_t i = 0; i < columns.count; i++)
        if (!table_rules_column(rules, table, i, &columns.items[i])->type_known)
            return false;
    return true;
}

bool ruleset_knows_types(struct ruleset *rules, struct table_rules *table,
                         const struct change *change)
{
    return knows(rules, table, change->record.count ? change->record : change->identity);
}

void table_rules_accept_types(struct table_rules *table)
{
    table->accepts_types = true;
    for (size_t i = 0; i < table->column_count; i++)
        table->columns[i].type_known = true;
}
