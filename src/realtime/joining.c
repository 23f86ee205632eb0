#include "realtime/joining.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "realtime/catchup.h"
#include "realtime/identity.h"
#include "realtime/presence.h"

#define STREAM_WAIT_MS 7000 /* a client waits 10 s for the answer to its join */

void joining_free(struct joining *joining)
{
    if (!joining)
        return;
    join_fini(&joining->join);
    free(joining);
}

static enum result check_limits(struct client *client, struct str topic, struct err *err)
{
    const struct core *core = client->core;

    if (topic.len == CHANNEL_PREFIX.len)
        return err_set(err, "TopicNameRequired: You must provide a topic name");
    if (client->over_limit &&
        stat_get(&core->stats->clients) > core->config->realtime_max_clients) {
        stat_add(&core->stats->joins_full_total, 1);
        return err_set(err, "ConnectionRateLimitReached: Too many connected users");
    }
    if (!rate_take(&client->joins, core->config->realtime_max_joins_per_second, client->heard_ms)) {
        stat_add(&core->stats->joins_limited_total, 1);
        return err_set(err, "ClientJoinRateLimitReached: Too many joins per second");
    }
    if (client->channel_count >= core->config->realtime_max_channels) {
        stat_add(&core->stats->channels_limited_total, 1);
        return err_set(err, "ChannelRateLimitReached: Too many channels");
    }
    return OK;
}

static enum result check_kind(const struct core *core, const struct join *join, struct err *err)
{
    if (core->config->realtime_private_only && !join->is_private)
        return err_set(err, "PrivateOnly: This project only allows private channels");
    if (join->replay.wanted && !join->is_private)
        return err_set(err, "UnableToReplayMessages: Replay is not allowed for public channels");
    if (join->replay.wanted && !join->replay.valid)
        return err_set(err, "UnableToReplayMessages: Replay params are not valid");
    return OK;
}

static bool is_activity(const struct channel *channel)
{
    return str_eq(channel_name(channel), CHANNEL_ACTIVITY);
}

static void may_not_read(const struct channel *channel, struct err *err)
{
    struct str name = channel_name(channel);

    err_set(err, "Unauthorized: You do not have permissions to read from this Channel topic: %.*s",
            STR_ARG(name));
}

/* The live page shows what every table does, so it is for those who may see everything. */
static void authorize_activity(struct channel *channel)
{
    static const struct channel_rights rights = {.may_read_broadcast = true};
    struct err err;

    may_not_read(channel, &err);
    if (strcmp(channel->session->role, "service_role") == 0)
        joining_decide(channel, &rights, NULL);
    else
        joining_decide(channel, NULL, &err);
}

static void authorize(struct channel *channel)
{
    static const struct channel_rights all = {true, true, true, true};
    struct core *core = channel->client->core;
    struct err err;

    if (is_activity(channel)) {
        authorize_activity(channel);
    } else if (!channel->is_private) {
        joining_decide(channel, &all, NULL);
    } else if (core->authorize) {
        core->authorize(core->authorize_arg, channel);
    } else {
        may_not_read(channel, &err);
        joining_decide(channel, NULL, &err);
    }
}

/* The bindings and the key are the channel's from here on; the rest waits for the answer. */
static void await(struct channel *channel, const struct phoenix_frame *frame, struct join *join)
{
    struct joining *joining = mem_alloc(sizeof(*joining));

    joining->since_ms = clock_monotonic_ms();
    joining->join_ref = frame->join_ref;
    joining->ref = frame->ref;
    joining->join = *join;
    channel->joining = joining;
    channel->is_private = join->is_private || is_activity(channel);
    channel->self_broadcast = join->self_broadcast;
    channel->ack_broadcast = join->ack_broadcast;
    channel->wants_presence = join->presence;
    channel->presence_key = join->presence_key;
    channel->legacy = join->legacy;
    channel->bindings = join->bindings;
    channel->binding_count = join->binding_count;
    joining->join.presence_key = NULL;
    joining->join.bindings = NULL;
    joining->join.binding_count = 0;
}

static void refuse(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                   struct str topic, const struct err *err)
{
    stat_add(&client->core->stats->joins_refused_total, 1);
    log_info("realtime", "refused a join", log_v("topic", topic), log_err(err));
    client_refuse(client, join_ref, ref, topic, str_c(err->message));
}

