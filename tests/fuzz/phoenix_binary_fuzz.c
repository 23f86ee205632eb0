/* A binary frame of a client. What is taken can be sent on: its texts and its JSON are what they
 * say they are, so that nobody writes into the frames of others; and a frame that is built from
 * them has them in it. */
#include "fuzz.h"

#include "base/json.h"
#include "realtime/phoenix_binary.h"

#define MAX_OUT ((size_t)16 << 20)

static void send_on(const struct phoenix_push *push, struct str bytes)
{
    struct buf out;

    buf_init(&out, MAX_OUT);
    REQUIRE(phoenix_broadcast_open(&out, push->topic, push->event, push->meta, push->is_json),
            bytes);
    REQUIRE(out.len == 5 + push->topic.len + push->event.len + push->meta.len, bytes);
    REQUIRE((unsigned char)out.data[1] == push->topic.len, bytes);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = input_text(data, size);
    struct phoenix_push push;
    struct err err;

    if (phoenix_push_parse(bytes, &push, &err) != OK)
        return 0;
    REQUIRE(push.topic.len > 0 && str_is_utf8(push.topic) && str_is_utf8(push.event), bytes);
    REQUIRE(!push.is_json || json_is_valid(push.payload), bytes);
    REQUIRE(strcmp(push.ref.json, "null") == 0 || json_is_valid(str_c(push.ref.json)), bytes);
    REQUIRE(strcmp(push.join_ref.json, "null") == 0 || json_is_valid(str_c(push.join_ref.json)),
            bytes);
    REQUIRE(push.payload.data + push.payload.len == bytes.data + bytes.len, bytes);
    send_on(&push, bytes);
    return 0;
}
