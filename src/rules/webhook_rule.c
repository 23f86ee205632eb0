#include "rules/webhook_rule.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static enum result parse_format(struct str name, enum webhook_format *format, struct err *err)
{
    static const char *const names[] = {
        [WEBHOOK_STANDARD] = "standard",
        [WEBHOOK_SUPABASE] = "supabase",
        [WEBHOOK_CLOUDEVENTS] = "cloudevents",
    };

    if (name.len == 0) /* a row from before there were shapes */
        name = str_c(names[WEBHOOK_STANDARD]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(name, str_c(names[i]))) {
            *format = (enum webhook_format)i;
            return OK;
        }
    }
    return err_set(err, "column payload_format: expected standard, supabase or cloudevents");
}

enum result webhook_rule_parse(const struct rule_row *row, struct webhook_rule **out,
                               struct err *err)
{
    struct webhook_rule *rule = mem_alloc(sizeof(*rule));
    struct str owner = rule_row_text(row, "user_id");

    *out = NULL;
    rule->takes_changes =
        rule_row_bool(row, "is_active", true) || rule_row_text(row, "disabled_reason").len > 0;
    rule->orders_by_key = str_eq(rule_row_text(row, "ordering"), STR("key"));
    rule->has_owner = owner.len > 0;
    if (!str_to_uuid(rule_row_text(row, "id"), rule->id))
        err_set(err, "column id: expected a uuid");
    else if (rule->has_owner && !str_to_uuid(owner, rule->owner))
        err_set(err, "column user_id: expected a uuid");
    else if (predicate_parse(rule_row_text(row, "filter"), &rule->filter, err) != OK)
        err_context(err, "column filter");
    else if (parse_format(rule_row_text(row, "payload_format"), &rule->format, err) == OK &&
             rule_row_list(row, "columns", &rule->columns, err) == OK &&
             rule_row_list(row, "events", &rule->events, err) == OK) {
        *out = rule;
        return OK;
    }
    webhook_rule_free(rule);
    return FAILED;
}

void webhook_rule_free(struct webhook_rule *rule)
{
    if (!rule)
        return;
    predicate_free(rule->filter);
    rule_list_fini(&rule->events);
    rule_list_fini(&rule->columns);
    free(rule);
}

/* An event of public may be called `memories.insert` and `public.memories.insert`; with `public.*`
 * nothing of another schema is meant. */
bool webhook_rule_wants(const struct webhook_rule *rule, struct str event, bool is_public)
{
    for (size_t i = 0; i < rule->events.count; i++) {
        struct str pattern = str_c(rule->events.items[i]);

        if (str_glob(pattern, event))
            return true;
        if (is_public && str_starts(pattern, STR("public.")) &&
            str_glob(str_from(pattern.data + 7, pattern.len - 7), event))
            return true;
    }
    return false;
}

bool webhook_rule_names(const struct webhook_rule *rule, struct str schema, struct str event)
{
    for (size_t i = 0; i < rule->events.count; i++) {
        struct str pattern = str_c(rule->events.items[i]);
        struct str head, tail;

        if (str_split(pattern, '.', &head, &tail) && str_eq(head, schema) &&
            str_glob(pattern, event))
            return true;
    }
    return false;
}

static bool is_owner(const struct webhook_rule *rule, const struct column *user_id)
{
    uint8_t id[16];

    return user_id && user_id->form != VALUE_NULL && str_to_uuid(user_id->value, id) &&
           memcmp(id, rule->owner, sizeof(id)) == 0;
}

bool webhook_rule_hides_old(const struct webhook_rule *rule, const struct change *change)
{
    const struct column *before = columns_find(change->identity, STR("user_id"));

    return rule->has_owner && change->kind == CHANGE_UPDATE && before && !is_owner(rule, before);
}

bool webhook_rule_matches(const struct webhook_rule *rule, const struct change *change,
                          const struct types *types)
{
    struct change seen = *change;

    if (rule->has_owner && !is_owner(rule, change_current(change, STR("user_id"))))
        return false;
    if (webhook_rule_hides_old(rule, change)) /* nor may its filter ask for it */
        seen.identity = (struct columns){0};
    return predicate_matches(rule->filter, &seen, types);
}

/* Where the change stands in the stream, when that was, and the end of the endpoint's id, which
 * differs also between ids that were counted up or begin with a time. */
void webhook_rule_add_message_id(struct buf *out, const struct webhook_rule *rule,
                                 const struct position *position)
{
    buf_addf(out, "msg_%llx_%llx_%llx_%02x%02x%02x%02x", (unsigned long long)position->commit_lsn,
             (unsigned long long)position->ordinal, (unsigned long long)position->commit_time,
             rule->id[12], rule->id[13], rule->id[14], rule->id[15]);
}

static int cmp_lists(const struct rule_list *a, const struct rule_list *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = strcmp(a->items[i], b->items[i]);

        if (order)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

bool webhook_rule_same_columns(const struct webhook_rule *a, const struct webhook_rule *b)
{
    return cmp_lists(&a->columns, &b->columns) == 0;
}

int webhook_rule_cmp_body(const struct webhook_rule *a, const struct webhook_rule *b)
{
    int order = cmp_lists(&a->columns, &b->columns);

    if (order == 0)
        order = (a->format > b->format) - (a->format < b->format);
    return order ? order : memcmp(a->id, b->id, sizeof(a->id));
}
