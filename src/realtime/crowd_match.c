/* Whom of a crowd a change may concern. */
#include <string.h>

#include "realtime/crowd_filed.h"

struct match {
    const struct change *change;
    const struct types *types;
    void (*found)(void *arg, struct binding *binding);
    void *arg;
};

static void try_list(const struct match *match, const struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct binding *binding = list->items[i];

        if (!(binding->kinds & 1u << match->change->kind))
            continue;
        if (!binding->filter || predicate_matches(binding->filter, match->change, match->types))
            match->found(match->arg, binding);
    }
}

/* Whether equal values of the type have equal keys. */
static bool has_keys(const struct type *type)
{
    if (!type)
        return false;
    switch (type->kind) {
    case TYPE_BOOL:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return false;
    case TYPE_STRING:
    case TYPE_NUMBER:
    case TYPE_JSON:
    case TYPE_BYTEA:
    case TYPE_ARRAY:
    case TYPE_COMPOSITE:
        return true;
    }
    return false;
}

/* Those whose filter on the column the change may satisfy; NULL: nobody. */
static const struct list *list_of_column(const struct match *match,
                                         const struct filed_column *column)
{
    const struct column *value = change_current(match->change, str_c(column->name));
    const struct bucket *bucket;

    if (!value || value->form == VALUE_NULL)
        return NULL;
    /* An escape makes the text differ from what it stands for. */
    if (!has_keys(types_find(match->types, value->type)) ||
        (value->form == VALUE_ESCAPED && memchr(value->value.data, '\\', value->value.len)))
        return &column->all;
    bucket = crowd_bucket(&column->buckets, crowd_value_key(value->value));
    return bucket ? &bucket->bindings : NULL;
}

static size_t count_by_filter(const struct crowd *crowd, const struct match *match)
{
    size_t count = crowd->loose.count;

    for (const struct filed_column *column = crowd->columns; column; column = column->next) {
        const struct list *list = list_of_column(match, column);

        count += list ? list->count : 0;
    }
    return count;
}

static void try_by_filter(const struct crowd *crowd, const struct match *match)
{
    try_list(match, &crowd->loose);
    for (const struct filed_column *column = crowd->columns; column; column = column->next) {
        const struct list *list = list_of_column(match, column);

        if (list)
            try_list(match, list);
    }
}

/* With more than one key a binding may be in several lists; it is found in the first of them. */
struct once {
    const struct match *match;
    const struct crowd *crowd;
    const struct policy_row *row;
    unsigned before; /* keys that were looked up already */
};

static const struct list *list_of_key(const struct crowd *crowd, const struct policy_row *row,
                                      size_t key)
{
    const struct bucket *bucket;
    uint64_t value;

    if (!policy_row_key(crowd_policy(crowd), row, key, &value))
        return NULL;
    bucket = crowd_bucket(&crowd->keys[key].buckets, value);
    return bucket ? &bucket->bindings : NULL;
}

static bool is_in(const struct list *list, const struct binding *binding, size_t key)
{
    return list && binding->at_key[key] < list->count &&
           list->items[binding->at_key[key]] == binding;
}

static void found_once(void *arg, struct binding *binding)
{
    const struct once *once = arg;

    for (size_t key = 0; key < POLICY_MAX_KEYS; key++)
        if (once->before & 1u << key && binding->is_filed[key] &&
            (is_in(&once->crowd->keys[key].always, binding, key) ||
             is_in(list_of_key(once->crowd, once->row, key), binding, key)))
            return;
    once->match->found(once->match->arg, binding);
}

static size_t count_by_keys(const struct crowd *crowd, const struct policy_row *row, unsigned keys)
{
    size_t count = 0;

    for (size_t key = 0; key < POLICY_MAX_KEYS; key++) {
        const struct list *list = (keys & 1u << key) ? list_of_key(crowd, row, key) : NULL;

        count += list ? list->count : 0;
        count += (keys & 1u << key) ? crowd->keys[key].always.count : 0;
    }
    return count;
}

static void try_by_keys(const struct crowd *crowd, const struct match *match,
                        const struct policy_row *row, unsigned keys)
{
    struct once once = {match, crowd, row, 0};
    const struct match each = {match->change, match->types, found_once, &once};

    for (size_t key = 0; key < POLICY_MAX_KEYS; key++) {
        const struct list *list = (keys & 1u << key) ? list_of_key(crowd, row, key) : NULL;

        if (!(keys & 1u << key))
            continue;
        if (list)
            try_list(&each, list);
        try_list(&each, &crowd->keys[key].always);
        once.before |= 1u << key;
    }
}

void crowd_match(const struct crowd *crowd, const struct change *change, const struct types *types,
                 const struct policy_row *row, void (*found)(void *arg, struct binding *binding),
                 void *arg)
{
    const struct match match = {change, types, found, arg};
    unsigned keys = row && crowd_policy(crowd) ? policy_keys_for(crowd_policy(crowd), row) : 0;

    if (keys && count_by_keys(crowd, row, keys) < count_by_filter(crowd, &match))
        try_by_keys(crowd, &match, row, keys);
    else
        try_by_filter(crowd, &match);
}
