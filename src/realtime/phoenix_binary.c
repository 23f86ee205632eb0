#include "realtime/phoenix_binary.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { KIND_PUSH = 3, KIND_BROADCAST = 4 };
enum { ENCODING_BYTES, ENCODING_JSON };

#define PUSH_HEAD 7 /* kind, five lengths, encoding */

/* An empty ref is none. */
static bool read_ref(struct str text, struct phoenix_ref *out)
{
    struct buf json;
    bool ok;

    *out = PHOENIX_NULL;
    if (text.len == 0)
        return true;
    if (text.len > PHOENIX_MAX_REF || !str_is_utf8(text))
        return false;
    buf_init(&json, PHOENIX_MAX_REF);
    json_add_string(&json, text);
    ok = buf_ok(&json);
    if (ok)
        memcpy(out->json, json.data, json.len + 1);
    buf_fini(&json);
    return ok;
}

static enum result check(const struct phoenix_push *push, struct err *err)
{
    if (push->topic.len == 0 || !str_is_utf8(push->topic) || !str_is_utf8(push->event))
        return err_set(err, "the topic and the event are UTF-8, the topic is not empty");
    if (push->meta.len > 0 && !json_is_valid(push->meta))
        return err_set(err, "the meta data are not JSON");
    if (push->is_json && !json_is_valid(push->payload))
        return err_set(err, "the payload is not the JSON that it says it is");
    return OK;
}

static enum result split(struct str bytes, struct str texts[5], struct str *rest, struct err *err)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    size_t at = PUSH_HEAD;

    for (size_t i = 0; i < 5; i++) {
        size_t len = head[1 + i];

        if (len > bytes.len - at)
            return err_set(err, "a binary frame ends within its texts");
        texts[i] = str_from(bytes.data + at, len);
        at += len;
    }
    *rest = str_from(bytes.data + at, bytes.len - at);
    return OK;
}

enum result phoenix_push_parse(struct str bytes, struct phoenix_push *out, struct err *err)
{
    struct str texts[5];

    memset(out, 0, sizeof(*out));
    if (bytes.len < PUSH_HEAD || bytes.data[0] != KIND_PUSH)
        return err_set(err, "a binary frame is of kind %d and has %d bytes at least", KIND_PUSH,
                       PUSH_HEAD);
    if (bytes.data[6] != ENCODING_BYTES && bytes.data[6] != ENCODING_JSON)
        return err_set(err, "the encoding of a binary frame is 0 or 1");
    if (split(bytes, texts, &out->payload, err) != OK)
        return FAILED;
    if (!read_ref(texts[0], &out->join_ref) || !read_ref(texts[1], &out->ref))
        return err_set(err, "a ref is UTF-8 of at most %d bytes", PHOENIX_MAX_REF - 2);
    out->topic = texts[2];
    out->event = texts[3];
    out->meta = texts[4];
    out->is_json = bytes.data[6] == ENCODING_JSON;
    return check(out, err);
}

bool phoenix_broadcast_open(struct buf *out, struct str topic, struct str event, struct str meta,
                            bool is_json)
{
    if (topic.len > PHOENIX_MAX_BINARY_TEXT || event.len > PHOENIX_MAX_BINARY_TEXT ||
        meta.len > PHOENIX_MAX_BINARY_TEXT)
        return false;
    buf_add_char(out, KIND_BROADCAST);
    buf_add_char(out, (char)topic.len);
    buf_add_char(out, (char)event.len);
    buf_add_char(out, (char)meta.len);
    buf_add_char(out, is_json ? ENCODING_JSON : ENCODING_BYTES);
    buf_add_str(out, topic);
    buf_add_str(out, event);
    buf_add_str(out, meta);
    return true;
}
