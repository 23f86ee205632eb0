#include "realtime/crowd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "realtime/session.h"
#include "row/compare.h"

/* A list knows for each binding where it stands, so that removing is quick: the place is in a field
 * of the binding that belongs to the list. */
struct list {
    struct binding **items;
    size_t count, cap;
};

enum { SLOT_ALL, SLOT_FILTER, SLOT_VALUE };

/* All of one value. */
struct bucket {
    struct map_node node;
    struct list bindings;
};

/* All equality filters on one column. */
struct filed_column {
    char *name;
    struct map buckets; /* SLOT_VALUE, under crowd_value_key() */
    struct list all;    /* SLOT_FILTER: for types that are not looked up by key */
    struct filed_column *next;
};

/* All by what a claim of theirs is, for one key of the policies. */
struct filed_key {
    struct map buckets; /* under policy_session_key() */
    struct list always; /* whose claim cannot be compared */
};

struct crowd {
    char *role;
    bool of_one_table;
    struct list all;   /* SLOT_ALL */
    struct list loose; /* SLOT_FILTER: without a filter, or with one that is no equality */
    struct filed_column *columns;
    struct table_access *access; /* one reference; NULL: not filed by keys */
    struct filed_key keys[POLICY_MAX_KEYS];
};

/* `place` finds the field for this list. */
typedef size_t *place_fn(struct binding *binding, size_t which);

static size_t *place_in_slot(struct binding *binding, size_t slot)
{
    return &binding->at[slot];
}

static size_t *place_in_key(struct binding *binding, size_t key)
{
    return &binding->at_key[key];
}

static void list_add(struct list *list, place_fn *place, size_t which, struct binding *binding)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 4;
        list->items = mem_grow(list->items, list->cap, sizeof(*list->items));
    }
    *place(binding, which) = list->count;
    list->items[list->count++] = binding;
}

static void list_remove(struct list *list, place_fn *place, size_t which, struct binding *binding)
{
    struct binding *last = list->items[--list->count];
    size_t at = *place(binding, which);

    list->items[at] = last;
    *place(last, which) = at;
    if (list->count == 0) {
        free(list->items);
        memset(list, 0, sizeof(*list));
    }
}

/* 64 bits of the key are taken as the whole key: two values that meet there only cost a comparison,
 * since filters and verdicts have the last word. */
static struct bucket *find_bucket(const struct map *buckets, uint64_t key)
{
    struct map_node *node = map_find(buckets, key);

    return node ? MAP_THING(node, struct bucket, node) : NULL;
}

static void bucket_add(struct map *buckets, uint64_t hash, place_fn *place, size_t which,
                       struct binding *binding)
{
    struct bucket *bucket = find_bucket(buckets, hash);

    if (!bucket) {
        bucket = mem_alloc(sizeof(*bucket));
        map_add(buckets, &bucket->node, hash);
    }
    list_add(&bucket->bindings, place, which, binding);
}

static void bucket_remove(struct map *buckets, uint64_t hash, place_fn *place, size_t which,
                          struct binding *binding)
{
    struct bucket *bucket = find_bucket(buckets, hash);

    list_remove(&bucket->bindings, place, which, binding);
    if (bucket->bindings.count == 0) {
        map_remove(buckets, &bucket->node);
        free(bucket);
    }
}

struct crowd *crowd_new(struct str role, bool of_one_table)
{
    struct crowd *crowd = mem_alloc(sizeof(*crowd));

    crowd->role = str_dup(role);
    crowd->of_one_table = of_one_table;
    return crowd;
}

void crowd_free(struct crowd *crowd)
{
    access_unref(crowd->access);
    free(crowd->role);
    free(crowd);
}

size_t crowd_count(const struct crowd *crowd)
{
    return crowd->all.count;
}

struct str crowd_role(const struct crowd *crowd)
{
    return str_c(crowd->role);
}

/* By filter */

static struct filed_column *find_column(const struct crowd *crowd, struct str name)
{
    struct filed_column *column = crowd->columns;

    while (column && !str_eq(str_c(column->name), name))
        column = column->next;
    return column;
}

static struct filed_column *need_column(struct crowd *crowd, struct str name)
{
    struct filed_column *column = find_column(crowd, name);

    if (column)
        return column;
    column = mem_alloc(sizeof(*column));
    column->name = str_dup(name);
    column->next = crowd->columns;
    crowd->columns = column;
    return column;
}

static void drop_column_if_empty(struct crowd *crowd, struct filed_column *column)
{
    struct filed_column **at = &crowd->columns;

    if (column->all.count > 0)
        return;
    while (*at != column)
        at = &(*at)->next;
    *at = column->next;
    free(column->name);
    free(column);
}

static bool is_equality(const struct binding *binding, struct str *column, struct str *value)
{
    return binding->filter && predicate_is_equality(binding->filter, column, value);
}

