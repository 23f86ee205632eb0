#include "realtime/broadcast.h"
#include "realtime/joining.h"
#include "realtime/room.h"
#include "world.h"

#define BYTES(literal) ((struct str){(literal), sizeof(literal) - 1})

/* The payload of a join with these settings of config.broadcast, and without presence. */
#define CONFIG(broadcast)                                                                          \
    "{\"config\":{\"presence\":{\"enabled\":false},\"broadcast\":" broadcast "}}"
#define JOIN(broadcast) "[\"1\",\"1\",\"realtime:r\",\"phx_join\"," CONFIG(broadcast) "]"
#define JOIN_V1(broadcast)                                                                         \
    "{\"topic\":\"realtime:r\",\"event\":\"phx_join\",\"ref\":\"1\",\"payload\":" CONFIG(          \
        broadcast) "}"

/* What a client says, and what the others hear of it. */
#define SHOT "{\"type\":\"broadcast\",\"event\":\"shot\",\"payload\":{\"n\":1.50}}"
#define SAYS "[\"1\",\"7\",\"realtime:r\",\"broadcast\"," SHOT "]"
#define SAYS_V1                                                                                    \
    "{\"topic\":\"realtime:r\",\"event\":\"broadcast\",\"ref\":\"7\",\"payload\":" SHOT "}"
#define SAYS_JSON                                                                                  \
    BYTES("\x03\x01\x01\x0a\x04\x00\x01"                                                           \
          "17realtime:rshot{\"n\":1.50}")
#define SAYS_BYTES                                                                                 \
    BYTES("\x03\x01\x01\x0a\x04\x00\x00"                                                           \
          "17realtime:rshot\xff\x00")
#define HEARS "[null,null,\"realtime:r\",\"broadcast\"," SHOT "]"
#define HEARS_V1                                                                                   \
    "{\"topic\":\"realtime:r\",\"event\":\"broadcast\",\"payload\":" SHOT ",\"ref\":null}"
#define HEARS_JSON                                                                                 \
    BYTES("\x04\x0a\x04\x00\x01"                                                                   \
          "realtime:rshot{\"n\":1.50}")
#define HEARS_BYTES                                                                                \
    BYTES("\x04\x0a\x04\x00\x00"                                                                   \
          "realtime:rshot\xff\x00")
#define REPLY_OK "[\"1\",\"7\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"
#define REPLY_ERROR(reason)                                                                        \
    "[\"1\",\"7\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"    \
    "\"" reason "\"}}]"

static struct client *joined(struct world *w, enum phoenix_vsn vsn, const char *join)
{
    struct client *client = new_client(w, vsn, "anon");

    say(client, join);
    drop_all(client);
    return client;
}

static void say_binary(struct client *client, struct str bytes)
{
    client_receive_binary(client, bytes, 2000);
}

static void test_forms(void **state)
{
    struct world *w = *state;
    struct client *sender = joined(w, PHOENIX_V2, JOIN("{}"));
    struct client *old_sender = joined(w, PHOENIX_V1, JOIN_V1("{}"));
    struct client *v2 = joined(w, PHOENIX_V2, JOIN("{}"));
    struct client *v1 = w->client;

    w->client->vsn = PHOENIX_V1;
    say(v1, JOIN_V1("{}"));
    drop_all(v1);

    say(sender, SAYS);
    expect("text stays text", v2, HEARS);
    expect("and loses nothing on its way to the other version", v1, HEARS_V1);
    say(old_sender, SAYS_V1);
    expect("from the other version", v2, HEARS);
    expect("and within it", v1, HEARS_V1);
    drop_all(sender);
    drop_all(old_sender);

    say_binary(sender, SAYS_JSON);
    expect_binary("JSON in a binary frame stays binary", v2, HEARS_JSON);
    expect("and becomes text for those who know no other", v1, HEARS_V1);
    expect("who sends does not hear himself", sender, NULL);
    drop_all(old_sender);

    say_binary(sender, SAYS_BYTES);
    expect_binary("bytes", v2, HEARS_BYTES);
    expect("have no form in version 1, which is said", v1,
           "{\"topic\":\"realtime:r\",\"event\":\"system\",\"payload\":{\"message\":\"A binary "
           "message "
           "was not sent: protocol version 1.0.0 has no form for it\",\"status\":\"error\","
           "\"extension\":\"broadcast\",\"channel\":\"r\"},\"ref\":null}");
    say_binary(sender, SAYS_BYTES);
    expect_binary("bytes", v2, HEARS_BYTES);
    expect("once", v1, NULL);
    assert_int_equal(stat_get(&w->stats.broadcasts_unfit_total), 4);
    assert_int_equal(stat_get(&w->stats.broadcasts_total), 5);
    for (size_t i = 0; i < 2; i++)
        expect("nothing else came", i ? v1 : v2, NULL);
}

