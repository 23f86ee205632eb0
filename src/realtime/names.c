#include "realtime/names.h"

#include "base/map.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct names *names)
{
    size_t kept = 0;

    if (names->count == 0)
        return;
    qsort(names->items, names->count, sizeof(*names->items), compare);
    for (size_t i = 0; i < names->count; i++) {
        if (kept > 0 && strcmp(names->items[kept - 1], names->items[i]) == 0)
            free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
    for (size_t i = 0; i < kept; i++)
        names->hash = hash_more(names->hash, str_c(names->items[i]));
    if (names->hash == 0)
        names->hash = 1;
}

bool names_read(const struct json_t *array, struct names *out)
{
    size_t count = json_array_size(array);

    memset(out, 0, sizeof(*out));
    if (!json_is_array(array) || count > NAMES_MAX)
        return false;
    out->items = mem_array(count ? count : 1, sizeof(*out->items));
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(array, i);

        if (!json_is_string(name)) {
            names_fini(out);
            return false;
        }
        out->items[out->count++] = mem_strdup(json_string_value(name));
    }
    sort(out);
    return true;
}

bool names_parse(struct str json, struct names *out)
{
    json_t *array;
    bool ok;

    memset(out, 0, sizeof(*out));
    if (json.len == 0)
        return true;
    array = json_loadb(json.data, json.len, 0, NULL);
    ok = array && names_read(array, out);
    json_decref(array);
    return ok;
}

void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    memset(names, 0, sizeof(*names));
}

bool names_has(const struct names *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(str_c(names->items[i]), name))
            return true;
    return false;
}

bool names_equal(const struct names *a, const struct names *b)
{
    if (a->hash != b->hash || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}
