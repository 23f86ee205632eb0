#include "rules/webhook_rule.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum result webhook_rule_parse(const struct rule_row *row, struct webhook_rule **out,
                               struct err *err)
{
    struct webhook_rule *rule = mem_alloc(sizeof(*rule));
    struct str owner = rule_row_text(row, "user_id");

    *out = NULL;
    rule->is_active = rule_row_bool(row, "is_active", true);
    rule->has_owner = owner.len > 0;
    if (!str_to_uuid(rule_row_text(row, "id"), rule->id))
        err_set(err, "column id: expected a uuid");
    else if (rule->has_owner && !str_to_uuid(owner, rule->owner))
        err_set(err, "column user_id: expected a uuid");
    else if (predicate_parse(rule_row_text(row, "filter"), &rule->filter, err) != OK)
        err_context(err, "column filter");
    else if (rule_row_list(row, "events", &rule->events, err) == OK) {
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

static bool is_owned(const struct webhook_rule *rule, const struct change *change)
{
    const struct column *owner = change_current(change, STR("user_id"));
    uint8_t id[16];

    return owner && owner->form != VALUE_NULL && str_to_uuid(owner->value, id) &&
           memcmp(id, rule->owner, sizeof(id)) == 0;
}

bool webhook_rule_matches(const struct webhook_rule *rule, const struct change *change,
                          const struct types *types)
{
    return (!rule->has_owner || is_owned(rule, change)) &&
           predicate_matches(rule->filter, change, types);
}
