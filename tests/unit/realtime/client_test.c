#include "realtime/activity.h"
#include "realtime/fanout.h"
#include "realtime/waiting.h"
#include "world.h"

/* Everything that is answered with one frame, or with none. */
static void test_answers(void **state)
{
    static const struct {
        const char *says, *frame, *answer;
    } rows[] = {
        {"a heartbeat", "[null,\"26\",\"phoenix\",\"heartbeat\",{}]",
         "[null,\"26\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"},
        {"a push to a topic that was not joined", "[null,\"1\",\"realtime:r\",\"x\",{}]",
         "[null,\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"unmatched topic\"}}]"},
        {"leaving a topic that was not joined", "[null,\"1\",\"realtime:r\",\"phx_leave\",{}]",
         "[null,\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"},
        {"a topic of another kind", "[\"1\",\"1\",\"room:r\",\"phx_join\",{}]",
         "[\"1\",\"1\",\"room:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"unmatched topic\"}}]"},
        {"a topic without a name", "[\"1\",\"1\",\"realtime:\",\"phx_join\",{}]",
         "[\"1\",\"1\",\"realtime:\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"TopicNameRequired: You must provide a topic name\"}}]"},
        {"a token that is none",
         "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"access_token\":\"x\"}]",
         "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"MalformedJWT: The token provided is not a valid JWT\"}}]"},
        {"a token of somebody else's",
         "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"access_token\":"
         "\"eyJhbGciOiJIUzI1NiJ9.e30.AAAA\"}]",
         "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"JwtSignatureError: Failed to validate JWT signature\"}}]"},
        {"the live page's topic, by somebody who may not see everything",
         "[\"1\",\"1\",\"realtime:pgherald:activity\",\"phx_join\",{}]",
         "[\"1\",\"1\",\"realtime:pgherald:activity\",\"phx_reply\",{\"status\":\"error\","
         "\"response\":{\"reason\":\"Unauthorized: You do not have permissions to read from this "
         "Channel topic: pgherald:activity\"}}]"},
        {"a private channel",
         "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"private\":true}}]",
         "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":"
         "\"Unauthorized: You do not have permissions to read from this Channel topic: r\"}}]"},
        {"garbage", "hello", NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        say(w->client, rows[i].frame);
        expect(rows[i].says, w->client, rows[i].answer);
        expect(rows[i].says, w->client, NULL);
    }
    assert_int_equal(w->closed, 0);
    assert_int_equal(stat_get(&w->stats.frames_malformed_total), 1);
    assert_int_equal(stat_get(&w->stats.joins_refused_total), 5);
}

#define JOIN                                                                                       \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":false},"      \
    "\"postgres_changes\":[{\"event\":\"*\",\"schema\":\"public\",\"table\":\"t\"}]}}]"

static void join_quietly(struct client *client)
{
    say(client, JOIN);
    drop_all(client);
}

static void test_join_and_leave(void **state)
{
    struct world *w = *state;

    say(w->client, JOIN);
    expect_start("the reply comes first", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
                 "{\"postgres_changes\":[{\"event\":\"*\",\"schema\":\"public\",\"table\":\"t\","
                 "\"id\":");
    expect("then the system message", w->client,
           "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Subscribed to PostgreSQL\","
           "\"status\":\"ok\",\"extension\":\"postgres_changes\",\"channel\":\"r\"}]");
    expect("and no presence, as it was not wanted", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.bindings), 1);
    assert_int_equal(stat_get(&w->stats.channels), 1);

    say(w->client, "[\"2\",\"2\",\"realtime:r\",\"phx_join\",{}]");
    expect("a second join closes the first", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    expect("a join without bindings", w->client,
           "[\"2\",\"2\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
           "{\"postgres_changes\":[]}}]");
    expect("says nothing of PostgreSQL", w->client,
           "[\"2\",null,\"realtime:r\",\"presence_state\",{}]");
    assert_int_equal(stat_get(&w->stats.bindings), 0);
    assert_int_equal(stat_get(&w->stats.channels), 1);

    say(w->client, "[\"2\",\"15\",\"realtime:r\",\"phx_leave\",{}]");
    expect("leaving", w->client,
           "[\"2\",\"15\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    expect("leaving", w->client, "[\"2\",\"2\",\"realtime:r\",\"phx_close\",{}]");
    assert_int_equal(stat_get(&w->stats.channels), 0);
}

static void test_broken_filter(void **state)
{
    struct world *w = *state;

    say(w->client,
        "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":"
        "false},\"postgres_changes\":[{\"table\":\"t\",\"filter\":\"nonsense\"}]}}]");
    expect_start("the channel is joined", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\"");
    expect_start("and told what is wrong", w->client,
                 "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"public.t: filter");
    assert_int_equal(stat_get(&w->stats.bindings), 0);
    assert_int_equal(stat_get(&w->stats.channels), 1);
}

static void test_roles(void **state)
{
    struct world *w = *state;
    struct client *nobody = new_client(w, PHOENIX_V2, "nobody");
    struct client *early = new_client(w, PHOENIX_V2, "unknown_yet");

    say(nobody, JOIN);
    expect_start("a role that there is not", nobody,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":"
                 "{\"reason\":\"Unauthorized: There is no role");
    say(early, JOIN);
    expect_start("before the database answers, bindings have to wait", early,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":"
                 "{\"reason\":\"InitializingProjectConnection");
    assert_int_equal(stat_get(&w->stats.bindings), 0);
}

static void test_limits(void **state)
{
    struct world *w = *state;
    struct client *more[4];

    say(w->client, "[\"1\",\"1\",\"realtime:a\",\"phx_join\",{}]");
    say(w->client, "[\"2\",\"2\",\"realtime:b\",\"phx_join\",{}]");
    say(w->client, "[\"3\",\"3\",\"realtime:c\",\"phx_join\",{}]");
    drop_all(w->client);
    say(w->client, "[\"4\",\"4\",\"realtime:d\",\"phx_join\",{}]");
    expect("one channel too many", w->client,
           "[\"4\",\"4\",\"realtime:d\",\"phx_reply\",{\"status\":\"error\",\"response\":"
           "{\"reason\":\"ChannelRateLimitReached: Too many channels\"}}]");
    say(w->client, "[\"5\",\"5\",\"realtime:c\",\"phx_join\",{}]");
    assert_int_equal(w->client->channel_count, 3);

    for (size_t i = 0; i < COUNT(more); i++)
        more[i] = new_client(w, PHOENIX_V2, "anon");
    say(more[3], "[\"1\",\"1\",\"realtime:a\",\"phx_join\",{}]");
    expect("one client too many", more[3],
           "[\"1\",\"1\",\"realtime:a\",\"phx_reply\",{\"status\":\"error\",\"response\":"
           "{\"reason\":\"ConnectionRateLimitReached: Too many connected users\"}}]");
    client_free(more[0]);
    say(more[3], "[\"2\",\"2\",\"realtime:a\",\"phx_join\",{}]");
    expect_start("until another has gone", more[3],
                 "[\"2\",\"2\",\"realtime:a\",\"phx_reply\",{\"status\":\"ok\"");
}

static void test_tokens(void **state)
{
    struct world *w = *state;
    char *good = jwt("authenticated", 3600), *dead = jwt("authenticated", -5);
    int64_t now = clock_now_us() / 1000000;
    char text[2048];

    say(w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{}]");
    drop_all(w->client);
    snprintf(text, sizeof(text),
             "[\"1\",\"2\",\"realtime:r\",\"access_token\",{\"access_token\":\"%s\"}]", good);
    say(w->client, text);
    expect("a new token is taken without a word", w->client, NULL);
    assert_string_equal(w->client->channels->session->role, "authenticated");
    say(w->client, "[\"1\",\"3\",\"realtime:r\",\"access_token\",{\"access_token\":null}]");
    say(w->client, "[\"1\",\"4\",\"realtime:r\",\"access_token\",{\"access_token\":\"sb_x\"}]");
    assert_string_equal(w->client->channels->session->role, "authenticated");
    client_tick(w->client, 3000, now + 3599);
    expect("an hour is not over yet", w->client, NULL);
    client_tick(w->client, 3000, now + 3610);
    expect(
        "now it is", w->client,
        "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"Token has expired 10 seconds ago\","
        "\"status\":\"error\",\"extension\":\"system\",\"channel\":\"r\"}]");
    expect("and the channel closes", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");

    say(w->client, "[\"5\",\"5\",\"realtime:r\",\"phx_join\",{}]");
    drop_all(w->client);
    snprintf(text, sizeof(text),
             "[\"5\",\"6\",\"realtime:r\",\"access_token\",{\"access_token\":\"%s\"}]", dead);
    say(w->client, text);
    expect_start("a token that has expired shuts the channel", w->client,
                 "[\"5\",null,\"realtime:r\",\"system\",{\"message\":\"InvalidJWTToken: Token has");
    expect("for good", w->client, "[\"5\",\"5\",\"realtime:r\",\"phx_close\",{}]");
    assert_null(w->client->channels);
    r_free(good);
    r_free(dead);
}

static void expect_ping(struct client *client)
{
    struct frame *frame = outbox_pop(&client->outbox);

    assert_non_null(frame);
    assert_int_equal(frame->kind, FRAME_PING);
    frame_unref(frame);
}

static void test_idle(void **state)
{
    struct world *w = *state;

    client_tick(w->client, 31000, 0);
    expect("half of the time may pass", w->client, NULL);
    client_tick(w->client, 31001, 0);
    expect_ping(w->client);
    client_tick(w->client, 61000, 0);
    expect("it is asked once", w->client, NULL);
    assert_int_equal(w->closed, 0);
    client_hear(w->client, 61000);
    client_tick(w->client, 91001, 0);
    expect_ping(w->client);
    client_tick(w->client, 121000, 0);
    assert_int_equal(w->closed, 0);
    client_tick(w->client, 121001, 0);
    assert_int_equal(w->closed, CLIENT_CLOSE_AWAY);
    assert_int_equal(stat_get(&w->stats.clients_idle_total), 1);
}

static void test_alone(void **state)
{
    struct world *w = *state;

    join_quietly(w->client);
    drop_all(w->client);
    client_hear(w->client, 900000);
    client_tick(w->client, 900000, 0);
    say(w->client, "[\"1\",\"2\",\"realtime:r\",\"phx_leave\",{}]");
    drop_all(w->client);
    client_hear(w->client, 602000);
    client_tick(w->client, 602000, 0);
    assert_int_equal(w->closed, 0);
    client_tick(w->client, 602001, 0);
    assert_int_equal(w->closed, CLIENT_CLOSE_AWAY);
}

static void test_slow(void **state)
{
    struct world *w = *state;

    join_quietly(w->client);
    for (int i = 0; i < 1000 && !w->closed; i++)
        say(w->client, "[null,\"26\",\"phoenix\",\"heartbeat\",{}]");
    assert_int_equal(w->closed, CLIENT_CLOSE_LATER);
    assert_int_equal(stat_get(&w->stats.clients_slow_total), 1);
    assert_int_equal(stat_get(&w->stats.bindings), 0);
    expect("what was queued is dropped", w->client, NULL);
    say(w->client, JOIN);
    assert_null(w->client->channels);
}

static void test_version_1(void **state)
{
    struct world *w = *state;
    struct client *old = new_client(w, PHOENIX_V1, "anon");

    say(old,
        "{\"topic\":\"realtime:r\",\"event\":\"phx_join\",\"payload\":{\"config\":{\"presence\":"
        "{\"enabled\":false}}},\"ref\":\"1\",\"join_ref\":\"1\"}");
    expect("no join_ref to old clients", old,
           "{\"topic\":\"realtime:r\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\","
           "\"response\":{\"postgres_changes\":[]}},\"ref\":\"1\"}");
}

static void test_binary(void **state)
{
    struct world *w = *state;

    for (size_t len = 0; len < 9; len++)
        client_receive_binary(w->client,
                              str_from("\x03\xff\xff\xff\xff\xff\x01"
                                       "ab",
                                       len),
                              2000);
    expect("nothing is said", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.frames_malformed_total), 9);
    assert_int_equal(w->closed, 0);
}

/* ------------------------------------------------------------------ rows on their way */

static struct event *row_event(const char *message, lsn_t lsn, uint64_t ordinal)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    struct change change = fixture_read(decoder, message);
    struct event *event = event_new_row(&change, lsn, ordinal, 100, types);

    types_unref(types);
    decoder_free(decoder);
    return event;
}

#define ROW                                                                                        \
    "{\"action\":\"I\",\"timestamp\":\"2026-01-01 00:00:00+00\",\"schema\":\"public\",\"table\":"  \
    "\"t\",\"columns\":[{\"name\":\"id\",\"typeoid\":23,\"value\":1},{\"name\":\"secret\","        \
    "\"typeoid\":25,\"value\":\"s\"}],\"pk\":[{\"name\":\"id\",\"typeoid\":23}]}"

static void test_unasked_rows_wait(void **state)
{
    struct world *w = *state;
    struct fanout *fanout = fanout_new(&w->core);

    join_quietly(w->client);
    fanout_take(fanout, row_event(ROW, 10, 1));
    expect("nobody was asked, so nothing is sent", w->client, NULL);
    fanout_take(fanout, event_new_gap(&(struct event_gap){.rows = true}));
    expect("a gap makes it rejoin", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_error\",{}]");
    assert_null(w->client->channels);
    fanout_free(fanout);
}

/* A row with its recipients, of whom nothing is known. */
static struct waiting *match(struct world *w, struct event *event)
{
    struct policies *policies = policies_new();
    struct waiting *waiting = waiting_new(event);

    waiting_match(waiting, &w->core, policies);
    policies_free(policies);
    return waiting;
}

struct verdict_row {
    const char *says;
    enum verdict_state state;
    bool failed;
    const char *hidden;
    const char *filter;
    const char *answer; /* how it begins; NULL: nothing */
};

static void deliver(struct world *w, const struct verdict_row *row)
{
    struct event *event = row_event(ROW, 10, 1);
    struct waiting *waiting;
    struct verdict *verdict;
    char join[512];

    snprintf(
        join, sizeof(join),
        "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"postgres_changes\":[{\"table\":"
        "\"t\",\"filter\":\"%s\"}]}}]",
        row->filter);
    say(w->client, join);
    drop_all(w->client);
    waiting = match(w, event);
    assert_int_equal(waiting->question.count, 1);
    verdict = &waiting->question.verdicts[0];
    verdict->state = row->state;
    verdict->failed = row->failed;
    verdict->rls = true;
    strcpy(verdict->sqlstate, "22012");
    verdict->problem = row->failed ? str_dup(STR("division by zero")) : NULL;
    assert_true(names_parse(str_c(row->hidden), &verdict->answered));
    waiting_deliver(waiting, &w->core, 5000);
    if (row->answer)
        expect_start(row->says, w->client, row->answer);
    expect(row->says, w->client, NULL);
    waiting_free(waiting);
    msg_unref(&event->msg);
}

static void test_verdicts(void **state)
{
    static const struct verdict_row rows[] = {
        {"not visible", VERDICT_NO, false, "", "", NULL},
        {"not asked", VERDICT_ASK, false, "", "", NULL},
        {"a policy failed", VERDICT_NO, true, "", "",
         "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"A change of public.t was not sent: "
         "checking whether anon may read the row failed (SQLSTATE 22012)\",\"status\":\"error\","
         "\"extension\":\"postgres_changes\",\"channel\":\"r\"}]"},
        {"visible", VERDICT_YES, false, "", "",
         "[null,null,\"realtime:r\",\"postgres_changes\",{\"ids\":["},
        {"a filter on a column that may be read", VERDICT_YES, false, "[\"secret\"]", "id=eq.1",
         "[null,null,\"realtime:r\",\"postgres_changes\",{\"ids\":["},
        {"a filter on a column that may not be read tells nothing", VERDICT_YES, false,
         "[\"secret\"]", "secret=eq.s", NULL},
    };
    struct world *w = *state;

    for (size_t i = 0; i < COUNT(rows); i++)
        deliver(w, &rows[i]);
}

/* Clients that want the same get the very same frame. */
static void test_sharing(void **state)
{
    struct world *w = *state;
    struct client *same = new_client(w, PHOENIX_V2, "anon");
    struct client *old = new_client(w, PHOENIX_V1, "anon");
    struct event *event = row_event(ROW, 10, 1);
    struct waiting *waiting;
    struct frame *a, *b, *c;

    join_quietly(w->client);
    join_quietly(same);
    say(old,
        "{\"topic\":\"realtime:r\",\"event\":\"phx_join\",\"ref\":\"1\",\"payload\":{\"config\":{"
        "\"postgres_changes\":[{\"table\":\"t\"}]}}}");
    drop_all(old);
    waiting = match(w, event);
    for (size_t i = 0; i < waiting->question.count; i++)
        waiting->question.verdicts[i].state = VERDICT_YES;
    client_free(same); /* gone while the row waited */
    same = new_client(w, PHOENIX_V2, "anon");
    waiting_deliver(waiting, &w->core, 5000);
    waiting_free(waiting);
    assert_null(outbox_pop(&same->outbox));
    drop_all(w->client);
    drop_all(old);

    join_quietly(same);
    waiting = match(w, event);
    for (size_t i = 0; i < waiting->question.count; i++)
        waiting->question.verdicts[i].state = VERDICT_YES;
    waiting_deliver(waiting, &w->core, 5000);
    waiting_free(waiting);
    a = outbox_pop(&w->client->outbox);
    b = outbox_pop(&same->outbox);
    c = outbox_pop(&old->outbox);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    frame_unref(a);
    frame_unref(b);
    frame_unref(c);
    msg_unref(&event->msg);
}

static void test_two_bindings(void **state)
{
    struct world *w = *state;
    struct event *event = row_event(ROW, 10, 1);
    struct waiting *waiting;

    say(w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"postgres_changes\":["
                   "{\"table\":\"t\"},{\"table\":\"t\",\"event\":\"INSERT\"},{\"table\":\"t\","
                   "\"select\":[\"id\"]},{\"table\":\"t\",\"event\":\"DELETE\"}]}}]");
    drop_all(w->client);
    waiting = match(w, event);
    assert_int_equal(waiting->recipient_count, 1);
    assert_int_equal(waiting->target_count, 3);
    waiting->question.verdicts[0].state = VERDICT_YES;
    waiting_deliver(waiting, &w->core, 5000);
    assert_int_equal(w->client->outbox.count, 2); /* one with two ids, one for the selection */
    waiting_free(waiting);
    msg_unref(&event->msg);
}

/* Whoever joined without a config is told under the change's own name. */
static void test_legacy(void **state)
{
    struct world *w = *state;
    struct client *today = new_client(w, PHOENIX_V2, "anon");
    struct event *event = row_event(ROW, 10, 1);
    struct waiting *waiting;

    say(w->client, "[\"1\",\"1\",\"realtime:public:t\",\"phx_join\",{}]");
    expect_start("its binding is in the reply", w->client,
                 "[\"1\",\"1\",\"realtime:public:t\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
                 "{\"postgres_changes\":[{\"schema\":\"public\",\"table\":\"t\",\"id\":");
    say(today, "[\"1\",\"1\",\"realtime:public:t\",\"phx_join\",{\"config\":{\"postgres_changes\":["
               "{\"schema\":\"public\",\"table\":\"t\"}]}}]");
    drop_all(w->client);
    drop_all(today);
    waiting = match(w, event);
    waiting->question.verdicts[0].state = VERDICT_YES;
    waiting_deliver(waiting, &w->core, 5000);
    expect_start(
        "bare", w->client,
        "[null,null,\"realtime:public:t\",\"INSERT\",{\"schema\":\"public\",\"table\":\"t\","
        "\"commit_timestamp\"");
    expect_start("and as ever, in the same topic", today,
                 "[null,null,\"realtime:public:t\",\"postgres_changes\",{\"ids\":[");
    waiting_free(waiting);
    msg_unref(&event->msg);
}

static void test_activity(void **state)
{
    struct world *w = *state;
    struct client *page = new_client(w, PHOENIX_V2, "service_role");
    const struct event_stored stored = {UINT64_C(0x10000002a), 1, 2, 3};
    struct event_attempt attempt = {.commit_lsn = 16,
                                    .ordinal = 3,
                                    .message_id = "msg_1",
                                    .event_type = "t.insert",
                                    .attempt = 1,
                                    .duration_ms = 12,
                                    .status_code = 204,
                                    .delivered = true};

    memset(attempt.endpoint, 'x', sizeof(attempt.endpoint) - 2);
    attempt.endpoint[sizeof(attempt.endpoint) - 2] = '\xc3'; /* cut within a letter */
    say(page, "[\"1\",\"1\",\"realtime:pgherald:activity\",\"phx_join\",{\"config\":{\"private\":"
              "true}}]");
    drop_all(page);
    activity_stored(&w->core, &stored);
    activity_attempt(&w->core, &attempt);
    expect("stored", page,
           "[null,null,\"realtime:pgherald:activity\",\"broadcast\",{\"type\":\"broadcast\","
           "\"event\":\"stored\",\"payload\":{\"commit_lsn\":\"1/2A\",\"audit_rows\":1,"
           "\"notifications\":2,\"deliveries\":3}}]");
    expect_start("an attempt", page,
                 "[null,null,\"realtime:pgherald:activity\",\"broadcast\",{\"type\":\"broadcast\","
                 "\"event\":\"attempt\",\"payload\":{\"commit_lsn\":\"0/10\",\"ordinal\":3,"
                 "\"message_id\":\"msg_1\",\"event_type\":\"t.insert\",\"endpoint\":\"xxx");
    expect("nobody else hears of it", w->client, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_join_and_leave, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_filter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_binary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unasked_rows_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_bindings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_legacy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_activity, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
