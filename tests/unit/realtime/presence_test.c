#include "realtime/joining.h"
#include "realtime/presence.h"
#include "realtime/roster.h"
#include "world.h"

#define REF(n) "\"phx_ref\":\"000000000000000" #n "\""
#define PREV(n) ",\"phx_ref_prev\":\"000000000000000" #n "\""

#define JOIN(presence)                                                                             \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":" presence "}}]"
#define CALL(event, payload)                                                                       \
    "[\"1\",\"7\",\"realtime:r\",\"presence\",{\"type\":\"presence\",\"event\":\"" event           \
    "\",\"payload\":" payload "}]"
#define TRACK(payload) CALL("track", payload)
#define UNTRACK                                                                                    \
    "[\"1\",\"8\",\"realtime:r\",\"presence\",{\"type\":\"presence\",\"event\":\"untrack\"}]"
#define STATE(payload) "[\"1\",null,\"realtime:r\",\"presence_state\"," payload "]"
#define DIFF(joins, leaves)                                                                        \
    "[null,null,\"realtime:r\",\"presence_diff\",{\"joins\":{" joins "},\"leaves\":{" leaves "}}]"
#define REPLY(ref, answer) "[\"1\",\"" ref "\",\"realtime:r\",\"phx_reply\"," answer "]"
#define OK_7 REPLY("7", "{\"status\":\"ok\",\"response\":{}}")
#define ERROR_7(reason)                                                                            \
    REPLY("7", "{\"status\":\"error\",\"response\":{\"reason\":\"" reason "\"}}")

static int set_up_refs(void **state)
{
    set_up(state);
    ((struct world *)*state)->core.presences.last_ref = 0;
    return 0;
}

static struct client *joined(struct world *w, const char *join)
{
    struct client *client = new_client(w, PHOENIX_V2, "anon");

    say(client, join);
    drop_all(client);
    return client;
}

static void test_protocol(void **state)
{
    struct world *w = *state;
    struct client *watcher = joined(w, JOIN("{}"));
    struct client *late = new_client(w, PHOENIX_V2, "anon");

    say(w->client, JOIN("{\"key\":\"ann\",\"enabled\":true}"));
    expect_start("the join's reply", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_reply\"");
    expect("nobody is there", w->client, STATE("{}"));
    say(w->client, TRACK("{\"n\":\"A\"}"));
    expect("track", w->client, OK_7);
    expect("is told later", watcher, NULL);

    say(late, JOIN("{}"));
    expect_start("the join's reply", late, "[\"1\",\"1\",\"realtime:r\",\"phx_reply\"");
    expect("whoever joins before that is told later, too", late, STATE("{}"));
    presence_flush(&w->core);
    for (int i = 0; i < 3; i++)
        expect("all are told",
               i == 0   ? watcher
               : i == 1 ? late
                        : w->client,
               DIFF("\"ann\":{\"metas\":[{\"n\":\"A\"," REF(1) "}]}", ""));
    presence_flush(&w->core);
    expect("once", watcher, NULL);

    say(w->client, TRACK("{\"n\":\"A\"}"));
    expect("the same again", w->client, OK_7);
    presence_flush(&w->core);
    expect("is nothing new", watcher, NULL);
    say(w->client, CALL("TRACK", "{}"));
    expect("an update", w->client, OK_7);
    presence_flush(&w->core);
    expect("is a leave and a join", watcher,
           DIFF("\"ann\":{\"metas\":[{" REF(2) PREV(1) "}]}",
                "\"ann\":{\"metas\":[{\"n\":\"A\"," REF(1) "}]}"));
    say(late, "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{}]");
    drop_all(w->client);
    drop_all(late);
    say(w->client, UNTRACK);
    expect("untrack", w->client, REPLY("8", "{\"status\":\"ok\",\"response\":{}}"));
    say(w->client, UNTRACK);
    expect("twice", w->client, REPLY("8", "{\"status\":\"ok\",\"response\":{}}"));
    presence_flush(&w->core);
    expect("a leave", watcher, DIFF("", "\"ann\":{\"metas\":[{" REF(2) PREV(1) "}]}"));
    assert_int_equal(stat_get(&w->stats.presences), 0);
    assert_int_equal(stat_get(&w->stats.presence_diffs_total), 3);
}