static void test_shared(void **state)
{
    struct world *w = *state;
    struct client *a = joined(w, PHOENIX_V2, JOIN("{}")), *b = joined(w, PHOENIX_V2, JOIN("{}"));

    say(w->client, JOIN("{}"));
    drop_all(w->client);
    say(w->client, SAYS);
    assert_ptr_equal(outbox_at(&a->outbox, 0), outbox_at(&b->outbox, 0));
}

static void test_self_and_ack(void **state)
{
    static const struct {
        const char *says, *join;
        bool self, ack;
    } rows[] = {
        {"neither", JOIN("{}"), false, false},
        {"self", JOIN("{\"self\":true}"), true, false},
        {"ack", JOIN("{\"ack\":\"true\"}"), false, true},
        {"both", JOIN("{\"self\":true,\"ack\":true}"), true, true},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int binary = 0; binary < 2; binary++) {
            say(w->client, rows[i].join);
            drop_all(w->client);
            if (binary)
                say_binary(w->client, SAYS_JSON);
            else
                say(w->client, SAYS);
            if (rows[i].self && binary)
                expect_binary(rows[i].says, w->client, HEARS_JSON);
            else if (rows[i].self)
                expect(rows[i].says, w->client, HEARS);
            if (rows[i].ack)
                expect(rows[i].says, w->client, REPLY_OK);
            expect(rows[i].says, w->client, NULL);
        }
    }
}

static void test_refused(void **state)
{
    struct world *w = *state;
    struct client *other = joined(w, PHOENIX_V2, JOIN("{}"));
    char big[1100];
    int len;

    say_binary(w->client, SAYS_JSON);
    expect("to a topic that was not joined", w->client, REPLY_ERROR("unmatched topic"));
    say(w->client, JOIN("{\"ack\":true}"));
    drop_all(w->client);
    say(w->client, "[\"1\",\"7\",\"realtime:r\",\"broadcast\",[]]");
    expect("no object", w->client,
           REPLY_ERROR("InvalidBroadcast: The payload of a broadcast is an object"));
    len = snprintf(big, sizeof(big),
                   "[\"1\",\"7\",\"realtime:r\",\"broadcast\",{\"x\":\"%01000d\"}]", 0);
    client_receive(w->client, str_from(big, (size_t)len), 2000);
    expect("too large", w->client,
           REPLY_ERROR("PayloadSizeExceeded: A message has at most 1000 bytes"));
    w->client->channels->rights.may_send_broadcast = false;
    say(w->client, SAYS);
    expect("without the right", w->client,
           REPLY_ERROR("Unauthorized: You do not have permissions to write to this Channel topic: "
                       "r"));
    say(w->client, JOIN("{}"));
    drop_all(w->client);
    say(w->client, "[\"1\",\"7\",\"realtime:r\",\"broadcast\",[]]");
    expect("without ack nothing is said", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.broadcasts_refused_total), 4);
    expect("and nobody heard anything", other, NULL);
    say_binary(w->client, BYTES("\x03\x01\x01\x0a\x04\x00\x01"
                                "17realtime:rshot{"));
    assert_int_equal(stat_get(&w->stats.frames_malformed_total), 1);
}

static void test_door(void **state)
{
    const struct broadcast plain = {
        .form = BROADCAST_JSON, .event = STR("e\""), .payload = STR("1")};
    const struct broadcast marked = {.form = BROADCAST_JSON,
                                     .event = STR("e"),
                                     .payload = STR("{}"),
                                     .meta = STR("{\"id\":\"x\"}")};
    struct world *w = *state;

    say(w->client, JOIN("{}"));
    drop_all(w->client);
    broadcast_send(&w->core, STR("r"), false, &plain);
    expect("an event is escaped", w->client,
           "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\\\"\","
           "\"payload\":1}]");
    broadcast_send(&w->core, STR("r"), false, &marked);
    expect("meta data", w->client,
           "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\","
           "\"payload\":{},\"meta\":{\"id\":\"x\"}}]");
    broadcast_send(&w->core, STR("r"), true, &plain);
    broadcast_send(&w->core, STR("nobody"), false, &plain);
    expect("the private topic of the name is another", w->client, NULL);
    w->client->channels->rights.may_read_broadcast = false;
    broadcast_send(&w->core, STR("r"), false, &plain);
    expect("who may not read is not told", w->client, NULL);
}

