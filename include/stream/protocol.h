/* The messages inside the COPY BOTH of a replication connection.
 * Source: the manual's "Streaming Replication Protocol". */
#ifndef PGHERALD_STREAM_PROTOCOL_H
#define PGHERALD_STREAM_PROTOCOL_H

#include "base/err.h"
#include "base/lsn.h"

enum stream_message_kind { STREAM_DATA, STREAM_KEEPALIVE };

struct stream_message {
    enum stream_message_kind kind;
    lsn_t wal_end;        /* of the server, when it sent this */
    struct str payload;   /* STREAM_DATA */
    bool reply_requested; /* STREAM_KEEPALIVE */
};

enum result stream_message_parse(struct str bytes, struct stream_message *out,
                                 struct err *err) MUST_CHECK;

#define STREAM_FEEDBACK_BYTES 34

/* A standby status update: what was received, what is durable, now in microseconds since 1970, and
 * whether the server shall answer at once. */
void stream_feedback_write(char out[STREAM_FEEDBACK_BYTES], lsn_t received, lsn_t durable,
                           int64_t now_us, bool wants_reply);

#endif
