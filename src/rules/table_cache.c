#include "rules/table_cache.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

#define BUCKETS 4096
#define MAX_TABLES 16384
#define MAX_NAME_BYTES 1024 /* two identifiers and a verb, with room for long ones */

struct entry {
    struct entry *next;
    uint64_t hash;
    struct table_rules rules;
};

struct table_cache {
    struct entry *buckets[BUCKETS];
    size_t count;
};

struct table_cache *table_cache_new(void)
{
    return mem_alloc(sizeof(struct table_cache));
}

static void free_str(struct str *s)
{
    free((void *)(uintptr_t)s->data);
    *s = (struct str){0};
}

void column_rule_fini(struct column_rule *rule)
{
    free_str(&rule->name);
    free_str(&rule->json_key);
}

static void free_entry(struct entry *entry)
{
    struct table_rules *rules = &entry->rules;

    free_str(&rules->schema);
    free_str(&rules->table);
    free_str(&rules->resource);
    for (unsigned op = 0; op < RULE_OPERATIONS; op++) {
        free_str(&rules->events[op]);
        free(rules->webhooks[op]);
        free(rules->notifications[op]);
    }
    for (size_t i = 0; i < rules->column_count; i++)
        column_rule_fini(&rules->columns[i]);
    free(rules->columns);
    free(rules->jsonb_order);
    table_rules_forget_key(rules);
    free(entry);
}

void table_cache_clear(struct table_cache *cache)
{
    if (cache->count == 0)
        return;
    for (size_t b = 0; b < BUCKETS; b++) {
        while (cache->buckets[b]) {
            struct entry *entry = cache->buckets[b];

            cache->buckets[b] = entry->next;
            free_entry(entry);
        }
    }
    cache->count = 0;
}

void table_cache_free(struct table_cache *cache)
{
    table_cache_clear(cache);
    free(cache);
}

static struct str joined(struct str a, struct str b, struct str c)
{
    struct buf out;
    struct str name = {0};

    buf_init(&out, MAX_NAME_BYTES);
    if (a.len) {
        buf_add_str(&out, a);
        buf_add_char(&out, '.');
    }
    buf_add_str(&out, b);
    if (c.len) {
        buf_add_char(&out, '.');
        buf_add_str(&out, c);
    }
    name.data = buf_take(&out, &name.len);
    return name;
}

static struct table_rules *add(struct table_cache *cache, struct entry **bucket, uint64_t hash,
                               struct str schema, struct str table)
{
    struct entry *entry = mem_alloc(sizeof(*entry));
    bool is_public = str_eq(schema, STR("public"));

    entry->hash = hash;
    entry->next = *bucket;
    *bucket = entry;
    cache->count++;
    entry->rules.schema = str_from(str_dup(schema), schema.len);
    entry->rules.table = str_from(str_dup(table), table.len);
    entry->rules.resource = joined(schema, table, STR(""));
    for (unsigned op = 0; op < RULE_OPERATIONS; op++)
        entry->rules.events[op] = joined(is_public ? STR("") : schema, table,
                                         change_verb((enum change_kind)(CHANGE_INSERT + op)));
    return &entry->rules;
}

struct table_rules *table_cache_get(struct table_cache *cache, struct str schema, struct str table,
                                    bool *made)
{
    uint64_t hash = str_hash(schema) * 31 + str_hash(table);
    struct entry **bucket = &cache->buckets[hash % BUCKETS];

    *made = false;
    for (struct entry *entry = *bucket; entry; entry = entry->next)
        if (entry->hash == hash && str_eq(entry->rules.table, table) &&
            str_eq(entry->rules.schema, schema))
            return &entry->rules;
    if (cache->count >= MAX_TABLES)
        table_cache_clear(cache);
    *made = true;
    return add(cache, bucket, hash, schema, table);
}
