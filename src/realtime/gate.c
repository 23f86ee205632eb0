#include "realtime/gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "realtime/authorizer.h"
#include "realtime/catchup.h"
#include "realtime/joining.h"
#include "realtime/subscriptions.h"

#define MAX_REPLAYS 1024 /* that wait for the database */
#define MAX_REPLAYED 25  /* as Supabase */
#define MAX_BYTES ((size_t)256 << 20)
#define MAX_RECENT_BYTES 8192

struct gate {
    struct core *core;
    struct authorizer *authorizer;
    struct subscriptions *subscriptions;
    struct replaying *replays; /* that wait for the database */
    size_t replay_count;
};

/* Rights */

struct awaited {
    struct channel *channel; /* one reference */
    unsigned petition;       /* the channel's last, unless its token has changed meanwhile */
};

static void on_rights(void *arg, const struct channel_rights *rights, const struct err *why)
{
    struct awaited *awaited = arg;
    struct channel *channel = awaited->channel;

    if (awaited->petition != channel->petitions)
        log_debug("realtime", "an answer about an older token", log_s("topic", channel->topic));
    else if (rights)
        joining_decide(channel, rights, NULL);
    else
        joining_fail(channel, why);
    channel_unref(channel);
    free(awaited);
}

static void authorize(void *arg, struct channel *channel)
{
    struct gate *gate = arg;
    struct awaited *awaited = mem_alloc(sizeof(*awaited));

    awaited->channel = channel_ref(channel);
    awaited->petition = ++channel->petitions;
    authorizer_ask(gate->authorizer, channel->session, channel_name(channel), on_rights, awaited);
}

static void ask_rights(void *arg, struct session *session, struct str topic, rights_cb *cb,
                       void *cb_arg)
{
    struct gate *gate = arg;

    authorizer_ask(gate->authorizer, session, topic, cb, cb_arg);
}

/* Stored messages */

struct replaying {
    struct replaying *next;
    struct gate *gate;
    struct channel *channel; /* one reference */
};

static void fail(struct channel *channel)
{
    struct err why;

    err_set(&why, "UnableToReplayMessages: Realtime was unable to replay messages");
    joining_fail(channel, &why);
}

static void end(struct gate *gate, struct replaying *replaying)
{
    struct replaying **at = &gate->replays;

    while (*at != replaying)
        at = &(*at)->next;
    *at = replaying->next;
    gate->replay_count--;
    channel_unref(replaying->channel);
    free(replaying);
}

static void replay_row(struct channel *channel, const struct pg_result *result, size_t row)
{
    struct stored_message message = {.id = pg_result_value(result, row, 0),
                                     .event = pg_result_value(result, row, 1),
                                     .payload = pg_result_value(result, row, 2),
                                     .is_binary = !pg_result_is_null(result, row, 3),
                                     .is_private = true};
    struct buf bytes;

    buf_init(&bytes, MAX_BYTES);
    if (message.is_binary && hex_decode(&bytes, pg_result_value(result, row, 3)))
        message.payload = buf_str(&bytes);
    if (message.is_binary || !pg_result_is_null(result, row, 2))
        catchup_replay(channel, &message);
    buf_fini(&bytes);
}

static void on_messages(void *arg, const struct pg_result *result, const struct err *err)
{
    struct replaying *replaying = arg;
    struct channel *channel = replaying->channel;

    if (err) {
        log_warn("realtime", "stored messages could not be read", log_s("topic", channel->topic),
                 log_err(err));
        fail(channel);
    } else {
        for (size_t row = 0; row < pg_result_rows(result); row++)
            replay_row(channel, result, row);
        catchup_end(channel);
    }
    end(replaying->gate, replaying);
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static struct str number(char *room, size_t size, int64_t value)
{
    return str_from(room, (size_t)snprintf(room, size, "%" PRId64, value));
}

static void replay(void *arg, struct channel *channel, const struct replay *replay)
{
    struct gate *gate = arg;
    struct pg_conn *conn = authorizer_patient_conn(gate->authorizer);
    struct replaying *replaying;
    char since[24], limit[24];
    struct pg_param params[] = {
        {channel_name(channel)},
        {number(since, sizeof(since), replay->since_ms)},
        {number(limit, sizeof(limit), clamp(replay->limit, 1, MAX_REPLAYED))},
        {{0}}};
    struct buf recent;

    if (!conn || gate->replay_count >= MAX_REPLAYS) {
        fail(channel);
        return;
    }
    replaying = mem_alloc(sizeof(*replaying));
    replaying->gate = gate;
    replaying->channel = channel_ref(channel);
    replaying->next = gate->replays;
    gate->replays = replaying;
    gate->replay_count++;
    buf_init(&recent, MAX_RECENT_BYTES);
    recent_write(&gate->core->recent, clock_monotonic_ms(), &recent);
    params[3].value = buf_str(&recent);
    pg_conn_query(conn, sql_realtime_replay, params, 4, on_messages, replaying);
    buf_fini(&recent);
}

static void fail_replays(void *arg)
{
    struct gate *gate = arg;

    while (gate->replays) {
        fail(gate->replays->channel);
        end(gate, gate->replays);
    }
}

/* Subscriptions */

static void check_bindings(void *arg, struct channel *channel)
{
    struct gate *gate = arg;

    subscriptions_check(gate->subscriptions, channel);
}

static struct pg_conn *quick_conn(void *arg)
{
    struct gate *gate = arg;

    return gate->authorizer ? authorizer_quick_conn(gate->authorizer) : NULL;
}

static void on_quick_up(void *arg)
{
    struct gate *gate = arg;

    subscriptions_up(gate->subscriptions);
}

static void on_quick_down(void *arg)
{
    struct gate *gate = arg;

    subscriptions_down(gate->subscriptions);
}

/* Life */

struct gate *gate_open(uv_loop_t *loop, struct core *core)
{
    static const struct authorizer_events events = {on_quick_up, on_quick_down, fail_replays};
    struct gate *gate = mem_alloc(sizeof(*gate));

    gate->core = core;
    gate->subscriptions = subscriptions_new(core, quick_conn, gate);
    gate->authorizer = authorizer_open(loop, core, &events, gate);
    core->authorize_arg = gate;
    core->authorize = authorize;
    core->ask_rights = ask_rights;
    core->replay = replay;
    core->check_bindings = check_bindings;
    return gate;
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    gate->core->authorize = NULL;
    gate->core->ask_rights = NULL;
    gate->core->replay = NULL;
    gate->core->check_bindings = NULL;
    gate->core->authorize_arg = NULL;
    authorizer_close(gate->authorizer);
    fail_replays(gate);
    subscriptions_free(gate->subscriptions);
    free(gate);
}

void gate_tick(struct gate *gate, uint64_t now_ms)
{
    authorizer_tick(gate->authorizer, now_ms);
}
