#include "rules/column_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct place {
    struct str name;
    uint16_t index;
};

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return memcmp(x->name.data, y->name.data, x->name.len);
}

static void sort(struct table_rules *table)
{
    size_t count = table->column_count;
    struct place *places = mem_array(count, sizeof(*places));

    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){table->columns[i].name, (uint16_t)i};
    qsort(places, count, sizeof(*places), compare);
    table->jsonb_order = mem_grow(table->jsonb_order, count, sizeof(*table->jsonb_order));
    for (size_t i = 0; i < count; i++)
        table->jsonb_order[i] = places[i].index;
    free(places);
    table->jsonb_order_is_known = true;
}

const uint16_t *column_order_for_jsonb(struct table_rules *table, size_t count)
{
    if (count == 0 || count != table->column_count || count > UINT16_MAX)
        return NULL;
    if (!table->jsonb_order_is_known)
        sort(table);
    return table->jsonb_order;
}
