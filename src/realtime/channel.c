#include "realtime/channel.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "realtime/catchup.h"
#include "realtime/joining.h"
#include "realtime/presence.h"

#define MAX_SYSTEM_MESSAGE 65536

struct channel *channel_ref(struct channel *channel)
{
    assert(channel->refs > 0);
    channel->refs++;
    return channel;
}

void channel_unref(struct channel *channel)
{
    if (!channel || --channel->refs > 0)
        return;
    for (size_t i = 0; i < channel->binding_count; i++)
        binding_free(channel->bindings[i]);
    free(channel->bindings);
    joining_free(channel->joining);
    catchup_free(channel->catchup);
    session_unref(channel->session);
    free(channel->presence_key);
    free(channel->topic);
#ifndef __clang_analyzer__ /* which takes any reference for the last */
    free(channel);
#endif
}

struct channel *channel_new(struct client *client, struct str topic, struct phoenix_ref join_ref)
{
    struct channel *channel = mem_alloc(sizeof(*channel));

    channel->refs = 1;
    channel->client = client;
    channel->topic = str_dup(topic);
    channel->topic_hash = hash_more(0, topic);
    channel->join_ref = join_ref;
    channel->next = client->channels;
    client->channels = channel;
    client->channel_count++;
    stat_add(&client->core->stats->channels, 1);
    return channel;
}

struct channel *channel_find(const struct client *client, struct str topic)
{
    uint64_t hash = hash_more(0, topic);
    struct channel *channel = client->channels;

    while (channel && (channel->topic_hash != hash || !str_eq(str_c(channel->topic), topic)))
        channel = channel->next;
    return channel;
}

struct str channel_name(const struct channel *channel)
{
    struct str topic = str_c(channel->topic);

    return str_from(topic.data + CHANNEL_PREFIX.len, topic.len - CHANNEL_PREFIX.len);
}

static void count_bindings(struct core *core)
{
    stat_set_part(&core->stats->bindings, &core->gauges.bindings, hub_count(core->hub));
}

static void add_bindings(struct channel *channel)
{
    struct core *core = channel->client->core;

    for (size_t i = 0; i < channel->binding_count; i++) {
        channel->bindings[i]->channel = channel;
        hub_add(core->hub, channel->bindings[i], channel->session);
    }
    count_bindings(core);
}

static void remove_bindings(struct channel *channel)
{
    struct core *core = channel->client->core;

    for (size_t i = 0; i < channel->binding_count; i++)
        hub_remove(core->hub, channel->bindings[i]);
    count_bindings(core);
}

void channel_enter(struct channel *channel)
{
    room_enter(channel->client->core, channel);
    add_bindings(channel);
}

void channel_set_session(struct channel *channel, struct session *session)
{
    struct session *old = channel->session;

    if (channel->room)
        remove_bindings(channel);
    channel->session = session;
    if (channel->room)
        add_bindings(channel);
    session_unref(old);
}

static void exit_room(struct channel *channel)
{
    struct core *core = channel->client->core;

    if (!channel->room)
        return;
    presence_leave(channel);
    room_leave(core, channel);
    remove_bindings(channel);
}

void channel_drop(struct channel *channel)
{
    struct client *client = channel->client;
    struct channel **at = &client->channels;

    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    client->channel_count--;
    exit_room(channel);
    stat_sub(&client->core->stats->channels, 1);
    client->alone_ms = client->heard_ms;
    channel->client = NULL;
    channel_unref(channel);
}

void channel_tell(struct channel *channel, struct phoenix_ref ref, struct str event,
                  struct str payload)
{
    client_tell(channel->client, channel->join_ref, ref, str_c(channel->topic), event, payload);
}

/* A frame may be one too many, which closes the client and drops its channels: what stands behind a
 * channel_tell() looks whether the channel is still there. */
static void tell_and_drop(struct channel *channel, struct str event)
{
    channel_ref(channel);
    channel_tell(channel, channel->join_ref, event, STR("{}"));
    if (channel->client)
        channel_drop(channel);
    channel_unref(channel);
}

void channel_close(struct channel *channel)
{
    tell_and_drop(channel, STR("phx_close"));
}

void channel_fail(struct channel *channel)
{
    tell_and_drop(channel, STR("phx_error"));
}

void channel_system(struct channel *channel, bool ok, struct str extension, struct str message)
{
    struct buf payload;

    buf_init(&payload, MAX_SYSTEM_MESSAGE);
    buf_add_str(&payload, STR("{\"message\":"));
    json_add_string(&payload, message);
    buf_add_c(&payload,
              ok ? ",\"status\":\"ok\",\"extension\":" : ",\"status\":\"error\",\"extension\":");
    json_add_string(&payload, extension);
    buf_add_str(&payload, STR(",\"channel\":"));
    json_add_string(&payload, channel_name(channel));
    buf_add_char(&payload, '}');
    if (buf_ok(&payload))
        channel_tell(channel, PHOENIX_NULL, STR("system"), buf_str(&payload));
    buf_fini(&payload);
}

void channel_shut(struct channel *channel, struct str message)
{
    channel_ref(channel);
    channel_system(channel, false, STR("system"), message);
    if (channel->client)
        channel_close(channel);
    channel_unref(channel);
}

void channel_distrust(struct channel *channel, struct str message)
{
    channel_ref(channel);
    channel_system(channel, false, STR("system"), message);
    if (channel->client)
        channel_fail(channel);
    channel_unref(channel);
}

void channel_leave(struct channel *channel, const struct phoenix_frame *frame)
{
    channel_ref(channel);
    client_accept(channel->client, frame->join_ref, frame->ref, frame->topic);
    if (channel->client)
        channel_close(channel);
    channel_unref(channel);
}

void channel_tick(struct channel *channel, uint64_t now_ms, int64_t now)
{
    struct err err;

    if (channel->expires > now) {
        joining_tick(channel, now_ms);
        return;
    }
    err_set(&err, "%s has expired %" PRId64 " seconds ago",
            channel->session->key_id[0] ? "InvalidApiKey: The API key" : "Token",
            now - channel->expires);
    channel_shut(channel, str_c(err.message));
}
