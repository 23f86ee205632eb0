/* What clients say, one message behind the other, with a byte 0x1e between them. The first byte of
 * each is who speaks: `1` a client of version 1.0.0, `2` one of 2.0.0, `b` the same in a binary
 * frame; `t` lets a second pass. Whatever they say, each hears only frames that are well-formed:
 * nobody can make another's connection end with a text that is no text. */
#include "core.h"

#include "base/log.h"
#include "realtime/phoenix_binary.h"
#include "realtime/presence.h"

#define BETWEEN '\x1e'
#define NOW 1700000000

struct world {
    struct config config;
    struct stats stats;
    struct core core;
    struct client *clients[2]; /* by version */
    uint64_t now_ms;
};

static void on_wake(void *socket)
{
    (void)socket;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    (void)socket;
    REQUIRE(code >= 1000 && code < 5000 && str_is_utf8(str_c(reason)), str_c(reason));
}

static void world_init(struct world *w)
{
    static const struct client_socket out = {on_wake, on_close, NULL};

    memset(w, 0, sizeof(*w));
    fuzz_config(&w->config);
    fuzz_core(&w->core, &w->config, &w->stats);
    w->now_ms = 1000;
    w->clients[0] = client_new(&w->core, PHOENIX_V1, fuzz_token(&w->core), &out, w->now_ms);
    w->clients[1] = client_new(&w->core, PHOENIX_V2, fuzz_token(&w->core), &out, w->now_ms);
}

static void world_fini(struct world *w)
{
    for (size_t i = 0; i < 2; i++)
        client_free(w->clients[i]);
    REQUIRE(stat_get(&w->stats.channels) == 0 && stat_get(&w->stats.bindings) == 0, STR("left"));
    REQUIRE(w->core.rooms.map.count == 0 && w->core.presences.bytes == 0, STR("left"));
    core_fini(&w->core);
}

/* A frame to a client of 2.0.0: kind 4, three lengths and the form, then the texts (see
 * phoenix_broadcast_open()). */
static void check_binary(struct str bytes)
{
    size_t texts = 0;

    REQUIRE(bytes.len >= 5 && bytes.data[0] == 4, bytes);
    for (size_t i = 1; i <= 3; i++)
        texts += (unsigned char)bytes.data[i];
    REQUIRE(bytes.len >= 5 + texts, bytes);
    REQUIRE(str_is_utf8(str_from(bytes.data + 5, texts)), bytes);
}

/* Not phoenix_parse(): of us a client may hear what we would not hear of it. */
static void check_text(struct str text, enum phoenix_vsn vsn)
{
    struct json_cursor cursor = json_enter(text);
    struct str key, value;
    size_t parts = 0;

    REQUIRE(json_is_valid(text), text);
    while (json_next(&cursor, &key, &value))
        parts++;
    REQUIRE(cursor.is_object == (vsn == PHOENIX_V1), text);
    REQUIRE(parts >= 4 && parts <= 5, text);
}

static void hear(struct client *client)
{
    struct frame *frame;

    while ((frame = outbox_pop(&client->outbox))) {
        struct str payload = str_from((char *)frame_payload(frame), frame->len);

        if (frame->kind == FRAME_TEXT)
            check_text(payload, client->vsn);
        else if (frame->kind == FRAME_BINARY)
            check_binary(payload);
        frame_unref(frame);
    }
}

static void pass_time(struct world *w)
{
    w->now_ms += 1000;
    for (size_t i = 0; i < 2; i++)
        client_tick(w->clients[i], w->now_ms, NOW + (int64_t)(w->now_ms / 1000));
    presence_flush(&w->core);
}

static void take(struct world *w, struct str message)
{
    struct str said = message.len ? str_from(message.data + 1, message.len - 1) : message;

    if (message.len == 0)
        return;
    if (message.data[0] == 't')
        pass_time(w);
    else if (message.data[0] == 'b')
        client_receive_binary(w->clients[1], said, w->now_ms);
    else
        client_receive(w->clients[message.data[0] != '1'], said, w->now_ms);
    for (size_t i = 0; i < 2; i++)
        hear(w->clients[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = input_text(data, size), message;
    struct world w;

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    world_init(&w);
    while (rest.len > 0) {
        str_split(rest, BETWEEN, &message, &rest);
        take(&w, message);
    }
    pass_time(&w);
    for (size_t i = 0; i < 2; i++)
        hear(w.clients[i]);
    world_fini(&w);
    return 0;
}
