#include "realtime/client.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "realtime/channel.h"

#define ALONE_MS (10 * 60 * 1000) /* a socket without a channel is closed then */
#define MAX_CONTROL_FRAME ((size_t)4 << 20)

struct client *client_new(struct core *core, enum phoenix_vsn vsn, struct token *token,
                          const struct client_socket *out, uint64_t now_ms)
{
    struct client *client = mem_alloc(sizeof(*client));

    client->core = core;
    client->out = *out;
    client->vsn = vsn;
    client->token = token;
    client->heard_ms = client->alone_ms = now_ms;
    client->over_limit = core->client_count >= core->config->realtime_max_clients;
    client->next = core->clients;
    if (client->next)
        client->next->prev = client;
    core->clients = client;
    core->client_count++;
    stat_set(&core->stats->clients, core->client_count);
    return client;
}

void client_free(struct client *client)
{
    struct core *core;

    if (!client)
        return;
    core = client->core;
    client->closing = true;
    while (client->channels)
        channel_drop(client->channels);
    if (client->prev)
        client->prev->next = client->next;
    else
        core->clients = client->next;
    if (client->next)
        client->next->prev = client->prev;
    core->client_count--;
    stat_set(&core->stats->clients, core->client_count);
    outbox_fini(&client->outbox);
    token_free(client->token);
    free(client);
}

void client_close(struct client *client, unsigned code, const char *reason)
{
    if (client->closing)
        return;
    client->closing = true;
    while (client->channels)
        channel_drop(client->channels);
    outbox_fini(&client->outbox);
    log_debug("realtime", "closing a client", log_u("code", code), log_s("reason", reason));
    client->out.close(client->out.socket, code, reason);
}

void client_send(struct client *client, struct frame *frame)
{
    if (client->closing || !frame)
        return;
    if (outbox_push(&client->outbox, frame, client->core->config->realtime_client_buffer_bytes)) {
        client->out.wake(client->out.socket);
        return;
    }
    stat_add(&client->core->stats->clients_slow_total, 1);
    client_close(client, CLIENT_CLOSE_LATER, "messages were not read fast enough");
}

void client_tell(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                 struct str topic, struct str event, struct str payload)
{
    struct buf text;
    struct frame *frame;

    buf_init(&text, MAX_CONTROL_FRAME);
    phoenix_write(&text, client->vsn, join_ref, ref, topic, event, payload);
    frame = buf_ok(&text) ? frame_new(buf_str(&text)) : NULL;
    client_send(client, frame);
    frame_unref(frame);
    buf_fini(&text);
}

static void reply(struct client *client, const struct phoenix_frame *frame, const char *payload)
{
    client_tell(client, frame->join_ref, frame->ref, frame->topic, STR("phx_reply"),
                str_c(payload));
}

#define REPLY_OK "{\"status\":\"ok\",\"response\":{}}"
#define REPLY_UNMATCHED "{\"status\":\"error\",\"response\":{\"reason\":\"unmatched topic\"}}"
#define REPLY_NO_BROADCAST                                                                         \
    "{\"status\":\"error\",\"response\":{\"reason\":\"broadcast is not available\"}}"

static bool is(const struct phoenix_frame *frame, struct str event)
{
    return str_eq(frame->event, event);
}

static void receive_in_channel(struct channel *channel, const struct phoenix_frame *frame)
{
    if (is(frame, STR("phx_leave")))
        channel_leave(channel, frame);
    else if (is(frame, STR("access_token")))
        channel_refresh_token(channel, frame);
    else if (is(frame, STR("presence")))
        reply(channel->client, frame, REPLY_OK);
    else if (is(frame, STR("broadcast")))
        reply(channel->client, frame, REPLY_NO_BROADCAST);
    else
        log_debug("realtime", "ignored an event", log_v("event", frame->event),
                  log_v("topic", frame->topic));
}

static void receive_frame(struct client *client, const struct phoenix_frame *frame)
{
    struct channel *channel;

    if (str_eq(frame->topic, STR("phoenix"))) {
        if (is(frame, STR("heartbeat")))
            reply(client, frame, REPLY_OK);
        else
            reply(client, frame, REPLY_UNMATCHED);
        return;
    }
    if (is(frame, STR("phx_join"))) {
        channel_join(client, frame);
        return;
    }
    channel = channel_find(client, frame->topic);
    if (channel)
        receive_in_channel(channel, frame);
    else
        reply(client, frame, is(frame, STR("phx_leave")) ? REPLY_OK : REPLY_UNMATCHED);
}

static void count_malformed(struct client *client, const char *why)
{
    stat_add(&client->core->stats->frames_malformed_total, 1);
    log_debug("realtime", "dropped a malformed frame", log_s("error", why));
}

void client_receive(struct client *client, struct str text, uint64_t now_ms)
{
    struct phoenix_frame frame;
    struct err err;

    if (client->closing)
        return;
    client->heard_ms = now_ms;
    stat_add(&client->core->stats->frames_received_total, 1);
    if (phoenix_parse(text, client->vsn, &frame, &err) != OK) {
        count_malformed(client, err.message);
        return;
    }
    receive_frame(client, &frame);
    phoenix_frame_fini(&frame);
}

void client_receive_binary(struct client *client, struct str bytes, uint64_t now_ms)
{
    (void)bytes;
    if (client->closing)
        return;
    client->heard_ms = now_ms;
    stat_add(&client->core->stats->frames_received_total, 1);
    count_malformed(client, "binary frames are not taken yet");
}

void client_tick(struct client *client, uint64_t now_ms, int64_t now)
{
    struct channel *next;

    if (client->closing)
        return;
    if (now_ms - client->heard_ms > client->core->config->realtime_idle_timeout_ms) {
        client_close(client, CLIENT_CLOSE_AWAY, "nothing was heard for too long");
        return;
    }
    if (!client->channels && now_ms - client->alone_ms > ALONE_MS) {
        client_close(client, CLIENT_CLOSE_AWAY, "no channel was joined for too long");
        return;
    }
    if (client->channels)
        client->alone_ms = now_ms;
    for (struct channel *channel = client->channels; channel; channel = next) {
        next = channel->next;
        channel_tick(channel, now);
        if (client->closing) /* its channels are gone */
            return;
    }
}
