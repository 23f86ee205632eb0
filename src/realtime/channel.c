#include "realtime/channel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#define PREFIX STR("realtime:")
#define MAX_SYSTEM_MESSAGE 65536

struct channel *channel_ref(struct channel *channel)
{
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
    session_unref(channel->session);
    free(channel->topic);
    free(channel);
}

struct channel *channel_find(const struct client *client, struct str topic)
{
    uint64_t hash = hash_more(0, topic);
    struct channel *channel = client->channels;

    while (channel && (channel->topic_hash != hash || !str_eq(str_c(channel->topic), topic)))
        channel = channel->next;
    return channel;
}

static void count_bindings(struct core *core)
{
    stat_set(&core->stats->bindings, hub_count(core->hub));
}

static void forget_activity(struct core *core, const struct channel *channel)
{
    struct channel **at = &core->activity;

    while (*at != channel)
        at = &(*at)->next_activity;
    *at = channel->next_activity;
}

void channel_drop(struct channel *channel)
{
    struct client *client = channel->client;
    struct channel **at = &client->channels;

    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    client->channel_count--;
    if (channel->activity)
        forget_activity(client->core, channel);
    for (size_t i = 0; i < channel->binding_count; i++)
        hub_remove(client->core->hub, channel->bindings[i]);
    count_bindings(client->core);
    stat_sub(&client->core->stats->channels, 1);
    client->alone_ms = client->heard_ms;
    channel->client = NULL;
    channel_unref(channel);
}

static void tell(struct channel *channel, struct phoenix_ref ref, struct str event,
                 struct str payload)
{
    client_tell(channel->client, channel->join_ref, ref, str_c(channel->topic), event, payload);
}

/* A frame may be one too many, which closes the client and drops its channels: what stands behind a
 * tell() in these functions looks whether the channel is still there. */
static void tell_and_drop(struct channel *channel, struct str event)
{
    channel_ref(channel);
    tell(channel, channel->join_ref, event, STR("{}"));
    if (channel->client)
        channel_drop(channel);
    channel_unref(channel);
}

void channel_fail(struct channel *channel)
{
    tell_and_drop(channel, STR("phx_error"));
}

void channel_system(struct channel *channel, bool ok, struct str extension, struct str message)
{
    struct buf payload;
    struct str topic = str_c(channel->topic);

    buf_init(&payload, MAX_SYSTEM_MESSAGE);
    buf_add_str(&payload, STR("{\"message\":"));
    json_add_string(&payload, message);
    buf_add_c(&payload,
              ok ? ",\"status\":\"ok\",\"extension\":" : ",\"status\":\"error\",\"extension\":");
    json_add_string(&payload, extension);
    buf_add_str(&payload, STR(",\"channel\":"));
    json_add_string(&payload, str_from(topic.data + PREFIX.len, topic.len - PREFIX.len));
    buf_add_char(&payload, '}');
    if (buf_ok(&payload))
        tell(channel, PHOENIX_NULL, STR("system"), buf_str(&payload));
    buf_fini(&payload);
}

void channel_shut(struct channel *channel, struct str message)
{
    channel_ref(channel);
    channel_system(channel, false, STR("system"), message);
    if (channel->client)
        tell_and_drop(channel, STR("phx_close"));
    channel_unref(channel);
}

static void reply_error(struct client *client, const struct phoenix_frame *frame, struct str reason)
{
    struct buf payload;

    buf_init(&payload, MAX_SYSTEM_MESSAGE);
    buf_add_str(&payload, STR("{\"status\":\"error\",\"response\":{\"reason\":"));
    json_add_string(&payload, reason);
    buf_add_str(&payload, STR("}}"));
    client_tell(client, frame->join_ref, frame->ref, frame->topic, STR("phx_reply"),
                buf_str(&payload));
    buf_fini(&payload);
}

/* Who the join or the new token says the client is. */
struct identity {
    struct session *session; /* one reference */
    int64_t expires;
    uint64_t token_hash;
};