static size_t count_all(struct client *client)
{
    size_t count = 0;

    for (struct frame *frame; (frame = outbox_pop(&client->outbox)); count++)
        frame_unref(frame);
    return count;
}

/* The outbox holds 4096 bytes here. Whoever does not read is closed, in the middle of the walk,
 * which may be the sender's own; the others still get everything, once. */
static void test_slow(void **state)
{
    struct world *w = *state;
    struct client *slow = joined(w, PHOENIX_V2, JOIN("{\"self\":true,\"ack\":true}"));
    struct client *others[3] = {joined(w, PHOENIX_V2, JOIN("{}")), w->client,
                                joined(w, PHOENIX_V2, JOIN("{}"))};
    size_t heard[3] = {0};

    say(w->client, JOIN("{}"));
    drop_all(w->client);
    for (int i = 0; i < 100; i++) {
        say(slow, SAYS);
        for (int k = 0; k < 3; k++)
            heard[k] += count_all(others[k]);
    }
    assert_int_equal(w->closed, CLIENT_CLOSE_LATER);
    assert_true(slow->closing);
    assert_int_equal(stat_get(&w->stats.clients_slow_total), 1);
    for (int k = 0; k < 3; k++)
        assert_int_equal(heard[k], stat_get(&w->stats.broadcasts_total));
    assert_int_equal(w->client->channels->room->count, 3);
}

