#include "row/type.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

#define FIRST_USER_OID 16384 /* FirstNormalObjectId: everything below came with the server */

struct types {
    atomic_uint refs;
    struct type *items; /* sorted by oid once sealed */
    size_t count;
    size_t cap;
    const struct type *builtin[FIRST_USER_OID]; /* by oid: most values need no search */
};

static const struct {
    const char *name;
    enum type_kind kind;
} kinds[] = {
    {"number", TYPE_NUMBER},
    {"bool", TYPE_BOOL},
    {"json", TYPE_JSON},
    {"timestamp", TYPE_TIMESTAMP},
    {"timestamptz", TYPE_TIMESTAMPTZ},
    {"bytea", TYPE_BYTEA},
    {"array", TYPE_ARRAY},
    {"composite", TYPE_COMPOSITE},
};

enum type_kind type_kind_parse(struct str name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_eq(name, str_c(kinds[i].name)))
            return kinds[i].kind;
    return TYPE_STRING;
}

struct types *types_new(void)
{
    struct types *types = mem_alloc(sizeof(*types));

    atomic_init(&types->refs, 1);
    return types;
}

struct types *types_ref(struct types *types)
{
    atomic_fetch_add_explicit(&types->refs, 1, memory_order_relaxed);
    return types;
}

void types_unref(struct types *types)
{
    if (!types || atomic_fetch_sub_explicit(&types->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < types->count; i++) {
        struct type *type = &types->items[i];

        for (size_t f = 0; f < type->field_count; f++)
            free((void *)(uintptr_t)type->fields[f].name.data);
        free((void *)(uintptr_t)type->fields);
        free((void *)(uintptr_t)type->name.data);
    }
    free(types->items);
    free(types);
}

static struct str copy(struct str s)
{
    return str_from(str_dup(s), s.len);
}

void types_add(struct types *types, const struct type *type)
{
    struct type *added;

    if (types->count == types->cap) {
        types->cap = types->cap ? types->cap * 2 : 1024;
        types->items = mem_grow(types->items, types->cap, sizeof(*types->items));
    }
    added = &types->items[types->count++];
    *added = *type;
    added->name = copy(type->name);
    added->fields = NULL;
    added->field_count = 0;
}

void types_add_field(struct types *types, uint32_t composite, struct str name, uint32_t type)
{
    for (size_t i = types->count; i-- > 0;) {
        struct type *owner = &types->items[i];
        struct type_field *fields;

        if (owner->oid != composite)
            continue;
        fields =
            mem_grow((void *)(uintptr_t)owner->fields, owner->field_count + 1, sizeof(*fields));
        fields[owner->field_count] = (struct type_field){copy(name), type};
        owner->fields = fields;
        owner->field_count++;
        return;
    }
}

static int by_oid(const void *a, const void *b)
{
    uint32_t left = ((const struct type *)a)->oid;
    uint32_t right = ((const struct type *)b)->oid;

    return (left > right) - (left < right);
}

void types_seal(struct types *types)
{
    if (types->count == 0)
        return;
    qsort(types->items, types->count, sizeof(*types->items), by_oid);
    for (size_t i = 0; i < types->count && types->items[i].oid < FIRST_USER_OID; i++)
        types->builtin[types->items[i].oid] = &types->items[i];
}

const struct type *types_find(const struct types *types, uint32_t oid)
{
    const struct type wanted = {.oid = oid};

    if (!types || types->count == 0)
        return NULL;
    if (oid < FIRST_USER_OID)
        return types->builtin[oid];
    return bsearch(&wanted, types->items, types->count, sizeof(*types->items), by_oid);
}