static enum result admit(struct client *client, struct phoenix_frame *frame, struct join *join,
                         struct identity *out, struct err *err)
{
    if (check_limits(client, frame->topic, err) != OK)
        return FAILED;
    if (join_read(phoenix_payload(frame), frame->topic, join, err) != OK)
        return err_context(err, "MalformedJoin");
    if (check_kind(client->core, join, err) != OK)
        return FAILED;
    return identify(client->core, join->access_token, client->token, join->binding_count > 0, out,
                    err);
}

void joining_start(struct client *client, struct phoenix_frame *frame)
{
    struct channel *channel = channel_find(client, frame->topic);
    bool has_join_ref = strcmp(frame->join_ref.json, "null") != 0;
    struct identity identity;
    struct join join = {0};
    struct err err;

    if (!str_starts(frame->topic, CHANNEL_PREFIX)) {
        client_refuse(client, frame->join_ref, frame->ref, frame->topic, STR("unmatched topic"));
        return;
    }
    if (channel)
        channel_close(channel);
    if (client->closing)
        return;
    if (admit(client, frame, &join, &identity, &err) != OK) {
        refuse(client, frame->join_ref, frame->ref, frame->topic, &err);
        join_fini(&join);
        return;
    }
    channel = channel_new(client, frame->topic, has_join_ref ? frame->join_ref : frame->ref);
    identity_assume(channel, &identity);
    await(channel, frame, &join);
    authorize(channel);
}

static void tell_subscribed(struct channel *channel)
{
    struct core *core = channel->client->core;

    if (core->check_bindings)
        core->check_bindings(core->authorize_arg, channel);
    else
        channel_system(channel, true, STR("postgres_changes"), STR("Subscribed to PostgreSQL"));
}

static void welcome(struct channel *channel, const struct joining *joining)
{
    const struct join *join = &joining->join;
    struct buf payload;

    channel_ref(channel);
    buf_init(&payload, JOIN_MAX_ECHO * 2);
    buf_add_str(&payload, STR("{\"status\":\"ok\",\"response\":{\"postgres_changes\":"));
    buf_add_str(&payload, buf_str(&join->echo));
    buf_add_str(&payload, STR("}}"));
    client_tell(channel->client, joining->join_ref, joining->ref, str_c(channel->topic),
                STR("phx_reply"), buf_str(&payload));
    buf_fini(&payload);
    if (channel->client && join->has_problem)
        channel_system(channel, false, STR("postgres_changes"), str_c(join->problem.message));
    else if (channel->client && channel->binding_count > 0)
        tell_subscribed(channel);
    if (channel->client)
        presence_welcome(channel);
    channel_unref(channel);
}

/* Stored messages are asked for once the channel gets the new ones, which are held back meanwhile:
 * so none is missing between them. */
static void start_catchup(struct channel *channel, const struct replay *replay)
{
    struct core *core = channel->client->core;
    struct err err;

    if (core->replay) {
        core->replay(core->authorize_arg, channel, replay);
        return;
    }
    err_set(&err, "UnableToReplayMessages: Realtime was unable to replay messages");
    joining_fail(channel, &err);
}

static void complete(struct channel *channel, const struct channel_rights *rights)
{
    struct joining *joining = channel->joining;

    channel->joining = NULL;
    channel->rights = *rights;
    channel->client->over_limit = false;
    stat_add(&channel->client->core->stats->joins_total, 1);
    channel_enter(channel);
    if (joining->join.replay.wanted)
        channel->catchup = catchup_new();
    channel_ref(channel);
    welcome(channel, joining);
    if (channel->client && channel->catchup)
        start_catchup(channel, &joining->join.replay);
    channel_unref(channel);
    joining_free(joining);
}

/* Who follows tables is told that he is subscribed once changes are received: from then on none is
 * missed. */
static bool is_live(const struct channel *channel)
{
    return channel->binding_count == 0 || stat_get(&channel->client->core->stats->stream_up) > 0;
}

static void let_in(struct channel *channel, const struct channel_rights *rights)
{
    struct joining *joining = channel->joining;

    if (is_live(channel)) {
        complete(channel, rights);
        return;
    }
    joining->is_let_in = true;
    joining->rights = *rights;
}

static void turn_away(struct channel *channel, const struct err *why)
{
    struct joining *joining = channel->joining;

    channel_ref(channel);
    refuse(channel->client, joining->join_ref, joining->ref, str_c(channel->topic), why);
    if (channel->client)
        channel_drop(channel);
    channel_unref(channel);
}

