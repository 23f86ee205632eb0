#include "realtime/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 8

struct frame *frame_new_joined(struct str head, struct str body, struct str tail)
{
    size_t len = head.len + body.len + tail.len;
    struct frame *frame = mem_block(sizeof(*frame) + FRAME_HEADROOM + len);
    unsigned char *p;

    frame->refs = 1;
    frame->kind = FRAME_TEXT;
    frame->len = len;
    p = frame_payload(frame);
    if (head.len)
        memcpy(p, head.data, head.len);
    if (body.len)
        memcpy(p + head.len, body.data, body.len);
    if (tail.len)
        memcpy(p + head.len + body.len, tail.data, tail.len);
    return frame;
}

struct frame *frame_new(struct str text)
{
    return frame_new_joined(text, STR(""), STR(""));
}

struct frame *frame_new_binary(struct str head, struct str body)
{
    struct frame *frame = frame_new_joined(head, body, STR(""));

    frame->kind = FRAME_BINARY;
    return frame;
}

struct frame *frame_new_ping(void)
{
    struct frame *frame = frame_new(STR("?")); /* libwebsockets drops empty pongs */

    frame->kind = FRAME_PING;
    return frame;
}

struct frame *frame_ref(struct frame *frame)
{
    frame->refs++;
    return frame;
}

void frame_unref(struct frame *frame)
{
    if (frame && --frame->refs == 0)
        free(frame);
}

struct str frame_wire(struct frame *frame)
{
    unsigned char *payload = frame_payload(frame);
    size_t bytes = frame->len < 126 ? 0 : frame->len <= UINT16_MAX ? 2 : 8;
    unsigned char *head = payload - bytes - 2;

    head[0] = (unsigned char)frame->kind;
    head[1] = bytes == 0 ? (unsigned char)frame->len : bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; i++)
        head[2 + i] = (unsigned char)((uint64_t)frame->len >> 8 * (bytes - 1 - i));
    return str_from((const char *)head, bytes + 2 + frame->len);
}

void outbox_fini(struct outbox *outbox)
{
    struct frame *frame;

    while ((frame = outbox_pop(outbox)))
        frame_unref(frame);
    free(outbox->ring);
    memset(outbox, 0, sizeof(*outbox));
}

static void grow(struct outbox *outbox)
{
    size_t cap = outbox->cap ? outbox->cap * 2 : FIRST_CAP;
    struct frame **ring = mem_array(cap, sizeof(*ring));

    for (size_t i = 0; i < outbox->count; i++)
        ring[i] = outbox->ring[(outbox->first + i) % outbox->cap];
    free(outbox->ring);
    outbox->ring = ring;
    outbox->cap = cap;
    outbox->first = 0;
}

bool outbox_push(struct outbox *outbox, struct frame *frame, size_t max_bytes)
{
    if (outbox->count > 0 &&
        (outbox->count >= OUTBOX_MAX_FRAMES || outbox->bytes + frame->len > max_bytes))
        return false;
    if (outbox->count == outbox->cap)
        grow(outbox);
    outbox->ring[(outbox->first + outbox->count++) % outbox->cap] = frame_ref(frame);
    outbox->bytes += frame->len;
    return true;
}

struct frame *outbox_at(const struct outbox *outbox, size_t n)
{
    return outbox->ring[(outbox->first + n) % outbox->cap];
}

struct frame *outbox_pop(struct outbox *outbox)
{
    struct frame *frame;

    if (outbox->count == 0)
        return NULL;
    frame = outbox->ring[outbox->first];
    outbox->first = (outbox->first + 1) % outbox->cap;
    outbox->count--;
    outbox->bytes -= frame->len;
    if (outbox->count == 0) {
        free(outbox->ring);
        outbox->ring = NULL;
        outbox->cap = outbox->first = 0;
    }
    return frame;
}