static void test_state(void **state)
{
    struct world *w = *state;
    struct client *tabs[2] = {joined(w, JOIN("{\"key\":\"ann\"}")),
                              joined(w, JOIN("{\"key\":\"ann\"}"))};
    struct client *old = new_client(w, PHOENIX_V1, "anon");

    for (int i = 0; i < 2; i++)
        say(tabs[i], i ? TRACK("{\"tab\":2}") : TRACK("{\"tab\":1}"));
    presence_flush(&w->core);
    say(w->client, JOIN("{\"key\":7}"));
    expect_start("the join's reply", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_reply\"");
    expect("two tabs, one key", w->client,
           STATE("{\"ann\":{\"metas\":[{\"tab\":1," REF(1) "},{\"tab\":2," REF(2) "}]}}"));
    say(old, "{\"topic\":\"realtime:r\",\"event\":\"phx_join\",\"ref\":\"1\",\"payload\":{}}");
    expect_start("the join's reply", old, "{\"topic\":\"realtime:r\",\"event\":\"phx_reply\"");
    expect(
        "version 1", old,
        "{\"topic\":\"realtime:r\",\"event\":\"presence_state\",\"payload\":{\"ann\":{\"metas\":["
        "{\"tab\":1," REF(1) "},{\"tab\":2," REF(2) "}]}},\"ref\":null}");
    say(w->client, TRACK("{}"));
    client_close(tabs[0], CLIENT_CLOSE_AWAY, "the socket is lost");
    drop_all(w->client);
    presence_flush(&w->core);
    expect(
        "one tab has gone, and a key may be a number", w->client,
        DIFF("\"7\":{\"metas\":[{" REF(3) "}]}", "\"ann\":{\"metas\":[{\"tab\":1," REF(1) "}]}"));
    expect("version 1", old,
           "{\"topic\":\"realtime:r\",\"event\":\"presence_diff\",\"payload\":{\"joins\":{\"7\":{"
           "\"metas\":[{" REF(3) "}]}},\"leaves\":{\"ann\":{\"metas\":[{\"tab\":1," REF(
               1) "}]}}},\"ref\":null}");
    say(tabs[1], "[\"1\",\"9\",\"realtime:r\",\"phx_leave\",{}]");
    presence_flush(&w->core);
    expect("the other leaves the channel", w->client,
           DIFF("", "\"ann\":{\"metas\":[{\"tab\":2," REF(2) "}]}"));
}

static void test_keys(void **state)
{
    static const char *const joins[] = {JOIN("{\"key\":\"\"}"), JOIN("{\"key\":null}"),
                                        JOIN("{\"key\":{}}"), JOIN("{}")};
    struct world *w = *state;
    char last[40] = "";

    for (size_t i = 0; i < COUNT(joins); i++) {
        const char *key;

        say(w->client, joins[i]);
        say(w->client, TRACK("{}"));
        key = w->client->channels->presence_key;
        assert_int_equal(strlen(key), 36);
        assert_true(key[8] == '-' && key[13] == '-' && key[18] == '-' && key[23] == '-');
        assert_string_not_equal(key, last);
        strcpy(last, key);
        drop_all(w->client);
    }
}