static void file_by_filter(struct crowd *crowd, struct binding *binding)
{
    struct filed_column *column;
    struct str name, value;

    if (!is_equality(binding, &name, &value)) {
        list_add(&crowd->loose, place_in_slot, SLOT_FILTER, binding);
        return;
    }
    column = need_column(crowd, name);
    list_add(&column->all, place_in_slot, SLOT_FILTER, binding);
    bucket_add(&column->buckets, crowd_value_key(value), place_in_slot, SLOT_VALUE, binding);
}

static void unfile_by_filter(struct crowd *crowd, struct binding *binding)
{
    struct filed_column *column;
    struct str name, value;

    if (!is_equality(binding, &name, &value)) {
        list_remove(&crowd->loose, place_in_slot, SLOT_FILTER, binding);
        return;
    }
    column = find_column(crowd, name);
    list_remove(&column->all, place_in_slot, SLOT_FILTER, binding);
    bucket_remove(&column->buckets, crowd_value_key(value), place_in_slot, SLOT_VALUE, binding);
    drop_column_if_empty(crowd, column);
}

/* By key */

static const struct policy *policy_of(const struct crowd *crowd)
{
    return crowd->access ? crowd->access->policy : NULL;
}

static void file_by_key(struct crowd *crowd, struct binding *binding, size_t key)
{
    uint64_t value;

    binding->is_filed[key] = true;
    switch (policy_session_key(policy_of(crowd), binding->bound, key, &value)) {
    case POLICY_FILED:
        bucket_add(&crowd->keys[key].buckets, value, place_in_key, key, binding);
        return;
    case POLICY_ALWAYS:
        list_add(&crowd->keys[key].always, place_in_key, key, binding);
        return;
    case POLICY_NOWHERE:
        binding->is_filed[key] = false;
        return;
    }
}

static void file_by_keys(struct crowd *crowd, struct binding *binding)
{
    const struct policy *policy = policy_of(crowd);

    if (!policy)
        return;
    binding->bound =
        policy_bind(policy, str_from(binding->session->claims, binding->session->claims_len));
    for (size_t key = 0; key < policy_key_count(policy); key++)
        file_by_key(crowd, binding, key);
}

static void unfile_by_keys(struct crowd *crowd, struct binding *binding)
{
    const struct policy *policy = policy_of(crowd);
    uint64_t value;

    for (size_t key = 0; policy && key < policy_key_count(policy); key++) {
        if (!binding->is_filed[key])
            continue;
        if (policy_session_key(policy, binding->bound, key, &value) == POLICY_FILED)
            bucket_remove(&crowd->keys[key].buckets, value, place_in_key, key, binding);
        else
            list_remove(&crowd->keys[key].always, place_in_key, key, binding);
        binding->is_filed[key] = false;
    }
    policy_session_free(binding->bound);
    binding->bound = NULL;
}

void crowd_follow(struct crowd *crowd, struct table_access *access)
{
    if (crowd->access == access || !crowd->of_one_table)
        return;
    for (size_t i = 0; i < crowd->all.count; i++)
        unfile_by_keys(crowd, crowd->all.items[i]);
    access_unref(crowd->access);
    crowd->access = access ? access_ref(access) : NULL;
    for (size_t i = 0; i < crowd->all.count; i++)
        file_by_keys(crowd, crowd->all.items[i]);
}

void crowd_add(struct crowd *crowd, struct binding *binding)
{
    list_add(&crowd->all, place_in_slot, SLOT_ALL, binding);
    file_by_filter(crowd, binding);
    file_by_keys(crowd, binding);
}

void crowd_remove(struct crowd *crowd, struct binding *binding)
{
    unfile_by_keys(crowd, binding);
    unfile_by_filter(crowd, binding);
    list_remove(&crowd->all, place_in_slot, SLOT_ALL, binding);
}

/* Finding */

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
    bucket = find_bucket(&column->buckets, crowd_value_key(value->value));
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

    if (!policy_row_key(policy_of(crowd), row, key, &value))
        return NULL;
    bucket = find_bucket(&crowd->keys[key].buckets, value);
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
    unsigned keys = row && policy_of(crowd) ? policy_keys_for(policy_of(crowd), row) : 0;

    if (keys && count_by_keys(crowd, row, keys) < count_by_filter(crowd, &match))
        try_by_keys(crowd, &match, row, keys);
    else
        try_by_filter(crowd, &match);
}

uint64_t crowd_value_key(struct str text)
{
    struct decimal number = decimal_parse(text);
    uint64_t hash = 0;

    if (number.kind != DECIMAL_NONE)
        return decimal_hash(&number);
    text = str_trim(text);
    for (size_t i = 0; i < text.len; i++)
        hash =
            (hash ^ (unsigned char)tolower((unsigned char)text.data[i])) * UINT64_C(0x100000001b3);
    return hash_more(hash, STR(""));
}
