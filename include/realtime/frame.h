/* A WebSocket message that is built once and shared by every client it goes to, and a client's
 * queue of such messages.
 *
 * The payload of a frame has head room in front, where the WebSocket header is written, by
 * frame_wire() or by libwebsockets: all clients live on one thread, and the header of a server's
 * message is the same for all of them. Frames are counted without atomics for the same reason. */
#ifndef PGHERALD_REALTIME_FRAME_H
#define PGHERALD_REALTIME_FRAME_H

#include "base/buf.h"

#define FRAME_HEADROOM 24 /* at least LWS_PRE; the server checks that at compile time */

/* The first byte of a message that is not cut into parts (RFC 6455, 5.2). */
enum frame_kind { FRAME_TEXT = 0x81, FRAME_BINARY = 0x82, FRAME_PING = 0x89 };

struct frame {
    unsigned refs;
    enum frame_kind kind;
    size_t len;
    unsigned char bytes[]; /* FRAME_HEADROOM, then len */
};

/* A copy of `text` with one reference. */
struct frame *frame_new(struct str text);
/* The same of three parts in a row. */
struct frame *frame_new_joined(struct str head, struct str body, struct str tail);
struct frame *frame_new_binary(struct str head, struct str body);
/* A ping, which every WebSocket library answers by itself. */
struct frame *frame_new_ping(void);
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame);

static inline unsigned char *frame_payload(struct frame *frame)
{
    return frame->bytes + FRAME_HEADROOM;
}

/* The whole message as it goes over the wire: header and payload. Source: RFC 6455, 5.2. */
struct str frame_wire(struct frame *frame);

/* First in, first out; bounded by messages and by bytes. Policy when full: the caller closes the
 * client, which makes it rejoin. */
struct outbox {
    struct frame **ring; /* NULL while empty: an idle client costs nothing */
    size_t cap, first, count;
    size_t bytes;
};

#define OUTBOX_MAX_FRAMES 65536

void outbox_fini(struct outbox *outbox);
/* Takes a reference of its own. false: full. A frame alone always fits, whatever its size. */
bool outbox_push(struct outbox *outbox, struct frame *frame, size_t max_bytes);
/* The nth oldest, borrowed; n is below count. */
struct frame *outbox_at(const struct outbox *outbox, size_t n);
/* The oldest frame, its reference now the caller's; NULL when empty. */
struct frame *outbox_pop(struct outbox *outbox);

#endif