static enum result check_role(struct core *core, const char *role, bool needs_database,
                              struct err *err)
{
    switch (core->check_role(core->check_role_arg, role)) {
    case RLS_ROLE_YES:
        return OK;
    case RLS_ROLE_NO:
        return err_set(err,
                       "Unauthorized: There is no role \"%s\" that clients of this server may have",
                       role);
    case RLS_ROLE_UNKNOWN:
        if (!needs_database)
            return OK;
        return err_set(err, "InitializingProjectConnection: The database cannot be asked right "
                            "now who may read its rows, try again");
    }
    return FAILED;
}

static enum result identify(struct core *core, struct str text, const struct token *fallback,
                            bool needs_database, struct identity *out, struct err *err)
{
    int64_t now = clock_now_us() / 1000000;
    struct token *token = NULL;
    const struct token *used = fallback;

    if (text.len > 0) {
        if (token_verify(core->verifier, text, now, &token, err) != TOKEN_VALID)
            return FAILED;
        used = token;
    } else if (fallback->expires <= now) {
        return err_set(err, "InvalidJWTToken: Token has expired %" PRId64 " seconds ago",
                       now - fallback->expires);
    }
    if (check_role(core, used->role, needs_database, err) != OK) {
        token_free(token);
        return FAILED;
    }
    out->session = session_get(&core->sessions, used);
    out->expires = used->expires;
    out->token_hash = hash_more(0, text);
    token_free(token);
    return OK;
}

static bool is_activity(struct str topic)
{
    return str_eq(topic, STR(CHANNEL_ACTIVITY));
}

/* The live page shows what every table does, so it is for those who may see everything. */
static enum result check_topic(struct str topic, bool is_private, const struct session *session,
                               struct err *err)
{
    if (is_activity(topic) ? strcmp(session->role, "service_role") == 0 : !is_private)
        return OK;
    topic = str_from(topic.data + PREFIX.len, topic.len - PREFIX.len);
    return err_set(err,
                   "Unauthorized: You do not have permissions to read from this Channel topic: "
                   "%.*s",
                   STR_ARG(topic));
}

static enum result check_limits(const struct client *client, struct str topic, struct err *err)
{
    const struct core *core = client->core;

    if (topic.len == PREFIX.len)
        return err_set(err, "TopicNameRequired: You must provide a topic name");
    if (client->over_limit && core->client_count > core->config->realtime_max_clients)
        return err_set(err, "ConnectionRateLimitReached: Too many connected users");
    if (client->channel_count >= core->config->realtime_max_channels)
        return err_set(err, "ChannelRateLimitReached: Too many channels");
    return OK;
}

static enum result admit(struct client *client, const struct phoenix_frame *frame,
                         const struct join *join, struct identity *out, struct err *err)
{
    bool needs_database = join->binding_count > 0;

    if (check_limits(client, frame->topic, err) != OK ||
        identify(client->core, join->access_token, client->token, needs_database, out, err) != OK)
        return FAILED;
    if (check_topic(frame->topic, join->is_private, out->session, err) != OK) {
        session_unref(out->session);
        return FAILED;
    }
    return OK;
}

static struct channel *channel_new(struct client *client, const struct phoenix_frame *frame,
                                   struct join *join, const struct identity *identity)
{
    struct channel *channel = mem_alloc(sizeof(*channel));

    channel->refs = 1;
    channel->client = client;
    channel->topic = str_dup(frame->topic);
    channel->topic_hash = hash_more(0, frame->topic);
    channel->join_ref = strcmp(frame->join_ref.json, "null") == 0 ? frame->ref : frame->join_ref;
    channel->session = identity->session;
    channel->expires = identity->expires;
    channel->token_hash = identity->token_hash;
    channel->activity = is_activity(frame->topic);
    channel->bindings = join->bindings;
    channel->binding_count = join->binding_count;
    join->bindings = NULL;
    join->binding_count = 0;
    channel->next = client->channels;
    client->channels = channel;
    client->channel_count++;
    client->over_limit = false;
    if (channel->activity) {
        channel->next_activity = client->core->activity;
        client->core->activity = channel;
    }
    for (size_t i = 0; i < channel->binding_count; i++) {
        channel->bindings[i]->channel = channel;
        hub_add(client->core->hub, channel->bindings[i]);
    }
    count_bindings(client->core);
    stat_add(&client->core->stats->channels, 1);
    stat_add(&client->core->stats->joins_total, 1);
    return channel;
}

