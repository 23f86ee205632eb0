#include "realtime/client.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "realtime/broadcast.h"
#include "realtime/joining.h"
#include "realtime/phoenix_binary.h"
#include "realtime/presence.h"

#define ALONE_MS (10 * 60 * 1000) /* a socket without a channel is closed then */
#define MAX_CONTROL_FRAME ((size_t)4 << 20)
#define MAX_REASON 65536
#define UNMATCHED STR("unmatched topic")

struct client *client_new(struct core *core, enum phoenix_vsn vsn, struct token *token,
                          const struct client_socket *out, uint64_t now_ms)
{
    struct client *client = mem_alloc(sizeof(*client));

    client->core = core;
    client->out = *out;
    client->vsn = vsn;
    client->token = token;
    client->api_keys_seen = keyring_generation(core->authority.ring);
    client->heard_ms = client->alone_ms = now_ms;
    client->over_limit =
        stat_fetch_add(&core->stats->clients, 1) >= core->config->realtime_max_clients;
    client->next = core->clients;
    if (client->next)
        client->next->prev = client;
    core->clients = client;
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
    stat_sub(&core->stats->clients, 1);
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
    struct core *core = client->core;
    size_t limit = core->config->realtime_client_buffer_bytes;

    if (client->closing || !frame)
        return;
    if (outbox_push(&client->outbox, frame, limit)) {
        unsigned full = (unsigned)(client->outbox.bytes * 100 / limit);

        core->pressure = full > core->pressure ? full : core->pressure;
        client->out.wake(client->out.socket);
        return;
    }
    stat_add(&core->stats->clients_slow_total, 1);
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

void client_accept(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                   struct str topic)
{
    client_tell(client, join_ref, ref, topic, STR("phx_reply"),
                STR("{\"status\":\"ok\",\"response\":{}}"));
}

void client_refuse(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                   struct str topic, struct str reason)
{
    struct buf payload;

    buf_init(&payload, MAX_REASON);
    buf_add_str(&payload, STR("{\"status\":\"error\",\"response\":{\"reason\":"));
    json_add_string(&payload, reason);
    buf_add_str(&payload, STR("}}"));
    client_tell(client, join_ref, ref, topic, STR("phx_reply"), buf_str(&payload));
    buf_fini(&payload);
}

static bool is(const struct phoenix_frame *frame, struct str event)
{
    return str_eq(frame->event, event);
}

/* Too many a second: the channel ends, as Supabase's do. */
static bool is_within_rate(struct channel *channel)
{
    struct client *client = channel->client;
    struct core *core = client->core;

    if (rate_take(&client->messages, core->config->realtime_max_messages_per_second,
                  client->heard_ms))
        return true;
    stat_add(&core->stats->messages_limited_total, 1);
    channel_shut(channel, STR("Too many messages per second"));
    return false;
}

static void receive_broadcast(struct channel *channel, const struct phoenix_frame *frame)
{
    const struct broadcast broadcast = {.form = BROADCAST_OBJECT, .payload = frame->payload};

    broadcast_receive(channel, &broadcast, frame->join_ref, frame->ref);
}

static void receive_in_channel(struct channel *channel, struct phoenix_frame *frame)
{
    if (is(frame, STR("phx_leave"))) {
        channel_leave(channel, frame);
        return;
    }
    if (!is_within_rate(channel))
        return;
    if (is(frame, STR("access_token")))
        joining_refresh_token(channel, frame);
    else if (is(frame, STR("presence")))
        presence_receive(channel, frame);
    else if (is(frame, STR("broadcast")))
        receive_broadcast(channel, frame);
    else
        log_debug("realtime", "ignored an event", log_v("event", frame->event),
                  log_v("topic", frame->topic));
}

static void receive_heartbeat(struct client *client, const struct phoenix_frame *frame)
{
    if (is(frame, STR("heartbeat")))
        client_accept(client, frame->join_ref, frame->ref, frame->topic);
    else
        client_refuse(client, frame->join_ref, frame->ref, frame->topic, UNMATCHED);
}

static void receive_frame(struct client *client, struct phoenix_frame *frame)
{
    struct channel *channel;

    if (str_eq(frame->topic, STR("phoenix"))) {
        receive_heartbeat(client, frame);
        return;
    }
    if (is(frame, STR("phx_join"))) {
        joining_start(client, frame);
        return;
    }
    channel = channel_find(client, frame->topic);
    if (channel && (channel->room || is(frame, STR("phx_leave"))))
        receive_in_channel(channel, frame);
    else if (is(frame, STR("phx_leave")))
        client_accept(client, frame->join_ref, frame->ref, frame->topic);
    else
        client_refuse(client, frame->join_ref, frame->ref, frame->topic, UNMATCHED);
}

static void receive_push(struct client *client, const struct phoenix_push *push)
{
    const struct broadcast broadcast = {.form = push->is_json ? BROADCAST_BINARY_JSON
                                                              : BROADCAST_BINARY_BYTES,
                                        .event = push->event,
                                        .payload = push->payload};
    struct channel *channel = channel_find(client, push->topic);

    if (!channel || !channel->room)
        client_refuse(client, push->join_ref, push->ref, push->topic, UNMATCHED);
    else if (is_within_rate(channel))
        broadcast_receive(channel, &broadcast, push->join_ref, push->ref);
}

static void count_malformed(struct client *client, const char *why)
{
    stat_add(&client->core->stats->frames_malformed_total, 1);
    log_debug("realtime", "dropped a malformed frame", log_s("error", why));
}

void client_hear(struct client *client, uint64_t now_ms)
{
    client->heard_ms = now_ms;
    client->pinged = false;
}

void client_receive(struct client *client, struct str text, uint64_t now_ms)
{
    struct phoenix_frame frame;
    struct err err;

    if (client->closing)
        return;
    client_hear(client, now_ms);
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
    struct phoenix_push push;
    struct err err;

    if (client->closing)
        return;
    client_hear(client, now_ms);
    stat_add(&client->core->stats->frames_received_total, 1);
    if (client->vsn != PHOENIX_V2)
        count_malformed(client, "protocol version 1.0.0 has no binary frames");
    else if (phoenix_push_parse(bytes, &push, &err) != OK)
        count_malformed(client, err.message);
    else
        receive_push(client, &push);
}

/* One whose join waits for its rights is told in the join's answer. */
static void distrust(struct channel *channel)
{
    struct err err;

    stat_add(&channel->client->core->stats->jwks_dropped_total, 1);
    err_set(&err, "JwtSignatureError: Failed to validate JWT signature");
    if (channel->joining)
        joining_decide(channel, NULL, &err);
    else
        channel_distrust(channel, STR("The key that signed the token is no longer valid"));
}

void client_check_keys(struct client *client)
{
    const struct token_verifier *verifier = client->core->authority.verifier;
    struct channel *next;

    if (client->closing)
        return;
    if (!token_verifier_has_key(verifier, client->token->signer)) {
        stat_add(&client->core->stats->jwks_dropped_total, 1);
        client_close(client, CLIENT_CLOSE_POLICY, "the key of its token is no longer valid");
        return;
    }
    for (struct channel *channel = client->channels; channel && !client->closing; channel = next) {
        next = channel->next;
        if (!token_verifier_has_key(verifier, channel->signer))
            distrust(channel);
    }
}

/* Whether what API keys have opened has to be looked at: one has changed, or is gone, or may be and
 * we would not know, or this client's has come to its end. */
static bool api_keys_moved(struct client *client, struct moment now)
{
    const struct keyring *ring = client->core->authority.ring;
    uint64_t generation = keyring_generation(ring);

    if (client->api_keys_seen == generation && keyring_is_trusted(ring, now.ms) &&
        (!client->token->key_id[0] || client->token->expires > now.us / 1000000))
        return false;
    client->api_keys_seen = generation;
    return true;
}

/* The connection was opened by a key: it goes when the key goes. */
static void recheck_api_key(struct client *client, struct moment now)
{
    struct token *token;
    struct err err;
    enum access access;

    if (!client->token->key_id[0])
        return;
    access =
        authority_renew(&client->core->authority, client->token, SCOPE_REALTIME, now, &token, &err);
    if (access == ACCESS_GRANTED) {
        token_free(client->token);
        client->token = token;
    } else if (access == ACCESS_LATER) {
        client_close(client, CLIENT_CLOSE_LATER, "the API keys are not known right now");
    } else {
        client_close(client, CLIENT_CLOSE_POLICY,
                     "InvalidApiKey: The API key has expired, was revoked or has lost its scope");
    }
}

static void tick_channels(struct client *client, struct moment now, bool recheck)
{
    struct channel *next;

    for (struct channel *channel = client->channels; channel; channel = next) {
        next = channel->next;
        channel_ref(channel);
        if (recheck && channel->session->key_id[0])
            joining_recheck_api_key(channel, now);
        if (channel->client)
            channel_tick(channel, now.ms, now.us / 1000000);
        channel_unref(channel);
        if (client->closing) /* its channels are gone */
            return;
    }
}

/* A page in the background may send its heartbeats once a minute (browsers hold its timers back);
 * that it is there its browser tells, which answers pings without it. A socket whose other end is
 * gone answers nothing. false: closed. */
static bool check_silence(struct client *client, uint64_t now_ms)
{
    uint64_t longest_ms = client->core->config->realtime_idle_timeout_ms;
    uint64_t silent_ms = now_ms - client->heard_ms;
    struct frame *ping;

    if (silent_ms > longest_ms) {
        stat_add(&client->core->stats->clients_idle_total, 1);
        client_close(client, CLIENT_CLOSE_AWAY, "nothing was heard for too long");
    } else if (silent_ms > longest_ms / 2 && !client->pinged) {
        client->pinged = true;
        ping = frame_new_ping();
        client_send(client, ping);
        frame_unref(ping);
    }
    return !client->closing;
}

void client_tick(struct client *client, uint64_t now_ms, int64_t now)
{
    const struct moment moment = {now * 1000000, now_ms};
    bool recheck;

    if (client->closing)
        return;
    recheck = api_keys_moved(client, moment);
    if (recheck)
        recheck_api_key(client, moment);
    if (client->closing || !check_silence(client, now_ms))
        return;
    if (!client->channels && now_ms - client->alone_ms > ALONE_MS) {
        stat_add(&client->core->stats->clients_idle_total, 1);
        client_close(client, CLIENT_CLOSE_AWAY, "no channel was joined for too long");
        return;
    }
    if (client->channels)
        client->alone_ms = now_ms;
    tick_channels(client, moment, recheck);
}
