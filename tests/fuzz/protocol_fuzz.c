/* A message inside the COPY BOTH of a replication connection. */
#include "fuzz.h"

#include "stream/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = input_text(data, size);
    struct stream_message message;
    struct err err;
    char feedback[STREAM_FEEDBACK_BYTES];

    if (stream_message_parse(bytes, &message, &err) != OK)
        return 0;
    if (message.kind == STREAM_DATA)
        REQUIRE(message.payload.data + message.payload.len == bytes.data + bytes.len, bytes);
    else
        REQUIRE(message.payload.len == 0, bytes);
    stream_feedback_write(feedback, message.wal_end, message.wal_end, 0, message.reply_requested);
    REQUIRE(feedback[0] == 'r', bytes);
    return 0;
}
