#include "realtime/catchup.h"
#include "realtime/fanout.h"
#include "realtime/joining.h"
#include "realtime/waiting.h"
#include "world.h"

#define JOIN                                                                                       \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"private\":true,\"presence\":{"        \
    "\"enabled\":false},\"broadcast\":{\"replay\":{\"since\":5,\"limit\":3}}}}]"
#define LIVE(id)                                                                                   \
    "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\","             \
    "\"payload\":{},\"meta\":{\"id\":\"" id "\"}}]"
#define REPLAYED(id)                                                                               \
    "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\","             \
    "\"payload\":{},\"meta\":{\"replayed\":true,\"id\":\"" id "\"}}]"

static struct channel *asking;
static struct replay wanted;

static void let_in(void *arg, struct channel *channel)
{
    (void)arg;
    joining_decide(channel, &(struct channel_rights){.may_read_broadcast = true}, NULL);
}

static void let_send(void *arg, struct channel *channel)
{
    (void)arg;
    joining_decide(channel,
                   &(struct channel_rights){.may_send_broadcast = true, .may_read_presence = true},
                   NULL);
}

static void keep_replay(void *arg, struct channel *channel, const struct replay *replay)
{
    (void)arg;
    asking = channel_ref(channel);
    wanted = *replay;
}

static struct stored_message message(const char *id)
{
    return (struct stored_message){STR("r"), STR("e"), STR("{}"), str_c(id), true, false};
}

static void send_live(struct world *w, const char *id)
{
    const struct stored_message sent = message(id);

    broadcast_send_message(&w->core, &sent);
}

static void replay(const char *id)
{
    const struct stored_message stored = message(id);

    catchup_replay(asking, &stored);
}

static void join(struct world *w)
{
    w->core.authorize = let_in;
    w->core.replay = keep_replay;
    say(w->client, JOIN);
    expect_start("the join is answered first", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\"");
}

static void end(void)
{
    catchup_end(asking);
    channel_unref(asking);
    asking = NULL;
}

static void test_order(void **state)
{
    struct world *w = *state;

    join(w);
    assert_int_equal(wanted.since_ms, 5);
    assert_int_equal(wanted.limit, 3);
    send_live(w, "3");
    send_live(w, "4");
    expect("what comes meanwhile is held back", w->client, NULL);
    replay("1");
    replay("2");
    replay("3");
    end();
    expect("stored messages come first", w->client, REPLAYED("1"));
    expect("in their order", w->client, REPLAYED("2"));
    expect("also one that has come meanwhile", w->client, REPLAYED("3"));
    expect("then the new ones", w->client, LIVE("4"));
    expect("each once", w->client, NULL);
    send_live(w, "2");
    expect("although the stream lags", w->client, NULL);
    send_live(w, "5");
    expect("and so on", w->client, LIVE("5"));
}

static void test_left(void **state)
{
    struct world *w = *state;

    join(w);
    send_live(w, "1");
    say(w->client, "[\"1\",\"2\",\"realtime:r\",\"phx_leave\",{}]");
    drop_all(w->client);
    replay("1");
    end();
    expect("who has left is sent nothing", w->client, NULL);
}

static void test_too_much(void **state)
{
    struct world *w = *state;

    w->config.realtime_client_buffer_bytes = 500;
    join(w);
    for (int i = 0; i < 6 && w->client->channels; i++)
        send_live(w, "1");
    expect("who would miss a message starts over", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_error\",{}]");
    assert_null(w->client->channels);
    end();
    expect("and is sent nothing of it", w->client, NULL);
}

static void test_refused(void **state)
{
    struct world *w = *state;

    w->core.authorize = let_send;
    w->core.replay = keep_replay;
    say(w->client, JOIN);
    expect("who may not read is not replayed to", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{"
           "\"reason\":\"Unauthorized: You do not have permissions to read from this Channel "
           "topic: r\"}}]");
    assert_null(asking);
    w->core.authorize = let_in;
    w->core.replay = NULL;
    say(w->client, JOIN);
    expect_start("joined", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\"");
    expect_start("where nothing can be replayed it is said", w->client,
                 "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"UnableToReplayMessages: ");
    expect("and tried again", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_error\",{}]");
}

/* A message stands in the line of the rows. */
static void test_line(void **state)
{
    static const char row[] =
        "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t\",\"columns\":[{\"name\":\"id\","
        "\"typeoid\":23,\"value\":1}],\"pk\":[{\"name\":\"id\",\"typeoid\":23}]}";
    struct world *w = *state;
    struct fanout *fanout = fanout_new(&w->core);
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    struct change change = fixture_read(decoder, row);
    struct stored_message sent = message("1");
    struct position position = {.commit_lsn = 10, .ordinal = 1, .xid = 7};

    sent.is_private = false;
    say(w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{"
                   "\"enabled\":false},\"postgres_changes\":[{\"table\":\"t\"}]}}]");
    drop_all(w->client);
    fanout_take(fanout, event_new_message(&sent, &position));
    expect("alone it passes at once", w->client, LIVE("1"));
    fanout_take(fanout, event_new_message(&sent, &position));
    expect("what is read again has gone to the clients", w->client, NULL);
    fanout_take(fanout, event_new_row(&change, 10, 2, sizeof(row), types));
    position.ordinal = 3;
    fanout_take(fanout, event_new_message(&sent, &position));
    expect("behind a row that waits it waits, too", w->client, NULL);
    assert_int_equal(w->core.recent.count, 1);
    fanout_take(fanout, event_new_gap(&(struct event_gap){.messages = true}));
    expect("who may have missed a message starts over", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_error\",{}]");
    types_unref(types);
    decoder_free(decoder);
    fanout_free(fanout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
