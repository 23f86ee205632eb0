#include "unit.h"

#include <stdlib.h>

#include "realtime/frame.h"

/* Every length at which the header changes its form (RFC 6455, 5.2). */
static void headers(void **state)
{
    static const struct row {
        size_t len;
        const char *head;
        size_t head_len;
    } rows[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7d", 2},
        {126, "\x81\x7e\x00\x7e", 4},
        {65535, "\x81\x7e\xff\xff", 4},
        {65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            char *text = calloc(1, r->len + 1);
            struct frame *frame = frame_new(str_from(text, r->len));
            struct str wire = frame_wire(frame);

            CHECK(wire.len == r->head_len + r->len, "its length");
            CHECK(memcmp(wire.data, r->head, r->head_len) == 0, "its header");
            CHECK((const unsigned char *)wire.data + r->head_len == frame_payload(frame),
                  "the payload is not moved");
            frame_unref(frame);
            free(text);
        }
}

static void says_what_is_binary(void **state)
{
    struct frame *frame = frame_new_binary(STR("a\xff"), STR("b"));
    struct str wire = frame_wire(frame);

    (void)state;
    CHECK(frame->kind == FRAME_BINARY, "it knows");
    CHECK_STR(wire,
              STR("\x82\x03"
                  "a\xff"
                  "b"),
              "and so does its header");
    frame_unref(frame);
}

static void pings(void **state)
{
    struct frame *frame = frame_new_ping();
    struct str wire = frame_wire(frame);

    (void)state;
    CHECK_STR(wire, STR("\x89\x01?"), "a header, and what comes back");
    frame_unref(frame);
}

static void queues(void **state)
{
    struct frame *frames[3] = {frame_new(STR("one")), frame_new(STR("two")), frame_new(STR("3"))};
    struct outbox outbox = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        CHECK(outbox_push(&outbox, frames[i], 7), "fits");
    CHECK(!outbox_push(&outbox, frames[0], 7), "one byte too many");
    CHECK(outbox_at(&outbox, 0) == frames[0] && outbox_at(&outbox, 2) == frames[2], "in order");
    frame_unref(outbox_pop(&outbox));
    CHECK(outbox_push(&outbox, frames[0], 7), "fits again");
    CHECK(outbox_at(&outbox, 0) == frames[1] && outbox_at(&outbox, 2) == frames[0], "goes round");
    outbox_fini(&outbox);
    for (size_t i = 0; i < 3; i++)
        frame_unref(frames[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(says_what_is_binary),
        cmocka_unit_test(pings),
        cmocka_unit_test(queues),
    };

    return cmocka_run_group_tests_name("realtime/frame", tests, NULL, NULL);
}
