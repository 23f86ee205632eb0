#include "decode/table_keys.h"

#include <stdlib.h>

#include "base/mem.h"

struct key_column {
    uint32_t table;
    struct str name;
};

struct table_keys {
    uint32_t xmin, xmax; /* all below xmin were over, none from xmax on */
    uint32_t *running;   /* in between; may be NULL */
    size_t running_count;
    uint32_t assumed;           /* 0: none */
    struct key_column *columns; /* by table */
    size_t count;
    size_t cap;
};

/* The stream has 32 bits of an xid, the snapshot 64. */
static bool read_xid(struct str text, uint32_t *out)
{
    uint64_t xid;

    if (!str_to_u64(text, &xid))
        return false;
    *out = (uint32_t)xid;
    return true;
}

static bool read_running(struct table_keys *keys, struct str list)
{
    struct str item, rest = list;
    bool more = list.len > 0;

    while (more) {
        more = str_split(rest, ',', &item, &rest);
        keys->running = mem_grow(keys->running, keys->running_count + 1, sizeof(*keys->running));
        if (!read_xid(item, &keys->running[keys->running_count++]))
            return false;
    }
    return true;
}

struct table_keys *table_keys_new(struct str snapshot)
{
    struct table_keys *keys = mem_alloc(sizeof(*keys));
    struct str xmin, xmax, running;

    if (str_split(snapshot, ':', &xmin, &xmax) && str_split(xmax, ':', &xmax, &running) &&
        read_xid(xmin, &keys->xmin) && read_xid(xmax, &keys->xmax) && read_running(keys, running))
        return keys;
    table_keys_free(keys);
    return NULL;
}

void table_keys_free(struct table_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->count; i++)
        free((void *)(uintptr_t)keys->columns[i].name.data);
    free(keys->columns);
    free(keys->running);
    free(keys);
}

void table_keys_add(struct table_keys *keys, uint32_t table, struct str column)
{
    if (keys->count == keys->cap) {
        keys->cap = keys->cap ? keys->cap * 2 : 64;
        keys->columns = mem_grow(keys->columns, keys->cap, sizeof(*keys->columns));
    }
    keys->columns[keys->count++] =
        (struct key_column){table, str_from(str_dup(column), column.len)};
}

void table_keys_assume(struct table_keys *keys, uint32_t xid)
{
    keys->assumed = xid;
}

/* xids wrap around: of two, the one within 2^31 behind the other is the older one. */
static bool precedes(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

bool table_keys_see(const struct table_keys *keys, uint32_t xid)
{
    if (xid == keys->assumed || precedes(xid, keys->xmin))
        return true;
    if (!precedes(xid, keys->xmax))
        return false;
    for (size_t i = 0; i < keys->running_count; i++)
        if (keys->running[i] == xid)
            return false;
    return true;
}

/* The first column of the table, or where it would be. */
static size_t find(const struct table_keys *keys, uint32_t table)
{
    size_t low = 0, high = keys->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (keys->columns[middle].table < table)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool table_keys_has(const struct table_keys *keys, uint32_t table, struct str column)
{
    for (size_t i = find(keys, table); i < keys->count && keys->columns[i].table == table; i++)
        if (str_eq(keys->columns[i].name, column))
            return true;
    return false;
}
