#include "realtime/binding.h"

#include "base/json.h" /* before jansson.h */
#include "base/map.h"
#include "base/mem.h"
#include "row/change.h"

#include <jansson.h>
#include <stdlib.h>

#define ALL_KINDS (1u << CHANGE_INSERT | 1u << CHANGE_UPDATE | 1u << CHANGE_DELETE)
#define ID_BITS 53 /* what a JavaScript number holds exactly */

static unsigned read_kinds(struct str event)
{
    if (str_eq_nocase(event, STR("insert")))
        return 1u << CHANGE_INSERT;
    if (str_eq_nocase(event, STR("update")))
        return 1u << CHANGE_UPDATE;
    if (str_eq_nocase(event, STR("delete")))
        return 1u << CHANGE_DELETE;
    return ALL_KINDS;
}

/* The text of a key, or `otherwise` where it is missing, null or empty. */
static struct str text_of(const json_t *object, const char *key, struct str otherwise)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value) || json_string_length(value) == 0)
        return otherwise;
    return str_from(json_string_value(value), json_string_length(value));
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

static enum result check_shape(const json_t *object, struct err *err)
{
    static const char *const texts[] = {"event", "schema", "table", "filter"};

    if (!json_is_object(object))
        return err_set(err, "an entry of postgres_changes is an object");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const json_t *value = json_object_get(object, texts[i]);

        if (!is_absent(value) && !json_is_string(value))
            return err_set(err, "%s is a string", texts[i]);
        if (i < 3 && json_string_length(value) > BINDING_MAX_NAME)
            return err_set(err, "%s is longer than %d bytes", texts[i], BINDING_MAX_NAME);
    }
    return OK;
}

static enum result read_select(const json_t *object, struct binding *binding, struct err *err)
{
    const json_t *select = json_object_get(object, "select");

    if (is_absent(select))
        return OK;
    if (!names_read(select, &binding->select))
        return err_set(err, "select is an array of column names");
    if (binding->select.count == 0)
        return OK;
    if (str_eq(str_c(binding->schema), STR("*")) || str_eq(str_c(binding->table), STR("*")))
        return err_set(err, "select needs one table: it goes with no wildcard");
    return OK;
}

static enum result read_filter(const json_t *object, struct binding *binding, struct err *err)
{
    struct str filter = text_of(object, "filter", STR(""));

    if (filter.len == 0)
        return OK;
    if (predicate_parse(filter, &binding->filter, err) != OK)
        return err_context(err, "filter");
    return OK;
}

enum result binding_read(const struct json_t *object, struct binding **out, struct err *err)
{
    struct binding *binding;

    *out = NULL;
    if (check_shape(object, err) != OK)
        return FAILED;
    binding = mem_alloc(sizeof(*binding));
    binding->id = binding_id(object);
    binding->kinds = read_kinds(text_of(object, "event", STR("*")));
    binding->schema = str_dup(text_of(object, "schema", STR("public")));
    binding->table = str_dup(text_of(object, "table", STR("*")));
    if (read_filter(object, binding, err) != OK || read_select(object, binding, err) != OK) {
        err_context(err, "%s.%s", binding->schema, binding->table);
        binding_free(binding);
        return FAILED;
    }
    *out = binding;
    return OK;
}

void binding_free(struct binding *binding)
{
    if (!binding)
        return;
    free(binding->schema);
    free(binding->table);
    predicate_free(binding->filter);
    names_fini(&binding->select);
    free(binding);
}

struct str binding_column(const struct binding *binding, size_t n)
{
    size_t terms = binding->filter ? predicate_count(binding->filter) : 0;

    if (n < terms)
        return predicate_column(binding->filter, n);
    return n - terms < binding->select.count ? str_c(binding->select.items[n - terms]) : STR("");
}

static struct type type_of_letter(char letter)
{
    switch (letter) {
    case 'n':
        return (struct type){.kind = TYPE_NUMBER, .name = STR("number")};
    case 'b':
        return (struct type){.kind = TYPE_BOOL, .name = STR("boolean")};
    case 't':
        return (struct type){.kind = TYPE_TIMESTAMP, .name = STR("timestamp")};
    case 'z':
        return (struct type){.kind = TYPE_TIMESTAMPTZ, .name = STR("timestamp")};
    case 'u':
        return (struct type){.kind = TYPE_STRING, .name = STR("uuid")};
    default:
        return (struct type){.kind = TYPE_STRING, .name = STR("text")};
    }
}

bool binding_is_misfit(const struct binding *binding, struct str kinds, struct err *why)
{
    size_t terms = binding->filter ? predicate_count(binding->filter) : 0;

    for (size_t n = 0; n < terms && n < kinds.len; n++) {
        const struct type type = type_of_letter(kinds.data[n]);
        struct str operand, column = predicate_column(binding->filter, n);

        if (!predicate_is_misfit(binding->filter, n, &type, &operand))
            continue;
        (void)err_set(why, "\"%.*s\" is no %.*s, as column \"%.*s\" is",
                      operand.len > 80 ? 80 : (int)operand.len, operand.data, STR_ARG(type.name),
                      STR_ARG(column));
        return true;
    }
    return false;
}

uint64_t binding_id(const struct json_t *object)
{
    const json_t *select = json_object_get(object, "select");
    struct names names = {0};
    uint64_t hash = 0;

    hash = hash_more(hash,
                     str_from((char[]){(char)read_kinds(text_of(object, "event", STR("*")))}, 1));
    hash = hash_more(hash, text_of(object, "schema", STR("public")));
    hash = hash_more(hash, text_of(object, "table", STR("*")));
    hash = hash_more(hash, text_of(object, "filter", STR("")));
    if (names_read(select, &names))
        hash ^= names.hash;
    names_fini(&names);
    hash &= (UINT64_C(1) << ID_BITS) - 1;
    return hash ? hash : 1;
}

void binding_echo(struct buf *out, const struct json_t *object)
{
    static const char *const keys[] = {"event", "schema", "table", "filter", "select"};

    buf_add_char(out, '{');
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(object, keys[i]);
        char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

        if (text) {
            buf_addf(out, "\"%s\":", keys[i]);
            buf_add_c(out, text);
            buf_add_char(out, ',');
        }
        free(text);
    }
    buf_add_str(out, STR("\"id\":"));
    buf_add_u64(out, binding_id(object));
    buf_add_char(out, '}');
}