/* Of a channel that is joined. Those who could read and may no longer are shut out. */
static void replace_rights(struct channel *channel, const struct channel_rights *rights)
{
    const struct channel_rights *old = &channel->rights;
    struct str name = channel_name(channel);
    struct err err;

    if ((old->may_read_broadcast && !rights->may_read_broadcast) ||
        (old->may_read_presence && !rights->may_read_presence)) {
        err_set(&err, "You no longer have permission to read from this Channel topic: %.*s",
                STR_ARG(name));
        channel_shut(channel, str_c(err.message));
    } else {
        channel->rights = *rights;
    }
}

/* Whether these rights are enough for what is wanted. Who may only send needs no channel. */
static bool may_join(const struct channel *channel, const struct channel_rights *rights)
{
    if (channel->joining->join.replay.wanted)
        return rights->may_read_broadcast;
    return rights->may_read_broadcast || (channel->wants_presence && rights->may_read_presence);
}

void joining_decide(struct channel *channel, const struct channel_rights *rights,
                    const struct err *why)
{
    struct err err;

    if (!channel->client)
        return;
    if (channel->joining && rights && !may_join(channel, rights)) {
        may_not_read(channel, &err);
        turn_away(channel, &err);
    } else if (channel->joining && rights)
        let_in(channel, rights);
    else if (channel->joining)
        turn_away(channel, why);
    else if (rights)
        replace_rights(channel, rights);
    else
        channel_shut(channel, str_c(why->message));
}

void joining_fail(struct channel *channel, const struct err *why)
{
    if (!channel->client)
        return;
    if (channel->joining) {
        turn_away(channel, why);
        return;
    }
    channel_ref(channel);
    channel_system(channel, false, STR("system"), str_c(why->message));
    if (channel->client)
        channel_fail(channel);
    channel_unref(channel);
}

void joining_tick(struct channel *channel, uint64_t now_ms)
{
    struct joining *joining = channel->joining;
    struct err err;

    if (!joining || !joining->is_let_in)
        return;
    if (is_live(channel)) {
        complete(channel, &joining->rights);
    } else if (now_ms - joining->since_ms > STREAM_WAIT_MS) {
        err_set(&err, "InitializingProjectConnection: Changes of the database are not received "
                      "right now, try again");
        turn_away(channel, &err);
    }
}

void joining_refresh_token(struct channel *channel, struct phoenix_frame *frame)
{
    struct str text = join_token(phoenix_payload(frame));
    struct client *client = channel->client;
    struct identity identity;
    struct err err;

    if (text.len == 0 || hash_more(0, text) == channel->token_hash)
        return;
    if (identify(client->core, text, client->token, false, &identity, &err) == OK) {
        identity_assume(channel, &identity);
        authorize(channel);
    } else if (identity.may_pass) {
        channel_distrust(channel, str_c(err.message)); /* it rejoins once the keys are here */
    } else {
        channel_shut(channel, str_c(err.message));
    }
}

/* A join that waits for its rights is told in its answer. */
static void end_with_api_key(struct channel *channel, bool may_pass, const struct err *why)
{
    if (channel->joining)
        joining_decide(channel, NULL, why);
    else if (may_pass)
        channel_distrust(channel, str_c(why->message));
    else
        channel_shut(channel, str_c(why->message));
}

/* Nothing is asked again as long as the key says the same: any key's change brings us here. */
static void follow_api_key(struct channel *channel, const struct token *token)
{
    struct identity identity = {.token_hash = channel->token_hash};
    struct err err;

    if (identify_token(channel->client->core, token, false, &identity, &err) != OK) {
        end_with_api_key(channel, false, &err);
        return;
    }
    if (identity.session == channel->session) {
        session_unref(identity.session);
        return;
    }
    identity_assume(channel, &identity);
    authorize(channel);
}

void joining_recheck_api_key(struct channel *channel, struct moment now)
{
    const struct authority *authority = &channel->client->core->authority;
    struct token *token;
    struct err err;
    enum access access = authority_identify_key(authority, channel->session->key_id, SCOPE_REALTIME,
                                                now, &token, &err);

    if (access != ACCESS_GRANTED) {
        end_with_api_key(channel, access == ACCESS_LATER, &err);
        return;
    }
    follow_api_key(channel, token);
    token_free(token);
}
