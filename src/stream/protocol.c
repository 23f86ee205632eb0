#include "stream/protocol.h"

#include "base/clock.h"

#define DATA_HEADER 25     /* 'w', start, end, time */
#define KEEPALIVE_BYTES 18 /* 'k', end, time, reply */

static uint64_t read_be64(const char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void write_be64(char *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (char)(v & 0xff);
}

enum result stream_message_parse(struct str bytes, struct stream_message *out, struct err *err)
{
    *out = (struct stream_message){0};
    if (bytes.len >= DATA_HEADER && bytes.data[0] == 'w') {
        out->kind = STREAM_DATA;
        out->wal_end = read_be64(bytes.data + 9);
        out->payload = str_from(bytes.data + DATA_HEADER, bytes.len - DATA_HEADER);
        return OK;
    }
    if (bytes.len >= KEEPALIVE_BYTES && bytes.data[0] == 'k') {
        out->kind = STREAM_KEEPALIVE;
        out->wal_end = read_be64(bytes.data + 1);
        out->reply_requested = bytes.data[17] != 0;
        return OK;
    }
    return err_set(err, "the walsender sent an unknown message of %zu bytes, first byte 0x%02x",
                   bytes.len, bytes.len ? (unsigned char)bytes.data[0] : 0);
}

void stream_feedback_write(char out[STREAM_FEEDBACK_BYTES], lsn_t received, lsn_t durable,
                           int64_t now_us, bool wants_reply)
{
    out[0] = 'r';
    write_be64(out + 1, received);
    write_be64(out + 9, durable);
    write_be64(out + 17, durable);
    write_be64(out + 25, (uint64_t)(now_us - CLOCK_PG_EPOCH_US));
    out[33] = wants_reply;
}
