#include "realtime/catchup.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

#define MAX_HELD 1024
#define MAX_META 1024

struct held {
    struct frame *frame; /* one reference */
    char *id;            /* empty: no stored message */
};

struct catchup {
    bool ended;
    char **replayed; /* ids */
    size_t replayed_count;
    struct held *held;
    size_t held_count, held_bytes;
};

struct catchup *catchup_new(void)
{
    return mem_alloc(sizeof(struct catchup));
}

static void free_held(struct catchup *catchup)
{
    for (size_t i = 0; i < catchup->held_count; i++) {
        frame_unref(catchup->held[i].frame);
        free(catchup->held[i].id);
    }
    free(catchup->held);
    catchup->held = NULL;
    catchup->held_count = catchup->held_bytes = 0;
}

void catchup_free(struct catchup *catchup)
{
    if (!catchup)
        return;
    free_held(catchup);
    for (size_t i = 0; i < catchup->replayed_count; i++)
        free(catchup->replayed[i]);
    free(catchup->replayed);
    free(catchup);
}

static bool was_replayed(const struct catchup *catchup, struct str id)
{
    for (size_t i = 0; i < catchup->replayed_count; i++)
        if (str_eq(str_c(catchup->replayed[i]), id))
            return true;
    return false;
}

/* A channel that cannot hold more starts over: it must not miss a message in silence. */
static void hold(struct channel *channel, struct frame *frame, struct str id)
{
    struct catchup *catchup = channel->catchup;
    size_t max_bytes = channel->client->core->config->realtime_client_buffer_bytes;

    if (catchup->held_count == MAX_HELD || catchup->held_bytes + frame->len > max_bytes) {
        channel_fail(channel);
        return;
    }
    if (!catchup->held)
        catchup->held = mem_array(MAX_HELD, sizeof(*catchup->held));
    catchup->held[catchup->held_count++] = (struct held){frame_ref(frame), str_dup(id)};
    catchup->held_bytes += frame->len;
}

void catchup_send(struct channel *channel, struct frame *frame, struct str id)
{
    if (!channel->catchup->ended)
        hold(channel, frame, id);
    else if (id.len == 0 || !was_replayed(channel->catchup, id))
        client_send(channel->client, frame);
}

static void send_replayed(struct channel *channel, struct broadcast *broadcast)
{
    struct frame *frame;
    struct buf meta;

    buf_init(&meta, MAX_META);
    buf_add_str(&meta, STR("{\"replayed\":true,\"id\":"));
    json_add_string(&meta, broadcast->id);
    buf_add_char(&meta, '}');
    broadcast->meta = buf_str(&meta);
    frame = broadcast_frame(channel->client->vsn, str_c(channel->topic), broadcast);
    client_send(channel->client, frame);
    frame_unref(frame);
    buf_fini(&meta);
}

void catchup_replay(struct channel *channel, const struct stored_message *message)
{
    struct catchup *catchup = channel->catchup;
    struct broadcast broadcast = {.form =
                                      message->is_binary ? BROADCAST_BINARY_BYTES : BROADCAST_JSON,
                                  .event = message->event,
                                  .payload = message->payload,
                                  .id = message->id};

    if (!channel->client)
        return;
    catchup->replayed = mem_grow(catchup->replayed, catchup->replayed_count + 1, sizeof(char *));
    catchup->replayed[catchup->replayed_count++] = str_dup(message->id);
    send_replayed(channel, &broadcast);
}

void catchup_end(struct channel *channel)
{
    struct catchup *catchup = channel->catchup;

    catchup->ended = true;
    for (size_t i = 0; i < catchup->held_count && channel->client; i++)
        catchup_send(channel, catchup->held[i].frame, str_c(catchup->held[i].id));
    free_held(catchup);
}
