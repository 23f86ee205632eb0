/* Filing the bindings of a crowd. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "realtime/crowd_filed.h"
#include "realtime/session.h"
#include "row/compare.h"

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

static void bucket_add(struct map *buckets, uint64_t hash, place_fn *place, size_t which,
                       struct binding *binding)
{
    struct bucket *bucket = crowd_bucket(buckets, hash);

    if (!bucket) {
        bucket = mem_alloc(sizeof(*bucket));
        map_add(buckets, &bucket->node, hash);
    }
    list_add(&bucket->bindings, place, which, binding);
}

static void bucket_remove(struct map *buckets, uint64_t hash, place_fn *place, size_t which,
                          struct binding *binding)
{
    struct bucket *bucket = crowd_bucket(buckets, hash);

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

static void file_by_key(struct crowd *crowd, struct binding *binding, size_t key)
{
    uint64_t value;

    binding->is_filed[key] = true;
    switch (policy_session_key(crowd_policy(crowd), binding->bound, key, &value)) {
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
    const struct policy *policy = crowd_policy(crowd);

    if (!policy)
        return;
    binding->bound =
        policy_bind(policy, str_from(binding->session->claims, binding->session->claims_len));
    for (size_t key = 0; key < policy_key_count(policy); key++)
        file_by_key(crowd, binding, key);
}

static void unfile_by_keys(struct crowd *crowd, struct binding *binding)
{
    const struct policy *policy = crowd_policy(crowd);
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
