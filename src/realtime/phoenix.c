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
static bool is_ref(struct str value)
{
    if (value.len > PHOENIX_MAX_REF)
        return false;
    if (value.data[0] == '"')
        return true;
    for (size_t i = value.data[0] == '-'; i < value.len; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    return true;
}

static bool read_ref(struct str value, struct phoenix_ref *out)
{
    *out = PHOENIX_NULL;
    if (value.len == 0 || str_eq(value, STR("null")))
        return true;
    if (!is_ref(value))
        return false;
    memcpy(out->json, value.data, value.len);
    out->json[value.len] = '\0';
    return true;
}

/* The room for what had to be unescaped is made once, so that views into it stay where they are. */
static bool unescape(struct buf *room, struct str inside, struct str *out)
{
    size_t start;

    if (!room->data) {
        buf_init(room, PHOENIX_MAX_TOPIC + PHOENIX_MAX_EVENT);
        buf_reserve(room, PHOENIX_MAX_TOPIC + PHOENIX_MAX_EVENT);
    }
    start = room->len;
    if (!json_unescape(room, inside) || !buf_ok(room))
        return false;
    *out = str_from(room->data + start, room->len - start);
    return true;
}

static bool read_name(struct phoenix_frame *frame, struct str value, size_t max, struct str *out)
{
    if (value.len < 2 || value.data[0] != '"')
        return false;
    *out = str_from(value.data + 1, value.len - 2);
    if (memchr(out->data, '\\', out->len) && !unescape(&frame->unescaped, *out, out))
        return false;
    return out->len > 0 && out->len <= max;
}

/* The five parts of a frame, in the order of version 2.0.0; empty where there is none. */
enum { JOIN_REF, REF, TOPIC, EVENT, PAYLOAD, PARTS };

static enum result read_parts(struct phoenix_frame *frame, const struct str *parts, struct err *err)
{
    if (!read_ref(parts[JOIN_REF], &frame->join_ref) || !read_ref(parts[REF], &frame->ref))
        return err_set(err, "a ref is a string of at most %d bytes or null", PHOENIX_MAX_REF - 2);
    if (!read_name(frame, parts[TOPIC], PHOENIX_MAX_TOPIC, &frame->topic))
        return err_set(err, "the topic is a string of 1 to %d bytes", PHOENIX_MAX_TOPIC);
    if (!read_name(frame, parts[EVENT], PHOENIX_MAX_EVENT, &frame->event))
        return err_set(err, "the event is a string of 1 to %d bytes", PHOENIX_MAX_EVENT);
    if (parts[PAYLOAD].len == 0)
        return err_set(err, "there is no payload");
    frame->payload = parts[PAYLOAD];
    return OK;
}

static enum result split_v2(struct str text, struct str *parts, struct err *err)
{
    struct json_cursor cursor = json_enter(text);
    struct str key, value;
    size_t count = 0;

    while (!cursor.is_object && json_next(&cursor, &key, &value))
        if (count++ < PARTS)
            parts[count - 1] = value;
    return count == PARTS ? OK : err_set(err, "a frame of version 2.0.0 is an array of five");
}

static enum result split_v1(struct str text, struct str *parts, struct err *err)
{
    static const char *const keys[PARTS] = {"join_ref", "ref", "topic", "event", "payload"};
    struct json_cursor cursor = json_enter(text);
    struct str key, value;

    if (!cursor.is_object)
        return err_set(err, "a frame of version 1.0.0 is an object");
    while (json_next(&cursor, &key, &value))
        for (size_t i = 0; i < PARTS; i++)
            if (str_eq(key, str_c(keys[i])))
                parts[i] = value;
    return OK;
}

enum result phoenix_parse(struct str text, enum phoenix_vsn vsn, struct phoenix_frame *out,
                          struct err *err)
{
    struct str parts[PARTS] = {{0}};
    enum result result;

    memset(out, 0, sizeof(*out));
    if (!json_is_valid(text))
        return err_set(err, "not JSON");
    result = vsn == PHOENIX_V2 ? split_v2(text, parts, err) : split_v1(text, parts, err);
    if (result == OK)
        result = read_parts(out, parts, err);
    if (result == FAILED)
        phoenix_frame_fini(out);
    return result;
}

void phoenix_frame_fini(struct phoenix_frame *frame)
{
    buf_fini(&frame->unescaped);
    json_decref(frame->tree);
    frame->tree = NULL;
}

const struct json_t *phoenix_payload(struct phoenix_frame *frame)
{
    if (!frame->tree)
        frame->tree = json_loadb(frame->payload.data, frame->payload.len, JSON_DECODE_ANY, NULL);
    return frame->tree;
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
