#include "rules/rule_row.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"

struct rule_row {
    json_t *root;
};

enum result rule_row_parse(struct str json, struct rule_row **out, struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &why);

    *out = NULL;
    if (!root)
        return err_set(err, "the row is no JSON that can be read: %s", why.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return err_set(err, "the row is no JSON object");
    }
    *out = mem_alloc(sizeof(**out));
    (*out)->root = root;
    return OK;
}

void rule_row_free(struct rule_row *row)
{
    if (!row)
        return;
    json_decref(row->root);
    free(row);
}

struct str rule_row_text(const struct rule_row *row, const char *column)
{
    const json_t *value = json_object_get(row->root, column);

    return json_is_string(value) ? str_from(json_string_value(value), json_string_length(value))
                                 : STR("");
}

bool rule_row_bool(const struct rule_row *row, const char *column, bool otherwise)
{
    const json_t *value = json_object_get(row->root, column);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

char *rule_row_json(const struct rule_row *row, const char *column)
{
    const json_t *value = json_object_get(row->root, column);

    return value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}

enum result rule_row_list(const struct rule_row *row, const char *column, struct rule_list *out,
                          struct err *err)
{
    const json_t *array = json_object_get(row->root, column);
    const json_t *item;
    size_t i;

    *out = (struct rule_list){0};
    if (!array || json_is_null(array))
        return OK;
    if (!json_is_array(array))
        return err_set(err, "column %s: expected a list of texts", column);
    out->items = mem_array(json_array_size(array), sizeof(*out->items));
    json_array_foreach(array, i, item)
    {
        if (!json_is_string(item)) {
            rule_list_fini(out);
            return err_set(err, "column %s: element %zu is no text", column, i + 1);
        }
        out->items[out->count++] = mem_strdup(json_string_value(item));
    }
    return OK;
}

void rule_list_fini(struct rule_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct rule_list){0};
}

bool rule_list_has(const struct rule_list *list, struct str item)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(str_c(list->items[i]), item))
            return true;
    return false;
}
