#include "replay/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "embedded.h"
#include "rules/column_care.h"
#include "rules/image.h"
#include "rules/webhook_body.h"

struct matcher {
    const struct config *config;
    struct stats stats;    /* which the rules count in; shown nowhere */
    struct ruleset *rules; /* does not hash: what it gets is hashed */
    struct ruleset *today; /* with the policies as they are */
    struct types *types;
    struct webhook_rule only; /* with the patterns of the command line alone */
    bool has_only;
    char *patterns;
    struct webhook_body body;
    struct buf row_key;
};

struct matcher *matcher_new(const struct config *config)
{
    struct matcher *matcher = mem_alloc(sizeof(*matcher));

    matcher->config = config;
    matcher->rules = ruleset_new(config, &matcher->stats);
    matcher->today = ruleset_new(config, &matcher->stats);
    webhook_body_init(&matcher->body);
    buf_init(&matcher->row_key, IMAGE_ROW_KEY_MAX);
    return matcher;
}

void matcher_free(struct matcher *matcher)
{
    if (!matcher)
        return;
    ruleset_free(matcher->rules);
    ruleset_free(matcher->today);
    rule_list_fini(&matcher->only.events);
    webhook_body_fini(&matcher->body);
    buf_fini(&matcher->row_key);
    free(matcher->patterns);
    free(matcher);
}

const char *matcher_patterns(const struct matcher *matcher)
{
    return matcher->patterns;
}

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

static enum result note_events(struct matcher *matcher, struct str webhook, const char *events,
                               struct err *err)
{
    struct rule_row *row;
    struct rule_list own;
    enum result result;

    if (events) {
        matcher->has_only = true;
        split_events(events, &matcher->only.events);
        matcher->patterns = like_patterns(&matcher->only.events);
        return OK;
    }
    if (rule_row_parse(webhook, &row, err) != OK)
        return FAILED;
    result = rule_row_list(row, "events", &own, err);
    if (result == OK)
        matcher->patterns = like_patterns(&own);
    rule_list_fini(&own);
    rule_row_free(row);
    return result;
}

/* ---------------------------------------------------------------- rules */

static enum result load_webhook(struct matcher *matcher, struct pg_sync *conn, const char *id,
                                const char *events, struct err *err)
{
    const char *params[] = {id};
    struct pg_rows *rows;
    enum result result = FAILED;

    if (pg_sync_run(conn, sql_replay_endpoint, params, 1, &rows, err) != OK)
        return FAILED;
    if (pg_rows_count(rows) != 1) {
        err_set(err, "there is no webhook %s", id);
    } else {
        struct str row = str_c(pg_rows_text(rows, 0, 0));

        result = ruleset_put(matcher->rules, RULE_WEBHOOK, str_c(id), row, err);
        if (result == OK)
            result = ruleset_put(matcher->today, RULE_WEBHOOK, str_c(id), row, err);
        if (result == OK)
            result = note_events(matcher, row, events, err);
    }
    pg_rows_free(rows);
    return result;
}

static enum result load_policies(struct matcher *matcher, struct pg_sync *conn, struct err *err)
{
    enum result result = OK;
    struct pg_rows *rows;

    if (pg_sync_run(conn, sql_replay_policies, NULL, 0, &rows, err) != OK)
        return FAILED;
    for (size_t row = 0; row < pg_rows_count(rows) && result == OK; row++) {
        struct str name = str_c(pg_rows_text(rows, row, 0));

        result = ruleset_put(matcher->today, RULE_AUDIT_POLICY, name,
                             str_c(pg_rows_text(rows, row, 1)), err);
        if (result == OK)
            result = ruleset_put(matcher->rules, RULE_AUDIT_POLICY, name,
                                 str_c(pg_rows_text(rows, row, 2)), err);
    }
    pg_rows_free(rows);
    return result;
}

