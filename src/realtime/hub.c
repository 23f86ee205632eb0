#include "realtime/hub.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "row/compare.h"

/* A list knows for each binding where it stands (binding->at[slot]), so that removing is quick. */
struct list {
    struct binding **items;
    size_t count, cap;
};

enum { SLOT_MAIN, SLOT_BUCKET };

/* All equality filters of one value. */
struct bucket {
    struct map_node node; /* under hub_value_key() */
    struct list bindings; /* SLOT_BUCKET */
};

/* All equality filters on one column. */
struct filed_column {
    char *name;
    struct map buckets;
    struct list all; /* SLOT_MAIN: for types that are not looked up by key */
    struct filed_column *next;
};

struct hub_table {
    struct map_node node;
    char *schema, *table;
    struct list loose; /* SLOT_MAIN: without a filter, or with one that is no equality */
    struct filed_column *columns;
};

struct hub {
    struct map tables;
    size_t count;
};

static void list_add(struct list *list, int slot, struct binding *binding)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 4;
        list->items = mem_grow(list->items, list->cap, sizeof(*list->items));
    }
    binding->at[slot] = list->count;
    list->items[list->count++] = binding;
}

static void list_remove(struct list *list, int slot, struct binding *binding)
{
    struct binding *last = list->items[--list->count];

    list->items[binding->at[slot]] = last;
    last->at[slot] = binding->at[slot];
    if (list->count == 0) {
        free(list->items);
        memset(list, 0, sizeof(*list));
    }
}

struct hub *hub_new(void)
{
    return mem_alloc(sizeof(struct hub));
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    map_fini(&hub->tables);
    free(hub);
}

size_t hub_count(const struct hub *hub)
{
    return hub->count;
}

static uint64_t table_key(struct str schema, struct str table)
{
    return hash_more(hash_more(0, schema), table);
}

static struct hub_table *find_table(const struct hub *hub, struct str schema, struct str table)
{
    struct map_node *node = map_find(&hub->tables, table_key(schema, table));

    for (; node; node = map_next(node)) {
        struct hub_table *found = MAP_THING(node, struct hub_table, node);

        if (str_eq(str_c(found->schema), schema) && str_eq(str_c(found->table), table))
            return found;
    }
    return NULL;
}

static struct hub_table *need_table(struct hub *hub, const struct binding *binding)
{
    struct str schema = str_c(binding->schema), table = str_c(binding->table);
    struct hub_table *found = find_table(hub, schema, table);

    if (found)
        return found;
    found = mem_alloc(sizeof(*found));
    found->schema = str_dup(schema);
    found->table = str_dup(table);
    map_add(&hub->tables, &found->node, table_key(schema, table));
    return found;
}

static void drop_table_if_empty(struct hub *hub, struct hub_table *table)
{
    if (table->loose.count > 0 || table->columns)
        return;
    map_remove(&hub->tables, &table->node);
    free(table->schema);
    free(table->table);
    free(table);
}

static struct filed_column *find_column(const struct hub_table *table, struct str name)
{
    struct filed_column *column = table->columns;

    while (column && !str_eq(str_c(column->name), name))
        column = column->next;
    return column;
}

static struct filed_column *need_column(struct hub_table *table, struct str name)
{
    struct filed_column *column = find_column(table, name);

    if (column)
        return column;
    column = mem_alloc(sizeof(*column));
    column->name = str_dup(name);
    column->next = table->columns;
    table->columns = column;
    return column;
}

static void drop_column_if_empty(struct hub_table *table, struct filed_column *column)
{
    struct filed_column **at = &table->columns;

    if (column->all.count > 0)
        return;
    while (*at != column)
        at = &(*at)->next;
    *at = column->next;
    free(column->name);
    free(column);
}

/* 64 bits of the key are taken as the whole key: two values that meet there only cost a comparison,
 * since the filter itself has the last word. */
static struct bucket *find_bucket(const struct filed_column *column, uint64_t key)
{
    struct map_node *node = map_find(&column->buckets, key);

    return node ? MAP_THING(node, struct bucket, node) : NULL;
}

static bool is_filed(const struct binding *binding, struct str *column, struct str *value)
{
    return binding->filter && predicate_is_equality(binding->filter, column, value);
}

