/* A frame of a client. The first byte chooses the version: `1` is 1.0.0, anything else 2.0.0. What
 * is taken can be answered, and the answer is a frame with the same ref, topic and event. */
#include "fuzz.h"

#include "base/json.h"
#include "realtime/phoenix.h"

#define MAX_OUT ((size_t)16 << 20)

static void answer(const struct phoenix_frame *frame, enum phoenix_vsn vsn, struct str text)
{
    struct phoenix_frame back;
    struct err err;
    struct buf out;

    buf_init(&out, MAX_OUT);
    phoenix_write(&out, vsn, frame->join_ref, frame->ref, frame->topic, frame->event, STR("{}"));
    REQUIRE(phoenix_parse(buf_str(&out), vsn, &back, &err) == OK, buf_str(&out));
    REQUIRE(str_eq(back.topic, frame->topic) && str_eq(back.event, frame->event), text);
    REQUIRE(strcmp(back.ref.json, frame->ref.json) == 0, text);
    if (vsn == PHOENIX_V2)
        REQUIRE(strcmp(back.join_ref.json, frame->join_ref.json) == 0, text);
    phoenix_frame_fini(&back);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum phoenix_vsn vsn = size > 0 && data[0] == '1' ? PHOENIX_V1 : PHOENIX_V2;
    struct str text = size > 0 ? input_text(data + 1, size - 1) : STR("");
    struct phoenix_frame frame;
    enum phoenix_vsn parsed;
    struct err err;

    (void)phoenix_vsn_parse(text, &parsed);
    if (phoenix_parse(text, vsn, &frame, &err) != OK)
        return 0;
    REQUIRE(frame.topic.len > 0 && frame.topic.len <= PHOENIX_MAX_TOPIC, text);
    REQUIRE(frame.event.len > 0 && frame.event.len <= PHOENIX_MAX_EVENT, text);
    REQUIRE(json_is_valid(frame.payload), text);
    (void)phoenix_payload(&frame);
    answer(&frame, vsn, text);
    phoenix_frame_fini(&frame);
    return 0;
}