enum result matcher_load(struct matcher *matcher, struct pg_sync *conn, const char *webhook_id,
                         const char *events, struct types *types, struct err *err)
{
    matcher->types = types;
    ruleset_set_types(matcher->rules, types);
    ruleset_set_types(matcher->today, types);
    if (load_webhook(matcher, conn, webhook_id, events, err) != OK)
        return FAILED;
    return load_policies(matcher, conn, err);
}

/* ---------------------------------------------------------------- one change */

/* What is asked of columns, by the policies as they are today. */
struct inquiry {
    const struct config *config;
    const struct table_rules *table;
    const struct change *change;
};

static enum column_care care_for(const struct inquiry *inquiry, struct str column)
{
    return column_care_of(inquiry->config, inquiry->table, column);
}

static bool is_plain_secret(void *arg, const struct column *column)
{
    return care_for(arg, column->name) == COLUMN_HASH && !entry_is_digest(column);
}

static bool is_hidden(const struct inquiry *inquiry, const struct column *column)
{
    if (!column || column->form == VALUE_NULL)
        return false;
    return entry_is_redacted(column) || entry_is_left_out(column) ||
           care_for(inquiry, column->name) != COLUMN_KEEP;
}

/* Whether the entry does not tell the value; ignored columns are in none. */
static bool lacks_value(void *arg, struct str name)
{
    const struct inquiry *inquiry = arg;

    return is_hidden(inquiry, columns_find(inquiry->change->record, name)) ||
           is_hidden(inquiry, columns_find(inquiry->change->identity, name)) ||
           care_for(inquiry, name) == COLUMN_IGNORE;
}

static bool is_undecided(struct inquiry *inquiry, const struct webhook_rule *webhook)
{
    struct str column;

    return predicate_asks_for(webhook->filter, lacks_value, inquiry, &column) ||
           (webhook->has_owner && lacks_value(inquiry, STR("user_id")));
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

static void describe(struct matcher *matcher, struct table_rules *table,
                     const struct webhook_rule *webhook, const struct change *change,
                     const struct position *position, struct matched *out)
{
    const struct webhook_change of = {matcher->rules, table, change, position};

    webhook_body_begin(&matcher->body, &of);
    buf_clear(&matcher->row_key);
    if (webhook->orders_by_key)
        image_add_row_key(&matcher->row_key, matcher->rules, table, change);
    *out = (struct matched){
        .webhook = webhook,
        .event = table->events[rule_operation(change->kind)],
        .row_key = buf_str(&matcher->row_key),
        .body = webhook_body_for(&matcher->body, webhook),
        .incomplete = is_incomplete(change),
    };
}

static bool is_asked_for(const struct matcher *matcher, const struct table_rules *table,
                         unsigned op)
{
    return !matcher->has_only || webhook_rule_wants(&matcher->only, table->events[op],
                                                    str_eq(table->schema, STR("public")));
}

/* The rulesets have no other webhook than this one. That of today knows when it must not get a
 * table's rows at all. */
enum match matcher_judge(struct matcher *matcher, struct entry_reader *reader,
                         const struct change *change, const struct position *position,
                         struct matched *out)
{
    struct table_rules *table = ruleset_table(matcher->rules, change);
    const struct table_rules *today = ruleset_table(matcher->today, change);
    struct inquiry inquiry = {matcher->config, today, change};
    unsigned op = rule_operation(change->kind);
    const struct webhook_rule *webhook;

    if (today->webhook_count[op] == 0 || !is_asked_for(matcher, table, op))
        return MATCH_NO;
    webhook = table->webhooks[op][0];
    if (is_undecided(&inquiry, webhook))
        return MATCH_UNDECIDED;
    if (!webhook_rule_matches(webhook, change, matcher->types))
        return MATCH_NO;
    if (today->policy && today->policy->hash.count > 0)
        entry_redact(reader, is_plain_secret, &inquiry);
    describe(matcher, table, webhook, change, position, out);
    return MATCH_YES;
}
