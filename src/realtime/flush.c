/* How frames leave. libwebsockets sends one message a call, and only when the loop has told it that
 * the socket can be written: two changes of the poll set and a system call for every message. So
 * while it holds nothing back for a socket, what is queued goes out past it, many messages in one
 * writev(), at the end of the loop's turn in which they were queued. With TLS that is a record.
 * What a socket does not take at once is libwebsockets' again: it keeps the rest of a message that
 * was cut, and calls when there is room. */
#include <string.h>
#include <sys/uio.h>

#include "internal.h"

#define FRAMES_A_CALL 64
#define RECORD_BYTES 16384 /* of TLS (RFC 8446, 5.1) */
#define FRAMES_A_TURN 256  /* then the other clients have a turn */

void flush_forget(struct peer *peer)
{
    if (!peer->flush_link)
        return;
    *peer->flush_link = peer->flush_next;
    if (peer->flush_next)
        peer->flush_next->flush_link = peer->flush_link;
    peer->flush_link = NULL;
}

void flush_later(struct peer *peer)
{
    struct flush *flush = &server_of(peer->wsi)->flush;

    if (peer->flush_link)
        return;
    peer->flush_next = flush->first;
    peer->flush_link = &flush->first;
    if (peer->flush_next)
        peer->flush_next->flush_link = &peer->flush_next;
    flush->first = peer;
}

static void count_sent(struct client *client, const struct frame *frame)
{
    stat_add(&client->core->stats->frames_sent_total, 1);
    stat_add(&client->core->stats->bytes_sent_total, frame->len);
}

/* Takes `bytes`, which have been sent, off the outbox. libwebsockets gets the rest of a message of
 * which a part is gone: nothing of its own, such as a pong, may come in between. */
static bool take_sent(struct lws *wsi, struct client *client, size_t bytes)
{
    while (bytes > 0) {
        struct frame *frame = outbox_pop(&client->outbox);
        struct str wire = frame_wire(frame);
        size_t part = bytes < wire.len ? bytes : wire.len;
        bool ok = part == wire.len || lws_write(wsi, (unsigned char *)wire.data + part,
                                                wire.len - part, LWS_WRITE_RAW) >= 0;

        count_sent(client, frame);
        frame_unref(frame);
        if (!ok)
            return false;
        bytes -= part;
    }
    return true;
}

/* One writev(); false: for now there is no more to be done here. */
static bool send_some(struct lws *wsi, struct client *client)
{
    struct iovec parts[FRAMES_A_CALL];
    size_t count = 0, bytes = 0;
    ssize_t sent;

    for (; count < FRAMES_A_CALL && count < client->outbox.count; count++) {
        struct str wire = frame_wire(outbox_at(&client->outbox, count));

        parts[count] = (struct iovec){(void *)wire.data, wire.len};
        bytes += wire.len;
    }
    sent = writev(lws_get_socket_fd(wsi), parts, (int)count);
    return sent > 0 && take_sent(wsi, client, (size_t)sent) && (size_t)sent == bytes;
}

/* A socket that fails is noticed by libwebsockets too, which then closes it. */
static void send_past(struct peer *peer)
{
    struct client *client = peer->client;

    for (int i = 0; i < FRAMES_A_TURN / FRAMES_A_CALL && client->outbox.count > 0; i++)
        if (!send_some(peer->wsi, client))
            break;
}

/* Moves the messages that fit into a record; 0: the first one is larger. */
static size_t fill_record(struct client *client, unsigned char record[RECORD_BYTES])
{
    size_t len = 0;

    while (client->outbox.count > 0) {
        struct frame *frame = outbox_at(&client->outbox, 0);
        struct str wire = frame_wire(frame);

        if (len + wire.len > RECORD_BYTES)
            break;
        memcpy(record + len, wire.data, wire.len);
        len += wire.len;
        count_sent(client, frame);
        frame_unref(outbox_pop(&client->outbox));
    }
    return len;
}

static int send_record(struct peer *peer)
{
    struct client *client = peer->client;
    unsigned char record[RECORD_BYTES];
    size_t len = fill_record(client, record);
    int written;

    if (len == 0 && client->outbox.count > 0) {
        struct frame *frame = outbox_pop(&client->outbox);
        struct str wire = frame_wire(frame);

        written = lws_write(peer->wsi, (unsigned char *)wire.data, wire.len, LWS_WRITE_RAW);
        count_sent(client, frame);
        frame_unref(frame);
    } else {
        written = len > 0 ? lws_write(peer->wsi, record, len, LWS_WRITE_RAW) : 0;
    }
    return written < 0 ? -1 : 0;
}

int flush_in_turn(struct peer *peer)
{
    int result = 0;

    if (lws_partial_buffered(peer->wsi))
        return 0;
    if (lws_is_ssl(peer->wsi))
        result = send_record(peer);
    else
        send_past(peer);
    if (result == 0 && peer->client->outbox.count > 0)
        lws_callback_on_writable(peer->wsi);
    return result;
}

static void flush_now(struct peer *peer)
{
    if (peer->close_code || !peer->client)
        return;
    if (lws_is_ssl(peer->wsi) || lws_partial_buffered(peer->wsi)) {
        lws_callback_on_writable(peer->wsi);
        return;
    }
    send_past(peer);
    if (peer->client->outbox.count > 0)
        lws_callback_on_writable(peer->wsi);
}

static void on_before_poll(uv_prepare_t *prepare)
{
    struct flush *flush = prepare->data;

    while (flush->first) {
        struct peer *peer = flush->first;

        flush_forget(peer);
        flush_now(peer);
    }
}

void flush_open(struct flush *flush, uv_loop_t *loop)
{
    uv_prepare_init(loop, &flush->before_poll);
    flush->before_poll.data = flush;
    uv_prepare_start(&flush->before_poll, on_before_poll);
}

void flush_close(struct flush *flush)
{
    uv_close((uv_handle_t *)&flush->before_poll, NULL);
}