static void test_rate(void **state)
{
    struct world *w = *state;

    w->config.realtime_max_messages_per_second = 10;
    say(w->client, JOIN("{\"ack\":true}"));
    drop_all(w->client);
    for (int i = 0; i < 10; i++) {
        say(w->client, SAYS);
        expect("as many as allowed, at once", w->client, REPLY_OK);
    }
    client_receive(w->client, str_c(SAYS), 2100);
    expect("a tenth of a second later there is one more", w->client, REPLY_OK);
    client_receive(w->client, str_c("[\"1\",\"9\",\"realtime:r\",\"unknown\",{}]"), 2100);
    expect("but not two", w->client,
           "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Too many messages per second\","
           "\"status\":\"error\",\"extension\":\"system\",\"channel\":\"r\"}]");
    expect("the channel is closed", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    assert_int_equal(stat_get(&w->stats.messages_limited_total), 1);
    assert_int_equal(w->closed, 0);
}

/* Private channels: what the database answers, here a variable, may come later. */
static struct channel *asked;

static void keep_question(void *arg, struct channel *channel)
{
    (void)arg;
    asked = channel_ref(channel);
}

static void answer(const struct channel_rights *rights)
{
    struct err err;

    err_set(&err, "Unauthorized: no");
    joining_decide(asked, rights, &err);
    channel_unref(asked);
    asked = NULL;
}

#define JOIN_PRIVATE                                                                               \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"private\":true,\"presence\":{"        \
    "\"enabled\":"                                                                                 \
    "false},\"broadcast\":{\"ack\":true},\"postgres_changes\":[{\"table\":\"t\"}]}}]"

static void test_pending(void **state)
{
    static const struct channel_rights reads = {.may_read_broadcast = true};
    struct world *w = *state;
    struct client *outside = joined(w, PHOENIX_V2, JOIN("{}"));

    w->core.authorize = keep_question;
    say(w->client, JOIN_PRIVATE);
    expect("the join waits for the verdict", w->client, NULL);
    assert_int_equal(w->client->channel_count, 1);
    assert_int_equal(stat_get(&w->stats.bindings), 0);
    say(w->client, SAYS);
    expect("nothing can be sent yet", w->client, REPLY_ERROR("unmatched topic"));
    say_binary(w->client, SAYS_JSON);
    expect("in no form", w->client, REPLY_ERROR("unmatched topic"));
    answer(&reads);
    expect_start("now it is answered", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\"");
    expect_start("and then the rest", w->client, "[\"1\",null,\"realtime:r\",\"system\"");
    assert_int_equal(stat_get(&w->stats.bindings), 1);
    say(outside, SAYS);
    expect("a public room of the same name is another one", w->client, NULL);
    say(w->client, SAYS);
    expect_start("reading is not sending", w->client,
                 "[\"1\",\"7\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\"");

    say(w->client, JOIN_PRIVATE);
    drop_all(w->client);
    answer(NULL);
    expect(
        "a refusal", w->client,
        "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
        "\"Unauthorized: no\"}}]");
    assert_int_equal(w->client->channel_count, 0);

    say(w->client, JOIN_PRIVATE);
    say(w->client, "[\"1\",\"2\",\"realtime:r\",\"phx_leave\",{}]");
    drop_all(w->client);
    answer(&reads);
    expect("a verdict for somebody who has left", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.bindings), 0);

    say(w->client, JOIN_PRIVATE);
    say(w->client, JOIN("{}"));
    expect("a second join takes the place of one that waits", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    drop_all(w->client);
    answer(&reads);
    expect("which is not answered any more", w->client, NULL);
    say(w->client, JOIN_PRIVATE);
    client_close(w->client, CLIENT_CLOSE_AWAY, "test");
    answer(&reads);
    assert_int_equal(stat_get(&w->stats.channels), 1);
}

static void refresh(struct client *client, const char *role)
{
    char *token = jwt(role, 100), text[2048];

    snprintf(text, sizeof(text),
             "[\"1\",\"2\",\"realtime:r\",\"access_token\",{\"access_token\":\"%s\"}]", token);
    say(client, text);
    r_free(token);
}

static void test_new_rights(void **state)
{
    static const struct channel_rights all = {true, true, true, true},
                                       writes = {true, true, false, false};
    static const struct channel_rights none = {false, true, true, false};
    static const struct channel_rights half = {true, true, false, true};
    struct world *w = *state;

    w->core.authorize = keep_question;
    say(w->client, JOIN_PRIVATE);
    answer(&writes);
    drop_all(w->client);
    refresh(w->client, "authenticated");
    answer(&all);
    expect("a new token, more rights", w->client, NULL);
    assert_true(w->client->channels->rights.may_read_presence);
    refresh(w->client, "anon");
    answer(&none);
    expect("and one that may no longer read", w->client,
           "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"You no longer have permission to "
           "read from this Channel topic: r\",\"status\":\"error\",\"extension\":\"system\","
           "\"channel\":\"r\"}]");
    expect("ends the channel", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    say(w->client, JOIN_PRIVATE);
    answer(&all);
    drop_all(w->client);
    refresh(w->client, "authenticated");
    answer(&half);
    expect_start(
        "of presence as of broadcasts", w->client,
        "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"You no longer have permission");
    drop_all(w->client);
    say(w->client, JOIN_PRIVATE);
    answer(&writes);
    drop_all(w->client);
    refresh(w->client, "authenticated");
    answer(NULL);
    expect_start("as one does that is refused", w->client,
                 "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Unauthorized: no\"");
    assert_null(w->client->channels);
}

static void test_join_answers(void **state)
{
    struct world *w = *state;

    say(w->client,
        "[\"1\",\"7\",\"realtime:r\",\"phx_join\",{\"config\":{\"broadcast\":{\"replay\":{"
        "\"since\":0}}}}]");
    expect("replay in public", w->client,
           REPLY_ERROR("UnableToReplayMessages: Replay is not allowed for public channels"));
    w->core.authorize = keep_question;
    say(w->client, "[\"1\",\"7\",\"realtime:r\",\"phx_join\",{\"config\":{\"private\":true,"
                   "\"broadcast\":{\"replay\":{\"since\":\"x\"}}}}]");
    expect("replay since no time", w->client,
           REPLY_ERROR("UnableToReplayMessages: Replay params are not valid"));
    w->config.realtime_private_only = true;
    say(w->client, "[\"1\",\"7\",\"realtime:r\",\"phx_join\",{}]");
    expect("a public channel where there shall be none", w->client,
           REPLY_ERROR("PrivateOnly: This project only allows private channels"));
    say(w->client,
        "[\"1\",\"7\",\"realtime:r\",\"phx_join\",{\"config\":{\"postgres_changes\":1}}]");
    expect("a join that makes no sense", w->client,
           REPLY_ERROR("MalformedJoin: postgres_changes is an array"));
    say(w->client, "[\"1\",\"7\",\"realtime:r\",\"phx_join\",{\"config\":123456789012345678901}]");
    expect("a join that cannot be read", w->client,
           REPLY_ERROR("MalformedJoin: the payload of a join is an object"));
    w->config.realtime_max_joins_per_second = 5;
    for (int i = 0; i < 2; i++)
        client_receive(w->client, str_c("[\"1\",\"7\",\"realtime:r\",\"phx_join\",{}]"), 10000);
    drop_all(w->client);
    for (int i = 0; i < 3; i++)
        client_receive(w->client, str_c("[\"1\",\"7\",\"realtime:r\",\"phx_join\",{}]"), 10000);
    drop_all(w->client);
    client_receive(w->client, str_c("[\"1\",\"7\",\"realtime:r\",\"phx_join\",{}]"), 10000);
    expect("one join too many in a second", w->client,
           REPLY_ERROR("ClientJoinRateLimitReached: Too many joins per second"));
    assert_int_equal(stat_get(&w->stats.joins_limited_total), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_self_and_ack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_door, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_join_answers, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
