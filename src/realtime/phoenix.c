#include "realtime/phoenix.h"

#include "base/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool phoenix_vsn_parse(struct str text, enum phoenix_vsn *out)
{
    *out = str_eq(text, STR("2.0.0")) ? PHOENIX_V2 : PHOENIX_V1;
    return text.len == 0 || str_eq(text, STR("2.0.0")) || str_eq(text, STR("1.0.0"));
}

/* Refs are strings, but nothing in Phoenix insists: numbers are echoed as numbers. */
static bool read_ref(const json_t *value, struct phoenix_ref *out)
{
    size_t len;

    *out = PHOENIX_NULL;
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value) && !json_is_integer(value))
        return false;
    len = json_dumpb(value, out->json, PHOENIX_MAX_REF, JSON_ENCODE_ANY);
    if (len == 0 || len > PHOENIX_MAX_REF)
        return false;
    out->json[len] = '\0';
    return true;
}

static bool read_name(const json_t *value, size_t max, struct str *out)
{
    if (!json_is_string(value))
        return false;
    *out = str_from(json_string_value(value), json_string_length(value));
    return out->len > 0 && out->len <= max;
}

static enum result read_parts(struct phoenix_frame *frame, const json_t *join_ref,
                              const json_t *ref, const json_t *topic, const json_t *event,
                              const json_t *payload, struct err *err)
{
    if (!read_ref(join_ref, &frame->join_ref) || !read_ref(ref, &frame->ref))
        return err_set(err, "a ref is a string of at most %d bytes or null", PHOENIX_MAX_REF - 2);
    if (!read_name(topic, PHOENIX_MAX_TOPIC, &frame->topic))
        return err_set(err, "the topic is a string of 1 to %d bytes", PHOENIX_MAX_TOPIC);
    if (!read_name(event, PHOENIX_MAX_EVENT, &frame->event))
        return err_set(err, "the event is a string of 1 to %d bytes", PHOENIX_MAX_EVENT);
    if (!payload)
        return err_set(err, "there is no payload");
    frame->payload = payload;
    return OK;
}

static enum result read_v2(struct phoenix_frame *frame, struct err *err)
{
    const json_t *a = frame->root;

    if (!json_is_array(a) || json_array_size(a) != 5)
        return err_set(err, "a frame of version 2.0.0 is an array of five");
    return read_parts(frame, json_array_get(a, 0), json_array_get(a, 1), json_array_get(a, 2),
                      json_array_get(a, 3), json_array_get(a, 4), err);
}

static enum result read_v1(struct phoenix_frame *frame, struct err *err)
{
    const json_t *o = frame->root;

    if (!json_is_object(o))
        return err_set(err, "a frame of version 1.0.0 is an object");
    return read_parts(frame, json_object_get(o, "join_ref"), json_object_get(o, "ref"),
                      json_object_get(o, "topic"), json_object_get(o, "event"),
                      json_object_get(o, "payload"), err);
}

enum result phoenix_parse(struct str text, enum phoenix_vsn vsn, struct phoenix_frame *out,
                          struct err *err)
{
    json_error_t where;
    enum result result;

    memset(out, 0, sizeof(*out));
    out->root = json_loadb(text.data, text.len, 0, &where);
    if (!out->root)
        return err_set(err, "not JSON: %s at byte %d", where.text, where.position);
    result = vsn == PHOENIX_V2 ? read_v2(out, err) : read_v1(out, err);
    if (result == FAILED)
        phoenix_frame_fini(out);
    return result;
}

void phoenix_frame_fini(struct phoenix_frame *frame)
{
    json_decref(frame->root);
    frame->root = NULL;
}

void phoenix_open(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref join_ref,
                  struct phoenix_ref ref, struct str topic, struct str event)
{
    if (vsn == PHOENIX_V1) {
        buf_add_str(out, STR("{\"topic\":"));
        json_add_string(out, topic);
        buf_add_str(out, STR(",\"event\":"));
        json_add_string(out, event);
        buf_add_str(out, STR(",\"payload\":"));
        return;
    }
    buf_add_char(out, '[');
    buf_add_c(out, join_ref.json);
    buf_add_char(out, ',');
    buf_add_c(out, ref.json);
    buf_add_char(out, ',');
    json_add_string(out, topic);
    buf_add_char(out, ',');
    json_add_string(out, event);
    buf_add_char(out, ',');
}

void phoenix_close(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref ref)
{
    if (vsn == PHOENIX_V1) {
        buf_add_str(out, STR(",\"ref\":"));
        buf_add_c(out, ref.json);
        buf_add_char(out, '}');
    } else {
        buf_add_char(out, ']');
    }
}

void phoenix_write(struct buf *out, enum phoenix_vsn vsn, struct phoenix_ref join_ref,
                   struct phoenix_ref ref, struct str topic, struct str event, struct str payload)
{
    phoenix_open(out, vsn, join_ref, ref, topic, event);
    buf_add_str(out, payload);
    phoenix_close(out, vsn, ref);
}
