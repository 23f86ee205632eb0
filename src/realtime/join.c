#include "realtime/join.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Booleans may come as strings. */
static bool is_true(const json_t *value)
{
    const char *text = json_string_value(value);

    return json_is_true(value) || (text && strcmp(text, "true") == 0);
}

static bool is_false(const json_t *value)
{
    const char *text = json_string_value(value);

    return json_is_false(value) || (text && strcmp(text, "false") == 0);
}

struct str join_token(const struct json_t *payload)
{
    static const char *const keys[] = {"access_token", "user_token"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *value = json_object_get(payload, keys[i]);
        struct str text = str_from(json_string_value(value), json_string_length(value));

        if (text.len > 0)
            return str_starts(text, STR("sb_")) ? STR("") : text;
    }
    return STR("");
}

static void read_binding(const json_t *object, struct join *join)
{
    struct binding *binding;
    struct err err;

    binding_echo(&join->echo, object);
    if (binding_read(object, &binding, &err) == OK) {
        join->bindings[join->binding_count++] = binding;
    } else if (!join->has_problem) {
        join->has_problem = true;
        join->problem = err;
    }
}

static enum result read_bindings(const json_t *list, struct join *join, struct err *err)
{
    size_t count = json_array_size(list);

    if (list && !json_is_null(list) && !json_is_array(list))
        return err_set(err, "postgres_changes is an array");
    if (count > JOIN_MAX_BINDINGS)
        return err_set(err, "at most %d postgres_changes a channel", JOIN_MAX_BINDINGS);
    join->bindings = mem_array(count ? count : 1, sizeof(struct binding *));
    buf_add_char(&join->echo, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(&join->echo, ',');
        read_binding(json_array_get(list, i), join);
    }
    buf_add_char(&join->echo, ']');
    if (!buf_ok(&join->echo))
        return err_set(err, "postgres_changes is too long");
    return OK;
}

enum result join_read(const struct json_t *payload, struct join *out, struct err *err)
{
    const json_t *config = json_object_get(payload, "config");
    const json_t *presence = json_object_get(config, "presence");

    memset(out, 0, sizeof(*out));
    buf_init(&out->echo, JOIN_MAX_ECHO);
    if (!json_is_object(payload))
        return err_set(err, "the payload of a join is an object");
    out->access_token = join_token(payload);
    out->is_private = is_true(json_object_get(config, "private"));
    out->presence = !is_false(json_object_get(presence, "enabled"));
    if (read_bindings(json_object_get(config, "postgres_changes"), out, err) != OK) {
        join_fini(out);
        return FAILED;
    }
    return OK;
}

void join_fini(struct join *join)
{
    for (size_t i = 0; i < join->binding_count; i++)
        binding_free(join->bindings[i]);
    free(join->bindings);
    buf_fini(&join->echo);
    memset(join, 0, sizeof(*join));
}