void hub_add(struct hub *hub, struct binding *binding)
{
    struct hub_table *table = need_table(hub, binding);
    struct filed_column *column;
    struct bucket *bucket;
    struct str name, value;

    hub->count++;
    if (!is_filed(binding, &name, &value)) {
        list_add(&table->loose, SLOT_MAIN, binding);
        return;
    }
    column = need_column(table, name);
    list_add(&column->all, SLOT_MAIN, binding);
    bucket = find_bucket(column, hub_value_key(value));
    if (!bucket) {
        bucket = mem_alloc(sizeof(*bucket));
        map_add(&column->buckets, &bucket->node, hub_value_key(value));
    }
    list_add(&bucket->bindings, SLOT_BUCKET, binding);
}

static void remove_filed(struct hub_table *table, struct binding *binding, struct str name,
                         struct str value)
{
    struct filed_column *column = find_column(table, name);
    struct bucket *bucket = find_bucket(column, hub_value_key(value));

    list_remove(&column->all, SLOT_MAIN, binding);
    list_remove(&bucket->bindings, SLOT_BUCKET, binding);
    if (bucket->bindings.count == 0) {
        map_remove(&column->buckets, &bucket->node);
        free(bucket);
    }
    drop_column_if_empty(table, column);
}

void hub_remove(struct hub *hub, struct binding *binding)
{
    struct hub_table *table = find_table(hub, str_c(binding->schema), str_c(binding->table));
    struct str name, value;

    hub->count--;
    if (is_filed(binding, &name, &value))
        remove_filed(table, binding, name, value);
    else
        list_remove(&table->loose, SLOT_MAIN, binding);
    drop_table_if_empty(hub, table);
}

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

static void try_column(const struct match *match, const struct filed_column *column)
{
    const struct column *value = change_current(match->change, str_c(column->name));
    const struct bucket *bucket;

    if (!value || value->form == VALUE_NULL)
        return;
    /* An escape makes the text differ from what it stands for. */
    if (!has_keys(types_find(match->types, value->type)) ||
        (value->form == VALUE_ESCAPED && memchr(value->value.data, '\\', value->value.len))) {
        try_list(match, &column->all);
        return;
    }
    bucket = find_bucket(column, hub_value_key(value->value));
    if (bucket)
        try_list(match, &bucket->bindings);
}

static void try_table(const struct hub *hub, const struct match *match, struct str schema,
                      struct str name)
{
    const struct hub_table *table = find_table(hub, schema, name);

    if (!table)
        return;
    try_list(match, &table->loose);
    for (const struct filed_column *column = table->columns; column; column = column->next)
        try_column(match, column);
}

void hub_match(const struct hub *hub, const struct change *change, const struct types *types,
               void (*found)(void *arg, struct binding *binding), void *arg)
{
    const struct match match = {change, types, found, arg};

    if (hub->count == 0)
        return;
    try_table(hub, &match, change->schema, change->table);
    try_table(hub, &match, change->schema, STR("*"));
    try_table(hub, &match, STR("*"), change->table);
    try_table(hub, &match, STR("*"), STR("*"));
}

static uint64_t number_key(const struct decimal *number)
{
    struct str digits = number->digits;
    char head[32];
    uint64_t hash;
    const char *point = digits.len ? memchr(digits.data, '.', digits.len) : NULL;

    memset(head, 0, sizeof(head));
    head[0] = (char)('0' + number->kind);
    head[1] = number->negative ? '-' : '+';
    memcpy(head + 2, &number->power, sizeof(number->power));
    hash = hash_more(0, str_from(head, sizeof(head)));
    for (size_t i = 0; i < digits.len; i++)
        if (digits.data + i != point)
            hash = (hash ^ (unsigned char)digits.data[i]) * UINT64_C(0x100000001b3);
    return hash_more(hash, STR(""));
}

uint64_t hub_value_key(struct str text)
{
    struct decimal number = decimal_parse(text);
    uint64_t hash = 0;

    if (number.kind != DECIMAL_NONE)
        return number_key(&number);
    text = str_trim(text);
    for (size_t i = 0; i < text.len; i++)
        hash =
            (hash ^ (unsigned char)tolower((unsigned char)text.data[i])) * UINT64_C(0x100000001b3);
    return hash_more(hash, STR(""));
}