static void welcome(struct channel *channel, const struct phoenix_frame *frame,
                    const struct join *join)
{
    struct buf payload;

    channel_ref(channel);
    buf_init(&payload, JOIN_MAX_ECHO * 2);
    buf_add_str(&payload, STR("{\"status\":\"ok\",\"response\":{\"postgres_changes\":"));
    buf_add_str(&payload, buf_str(&join->echo));
    buf_add_str(&payload, STR("}}"));
    client_tell(channel->client, frame->join_ref, frame->ref, frame->topic, STR("phx_reply"),
                buf_str(&payload));
    buf_fini(&payload);
    if (channel->client && join->has_problem)
        channel_system(channel, false, STR("postgres_changes"), str_c(join->problem.message));
    else if (channel->client && channel->binding_count > 0)
        channel_system(channel, true, STR("postgres_changes"), STR("Subscribed to PostgreSQL"));
    if (channel->client && join->presence)
        tell(channel, PHOENIX_NULL, STR("presence_state"), STR("{}"));
    channel_unref(channel);
}

void channel_join(struct client *client, const struct phoenix_frame *frame)
{
    struct channel *old = channel_find(client, frame->topic);
    struct identity identity;
    struct join join = {0};
    struct err err;

    if (!str_starts(frame->topic, PREFIX)) {
        reply_error(client, frame, STR("unmatched topic"));
        return;
    }
    if (old)
        tell_and_drop(old, STR("phx_close"));
    if (client->closing)
        return;
    if (join_read(frame->payload, &join, &err) != OK) {
        err_context(&err, "MalformedJoin");
    } else if (admit(client, frame, &join, &identity, &err) == OK) {
        welcome(channel_new(client, frame, &join, &identity), frame, &join);
        join_fini(&join);
        return;
    }
    join_fini(&join);
    stat_add(&client->core->stats->joins_refused_total, 1);
    log_info("realtime", "refused a join", log_v("topic", frame->topic), log_err(&err));
    reply_error(client, frame, str_c(err.message));
}

void channel_leave(struct channel *channel, const struct phoenix_frame *frame)
{
    channel_ref(channel);
    client_tell(channel->client, frame->join_ref, frame->ref, frame->topic, STR("phx_reply"),
                STR("{\"status\":\"ok\",\"response\":{}}"));
    if (channel->client)
        tell_and_drop(channel, STR("phx_close"));
    channel_unref(channel);
}

void channel_refresh_token(struct channel *channel, const struct phoenix_frame *frame)
{
    struct str text = join_token(frame->payload);
    struct identity identity;
    struct err err;

    if (text.len == 0 || hash_more(0, text) == channel->token_hash)
        return;
    if (identify(channel->client->core, text, channel->client->token, false, &identity, &err) !=
        OK) {
        channel_shut(channel, str_c(err.message));
        return;
    }
    if (check_topic(frame->topic, false, identity.session, &err) != OK) {
        session_unref(identity.session);
        channel_shut(channel, str_c(err.message));
        return;
    }
    session_unref(channel->session);
    channel->session = identity.session;
    channel->expires = identity.expires;
    channel->token_hash = identity.token_hash;
}

void channel_tick(struct channel *channel, int64_t now)
{
    struct err err;

    if (channel->expires > now)
        return;
    err_set(&err, "Token has expired %" PRId64 " seconds ago", now - channel->expires);
    channel_shut(channel, str_c(err.message));
}