static void test_who_is_told(void **state)
{
    struct world *w = *state;
    struct client *deaf = new_client(w, PHOENIX_V2, "anon"), *watcher = joined(w, JOIN("{}"));

    say(deaf, JOIN("{\"key\":\"d\",\"enabled\":false}"));
    expect_start("the join's reply", deaf, "[\"1\",\"1\",\"realtime:r\",\"phx_reply\"");
    expect("presence was not wanted", deaf, NULL);
    say(deaf, TRACK("{}"));
    expect("to track is allowed", deaf, OK_7);
    presence_flush(&w->core);
    expect("but it is not told", deaf, NULL);
    expect("the others are", watcher, DIFF("\"d\":{\"metas\":[{" REF(1) "}]}", ""));
    watcher->channels->rights.may_read_presence = false;
    say(deaf, UNTRACK);
    presence_flush(&w->core);
    expect("who may not read is not told", watcher, NULL);
    watcher->channels->rights.may_send_presence = false;
    say(watcher, TRACK("{}"));
    expect("who may not track is refused", watcher,
           ERROR_7("Unauthorized: You do not have permissions to track presence in this Channel"));
    assert_int_equal(stat_get(&w->stats.presence_refused_total), 1);
}

static void test_refused(void **state)
{
    static const struct {
        const char *says, *frame, *answer;
    } rows[] = {
        {"no object", TRACK("[]"), ERROR_7("Presence track payload must be a map")},
        {"null", TRACK("null"), ERROR_7("Presence track payload must be a map")},
        {"another event", CALL("move", "{}"),
         ERROR_7("The event of a presence message is track or untrack")},
        {"no event", "[\"1\",\"7\",\"realtime:r\",\"presence\",{}]",
         ERROR_7("The event of a presence message is track or untrack")},
        {"no payload at all", "[\"1\",\"7\",\"realtime:r\",\"presence\",[]]",
         ERROR_7("The event of a presence message is track or untrack")},
        {"an event that is no text", "[\"1\",\"7\",\"realtime:r\",\"presence\",{\"event\":12345}]",
         ERROR_7("The event of a presence message is track or untrack")},
        {"nothing to say of oneself",
         "[\"1\",\"7\",\"realtime:r\",\"presence\",{\"event\":\"track\"}]", OK_7},
    };
    struct world *w = *state;
    char text[2000];

    say(w->client, JOIN("{}"));
    drop_all(w->client);
    for (size_t i = 0; i < COUNT(rows); i++) {
        say(w->client, rows[i].frame);
        expect(rows[i].says, w->client, rows[i].answer);
    }
    snprintf(text, sizeof(text), TRACK("{\"x\":\"%01000d\"}"), 0);
    say(w->client, text);
    expect("too large", w->client,
           "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Track message size exceeded\","
           "\"status\":\"error\",\"extension\":\"system\",\"channel\":\"r\"}]");
    expect("ends the channel", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    assert_int_equal(stat_get(&w->stats.presence_refused_total), 7);
}

static void test_limits(void **state)
{
    struct world *w = *state;
    struct client *second = joined(w, JOIN("{}")), *third = joined(w, JOIN("{}"));

    say(w->client, JOIN("{}"));
    drop_all(w->client);
    w->config.realtime_max_presences = 2;
    say(w->client, TRACK("{}"));
    say(second, TRACK("{}"));
    say(third, TRACK("{}"));
    expect("one too many", third, ERROR_7("PresenceLimitReached: A topic has at most 2 presences"));
    say(second, TRACK("{\"n\":2}"));
    expect("who is there may change", second, OK_7);
    expect("twice", second, OK_7);
    say(second, UNTRACK);
    say(third, TRACK("{}"));
    expect("when another has gone", third, OK_7);

    w->config.realtime_presence_memory_bytes = w->core.presences.bytes;
    say(third, TRACK("{\"n\":3}"));
    expect("no memory", third,
           ERROR_7("PresenceLimitReached: The server keeps no more presences now"));
    w->config.realtime_presence_memory_bytes = 1 << 20;

    w->config.realtime_max_presence_per_second = 2;
    drop_all(w->client);
    for (int i = 0; i < 2; i++)
        client_receive(w->client, str_c(i ? TRACK("{\"n\":1}") : UNTRACK), 50000);
    drop_all(w->client);
    client_receive(w->client, str_c(UNTRACK), 50000);
    expect("too often", w->client,
           "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Client presence rate limit "
           "exceeded\",\"status\":\"error\",\"extension\":\"system\",\"channel\":\"r\"}]");
    expect("ends the channel", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    assert_int_equal(stat_get(&w->stats.presence_limited_total), 1);
    assert_int_equal(stat_get(&w->stats.presence_refused_total), 2);
    assert_int_equal(stat_get(&w->stats.presences), 1);
}

static void *due_for;

static void on_due(void *arg)
{
    due_for = arg;
}

/* A large state is one frame for all who join between two changes. */
static void test_large_state(void **state)
{
    struct world *w = *state;
    struct client *tracker = joined(w, JOIN("{\"key\":\"k\"}")), *a, *b;
    char text[2000];

    w->config.realtime_max_clients = 100;
    w->config.realtime_client_buffer_bytes = 1 << 20;
    w->config.realtime_max_payload_bytes = 1 << 20;
    w->core.presence_due = on_due;
    w->core.presence_due_arg = w;
    for (int i = 0; i < 6; i++) {
        struct client *client = i ? new_client(w, PHOENIX_V2, "anon") : tracker;

        say(client, JOIN("{}"));
        snprintf(text, sizeof(text), TRACK("{\"x\":\"%0900d\"}"), i);
        say(client, text);
    }
    assert_ptr_equal(due_for, w);
    presence_flush(&w->core);
    a = new_client(w, PHOENIX_V2, "anon");
    b = new_client(w, PHOENIX_V2, "anon");
    say(a, JOIN("{}"));
    say(b, JOIN("{}"));
    assert_ptr_equal(outbox_at(&a->outbox, 1), outbox_at(&b->outbox, 1));
    assert_true(outbox_at(&a->outbox, 1)->len > 5400);
    drop_all(a);
    say(tracker, UNTRACK);
    presence_flush(&w->core);
    say(a, JOIN("{}"));
    frame_unref(outbox_pop(&a->outbox)); /* the diff */
    expect("the old channel", a, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    assert_true(outbox_at(&a->outbox, 1)->len < 5400);
}

/* Clients that do not read are closed while the others are told, and are told of, too. */
static void test_slow(void **state)
{
    struct world *w = *state;
    struct client *slow = joined(w, JOIN("{\"key\":\"slow\"}")), *other;

    say(w->client, JOIN("{\"key\":\"quick\"}"));
    say(w->client, TRACK("{}"));
    say(slow, TRACK("{}"));
    other = joined(w, JOIN("{}"));
    for (int i = 0; i < 200 && !slow->closing; i++) {
        char text[200];

        snprintf(text, sizeof(text), TRACK("{\"n\":%d}"), i);
        say(w->client, text);
        presence_flush(&w->core);
        drop_all(w->client);
        if (!slow->closing)
            drop_all(other);
    }
    assert_true(slow->closing);
    assert_false(other->closing);
    drop_all(other);
    presence_flush(&w->core);
    expect_start("it is gone", other,
                 "[null,null,\"realtime:r\",\"presence_diff\",{\"joins\":{},\"leaves\":{\"slow\":");
    /* the last of a room goes while the room is walked */
    client_close(other, CLIENT_CLOSE_AWAY, "");
    for (int i = 0; i < 200 && !w->client->closing; i++) {
        char text[200];

        snprintf(text, sizeof(text), TRACK("{\"n\":%d}"), i);
        say(w->client, text);
        presence_flush(&w->core);
    }
    assert_true(w->client->closing);
    assert_int_equal(w->core.rooms.map.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_protocol, set_up_refs, tear_down),
        cmocka_unit_test_setup_teardown(test_state, set_up_refs, tear_down),
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_told, set_up_refs, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
