#include "realtime/join.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Booleans may come as strings. */
static bool is_word(const json_t *value, struct str word)
{
    return str_eq_nocase(str_from(json_string_value(value), json_string_length(value)), word);
}

static bool is_true(const json_t *value)
{
    return json_is_true(value) || is_word(value, STR("true"));
}

static bool is_false(const json_t *value)
{
    return json_is_false(value) || is_word(value, STR("false"));
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

static void read_replay(const json_t *replay, struct replay *out)
{
    const json_t *since = json_object_get(replay, "since"),
                 *limit = json_object_get(replay, "limit");

    out->wanted = replay && !json_is_null(replay);
    out->valid =
        json_is_integer(since) && (!limit || json_is_null(limit) || json_is_integer(limit));
    out->since_ms = json_integer_value(since);
    out->limit = json_is_integer(limit) ? json_integer_value(limit) : REPLAY_LIMIT;
}

/* A key is a string; one that is a number or a word becomes its text. */
static enum result read_key(const json_t *key, struct join *out, struct err *err)
{
    if (json_is_string(key) && json_string_length(key) > 0)
        out->presence_key = mem_strdup(json_string_value(key));
    else if (json_is_number(key) || json_is_boolean(key))
        out->presence_key = json_dumps(key, JSON_ENCODE_ANY);
    if (out->presence_key && strlen(out->presence_key) > JOIN_MAX_KEY)
        return err_set(err, "presence.key is longer than %d bytes", JOIN_MAX_KEY);
    return OK;
}

static enum result read_config(const json_t *config, struct join *out, struct err *err)
{
    const json_t *broadcast = json_object_get(config, "broadcast");
    const json_t *presence = json_object_get(config, "presence");

    out->is_private = is_true(json_object_get(config, "private"));
    out->self_broadcast = is_true(json_object_get(broadcast, "self"));
    out->ack_broadcast = is_true(json_object_get(broadcast, "ack"));
    read_replay(json_object_get(broadcast, "replay"), &out->replay);
    out->presence = !is_false(json_object_get(presence, "enabled"));
    return read_key(json_object_get(presence, "key"), out, err);
}

/* `schema[:table[:filter]]` as an entry of postgres_changes; NULL if the name of the topic is none.
 * A new reference. */
static json_t *legacy_binding(struct str name)
{
    struct str schema, table, filter, rest;

    str_split(name, ':', &schema, &rest);
    str_split(rest, ':', &table, &filter);
    if (rest.len == 0 && !str_eq(schema, STR("*")) && !str_eq(schema, STR("public")))
        return NULL;
    if (filter.len == 0)
        return json_pack("{s:s%, s:s%}", "schema", schema.data, schema.len, "table",
                         table.len ? table.data : "*", table.len ? table.len : 1);
    return json_pack("{s:s%, s:s%, s:s%}", "schema", schema.data, schema.len, "table", table.data,
                     table.len, "filter", filter.data, filter.len);
}

static enum result read_legacy(struct str topic, struct join *join, struct err *err)
{
    struct str prefix, name;
    json_t *list = json_array(), *binding;
    enum result result;

    str_split(topic, ':', &prefix, &name);
    binding = legacy_binding(name);
    join->legacy = true;
    if (binding)
        json_array_append_new(list, binding);
    result = read_bindings(list, join, err);
    json_decref(list);
    return result;
}

enum result join_read(const struct json_t *payload, struct str topic, struct join *out,
                      struct err *err)
{
    const json_t *config = json_object_get(payload, "config");
    enum result result;

    memset(out, 0, sizeof(*out));
    buf_init(&out->echo, JOIN_MAX_ECHO);
    if (!json_is_object(payload))
        return err_set(err, "the payload of a join is an object");
    out->access_token = join_token(payload);
    result = read_config(config, out, err);
    if (result == OK && config)
        result = read_bindings(json_object_get(config, "postgres_changes"), out, err);
    else if (result == OK)
        result = read_legacy(topic, out, err);
    if (result == FAILED)
        join_fini(out);
    return result;
}

void join_fini(struct join *join)
{
    for (size_t i = 0; i < join->binding_count; i++)
        binding_free(join->bindings[i]);
    free(join->bindings);
    free(join->presence_key);
    buf_fini(&join->echo);
    memset(join, 0, sizeof(*join));
}
