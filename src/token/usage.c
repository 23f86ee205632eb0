#include "token/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DAY_US (INT64_C(86400) * 1000000)

struct usage_node {
    struct map_node node;
    struct usage_node *next;
    struct usage_count count;
};

void usage_init(struct usage *usage, size_t max_counts)
{
    memset(usage, 0, sizeof(*usage));
    usage->max = max_counts;
    usage->last = &usage->first;
}

void usage_fini(struct usage *usage)
{
    struct usage_node *next;

    for (struct usage_node *at = usage->first; at; at = next) {
        next = at->next;
        free(at);
    }
    map_fini(&usage->counts);
    usage_init(usage, usage->max);
}

static int64_t day_of(int64_t us)
{
    return us / DAY_US - (us % DAY_US < 0);
}

static struct usage_node *find(const struct usage *usage, const struct usage_count *count)
{
    int64_t day = day_of(count->last_us);
    struct map_node *node =
        map_find(&usage->counts, hash_more((uint64_t)day, str_c(count->key_id)));

    for (; node; node = map_next(node)) {
        struct usage_node *found = MAP_THING(node, struct usage_node, node);

        if (day_of(found->count.last_us) == day && strcmp(found->count.key_id, count->key_id) == 0)
            return found;
    }
    return NULL;
}

static void append(struct usage *usage, const struct usage_count *count)
{
    struct usage_node *node = mem_alloc(sizeof(*node));

    node->count = *count;
    *usage->last = node;
    usage->last = &node->next;
    map_add(&usage->counts, &node->node,
            hash_more((uint64_t)day_of(count->last_us), str_c(count->key_id)));
}

void usage_add(struct usage *usage, const struct usage_count *count)
{
    struct usage_node *found = find(usage, count);

    if (!found && usage->counts.count >= usage->max) {
        usage->lost += count->requests;
        return;
    }
    if (!found) {
        append(usage, count);
        return;
    }
    found->count.requests += count->requests;
    found->count.errors += count->errors;
    if (count->last_us > found->count.last_us)
        found->count.last_us = count->last_us;
}

bool usage_is_empty(const struct usage *usage)
{
    return usage->first == NULL;
}

size_t usage_take(struct usage *usage, struct usage_count *out, size_t max)
{
    size_t count = 0;

    while (usage->first && count < max) {
        struct usage_node *taken = usage->first;

        out[count++] = taken->count;
        usage->first = taken->next;
        map_remove(&usage->counts, &taken->node);
        free(taken);
    }
    if (!usage->first)
        usage->last = &usage->first;
    return count;
}

void usage_write(struct buf *out, const struct usage_count *counts, size_t count)
{
    char when[CLOCK_ISO_TEXT];

    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_addf(out, "{\"id\":\"%s\",\"used_at\":\"%s\",\"requests\":", counts[i].key_id,
                 clock_iso_us(counts[i].last_us, when));
        buf_add_u64(out, counts[i].requests);
        buf_add_c(out, ",\"errors\":");
        buf_add_u64(out, counts[i].errors);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}
