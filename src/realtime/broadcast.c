#include "realtime/broadcast.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "realtime/catchup.h"
#include "realtime/phoenix_binary.h"
#include "realtime/relay.h"

#define MAX_META 1024
#define TELL_AGAIN_MS 10000 /* a channel hears of what it cannot be sent at most so often */

/* Escaping makes six bytes of one at most. */
static size_t head_bytes(struct str topic, const struct broadcast *broadcast)
{
    return 6 * (topic.len + broadcast->event.len) + broadcast->meta.len + 256;
}

static void add_object_head(struct buf *out, const struct broadcast *broadcast)
{
    if (broadcast->form == BROADCAST_OBJECT)
        return;
    buf_add_str(out, STR("{\"type\":\"broadcast\",\"event\":"));
    json_add_string(out, broadcast->event);
    buf_add_str(out, STR(",\"payload\":"));
}

static void add_object_tail(struct buf *out, const struct broadcast *broadcast)
{
    if (broadcast->form == BROADCAST_OBJECT)
        return;
    if (broadcast->meta.len > 0) {
        buf_add_str(out, STR(",\"meta\":"));
        buf_add_str(out, broadcast->meta);
    }
    buf_add_char(out, '}');
}

static struct frame *text_frame(enum phoenix_vsn vsn, struct str topic,
                                const struct broadcast *broadcast)
{
    struct frame *frame = NULL;
    struct buf head, tail;

    buf_init(&head, head_bytes(topic, broadcast));
    buf_init(&tail, head_bytes(topic, broadcast));
    phoenix_open(&head, vsn, PHOENIX_NULL, PHOENIX_NULL, topic, STR("broadcast"));
    add_object_head(&head, broadcast);
    add_object_tail(&tail, broadcast);
    phoenix_close(&tail, vsn, PHOENIX_NULL);
    if (buf_ok(&head) && buf_ok(&tail))
        frame = frame_new_joined(buf_str(&head), broadcast->payload, buf_str(&tail));
    buf_fini(&head);
    buf_fini(&tail);
    return frame;
}

static struct frame *binary_frame(struct str topic, const struct broadcast *broadcast)
{
    bool is_json = broadcast->form == BROADCAST_BINARY_JSON;
    struct frame *frame = NULL;
    struct buf head;

    buf_init(&head, head_bytes(topic, broadcast));
    if (phoenix_broadcast_open(&head, topic, broadcast->event, broadcast->meta, is_json) &&
        buf_ok(&head))
        frame = frame_new_binary(buf_str(&head), broadcast->payload);
    buf_fini(&head);
    return frame;
}

struct frame *broadcast_frame(enum phoenix_vsn vsn, struct str topic,
                              const struct broadcast *broadcast)
{
    switch (broadcast->form) {
    case BROADCAST_JSON:
    case BROADCAST_OBJECT:
        return text_frame(vsn, topic, broadcast);
    case BROADCAST_BINARY_JSON:
        return vsn == PHOENIX_V2 ? binary_frame(topic, broadcast)
                                 : text_frame(vsn, topic, broadcast);
    case BROADCAST_BINARY_BYTES:
        return vsn == PHOENIX_V2 ? binary_frame(topic, broadcast) : NULL;
    }
    return NULL;
}

struct delivery {
    struct frame *frames[PHOENIX_VSNS];
    const struct channel *sender; /* NULL: no channel */
    struct str id;
    uint64_t now_ms;
};

/* Supabase passes over clients of version 1.0.0 where a message is bytes, too, but in silence. */
static void tell_unfit(struct channel *channel, uint64_t now_ms)
{
    stat_add(&channel->client->core->stats->broadcasts_unfit_total, 1);
    if (channel->told_ms && now_ms - channel->told_ms < TELL_AGAIN_MS)
        return;
    channel->told_ms = now_ms;
    channel_system(channel, false, STR("broadcast"),
                   STR("A binary message was not sent: protocol version 1.0.0 has no form for it"));
}

static void deliver(struct channel *channel, void *arg)
{
    const struct delivery *delivery = arg;
    struct frame *frame = delivery->frames[channel->client->vsn];

    if (!channel->rights.may_read_broadcast ||
        (channel == delivery->sender && !channel->self_broadcast))
        return;
    if (frame && channel->catchup)
        catchup_send(channel, frame, delivery->id);
    else if (frame)
        client_send(channel->client, frame);
    else if (channel->client->vsn == PHOENIX_V1)
        tell_unfit(channel, delivery->now_ms);
}

/* To those of this loop. */
static void send_to(struct core *core, struct room *room, const struct channel *sender,
                    const struct broadcast *broadcast)
{
    struct delivery delivery = {
        .sender = sender, .id = broadcast->id, .now_ms = clock_monotonic_ms()};

    for (size_t vsn = 0; vsn < PHOENIX_VSNS; vsn++)
        if (room->of_vsn[vsn] > 0)
            delivery.frames[vsn] =
                broadcast_frame((enum phoenix_vsn)vsn, str_c(room->topic), broadcast);
    room_each(core, room, deliver, &delivery);
    for (size_t vsn = 0; vsn < PHOENIX_VSNS; vsn++)
        frame_unref(delivery.frames[vsn]);
}

/* To those of all loops. */
static void send_everywhere(struct core *core, struct str topic, bool is_private,
                            const struct broadcast *broadcast)
{
    struct room *room = room_find(&core->rooms, topic, is_private);
    bool elsewhere = relay_broadcast(core->relay, topic, is_private, broadcast);

    if (elsewhere || (room && room->count > 0))
        stat_add(&core->stats->broadcasts_total, 1);
    if (room)
        send_to(core, room, NULL, broadcast);
}

void broadcast_take(struct core *core, const struct relayed *relayed)
{
    struct room *room = room_find(&core->rooms, relayed->topic, relayed->is_private);

    if (room)
        send_to(core, room, NULL, &relayed->broadcast);
}

/* false: no topic is that long. */
static bool topic_of(struct str name, struct buf *out)
{
    buf_init(out, CHANNEL_PREFIX.len + PHOENIX_MAX_TOPIC);
    buf_add_str(out, CHANNEL_PREFIX);
    buf_add_str(out, name);
    return buf_ok(out);
}

static struct room *find_room(const struct core *core, struct str name, bool is_private)
{
    struct room *room = NULL;
    struct buf topic;

    if (topic_of(name, &topic))
        room = room_find(&core->rooms, buf_str(&topic), is_private);
    buf_fini(&topic);
    return room;
}

void broadcast_send(struct core *core, struct str name, bool is_private,
                    const struct broadcast *broadcast)
{
    struct buf topic;

    if (topic_of(name, &topic))
        send_everywhere(core, buf_str(&topic), is_private, broadcast);
    buf_fini(&topic);
}

bool broadcast_has_audience(const struct core *core, const struct stored_message *message)
{
    const struct room *room = find_room(core, message->topic, message->is_private);

    return room && room->count > 0;
}

/* Every loop is given it. */
static void send_stored(struct core *core, const struct stored_message *message,
                        const struct broadcast *broadcast)
{
    struct room *room = find_room(core, message->topic, message->is_private);

    if (!room || room->count == 0)
        return;
    stat_add(&core->stats->broadcasts_total, 1);
    send_to(core, room, NULL, broadcast);
}

void broadcast_send_message(struct core *core, const struct stored_message *message)
{
    struct broadcast broadcast = {.form =
                                      message->is_binary ? BROADCAST_BINARY_BYTES : BROADCAST_JSON,
                                  .event = message->event,
                                  .payload = message->payload,
                                  .id = message->id};
    struct buf meta;

    buf_init(&meta, MAX_META);
    buf_add_str(&meta, STR("{\"id\":"));
    json_add_string(&meta, message->id);
    buf_add_char(&meta, '}');
    broadcast.meta = buf_str(&meta);
    if (buf_ok(&meta))
        send_stored(core, message, &broadcast);
    buf_fini(&meta);
}

static enum result check(const struct channel *channel, const struct broadcast *broadcast,
                         struct err *err)
{
    size_t max = channel->client->core->config->realtime_max_payload_bytes;
    struct str name = channel_name(channel);

    if (!channel->rights.may_send_broadcast)
        return err_set(err,
                       "Unauthorized: You do not have permissions to write to this Channel topic: "
                       "%.*s",
                       STR_ARG(name));
    if (broadcast->payload.len > max)
        return err_set(err, "PayloadSizeExceeded: A message has at most %zu bytes", max);
    if (broadcast->form == BROADCAST_OBJECT && broadcast->payload.data[0] != '{')
        return err_set(err, "InvalidBroadcast: The payload of a broadcast is an object");
    return OK;
}

void broadcast_receive(struct channel *channel, const struct broadcast *broadcast,
                       struct phoenix_ref join_ref, struct phoenix_ref ref)
{
    struct core *core = channel->client->core;
    struct err err;

    channel_ref(channel);
    if (check(channel, broadcast, &err) != OK) {
        stat_add(&core->stats->broadcasts_refused_total, 1);
        log_debug("realtime", "refused a broadcast", log_s("topic", channel->topic), log_err(&err));
        if (channel->ack_broadcast)
            client_refuse(channel->client, join_ref, ref, str_c(channel->topic),
                          str_c(err.message));
    } else {
        (void)relay_broadcast(core->relay, str_c(channel->topic), channel->is_private, broadcast);
        stat_add(&core->stats->broadcasts_total, 1);
        send_to(core, channel->room, channel, broadcast);
        if (channel->ack_broadcast && channel->client)
            client_accept(channel->client, join_ref, ref, str_c(channel->topic));
    }
    channel_unref(channel);
}
