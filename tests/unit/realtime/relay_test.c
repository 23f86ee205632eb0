/* Several loops as one: what a client does in one of them is seen in the others. The loops here are
 * cores without threads; what is under way stands in their queues until pump(). */
#include "world.h"

#include "base/log.h"
#include "realtime/presence.h"
#include "realtime/relay.h"
#include "realtime/remote.h"
#include "realtime/roster.h"

#define LOOPS 3
#define QUEUE_BYTES 8192

struct loops {
    struct relay *relay;
    struct world *worlds[LOOPS];
    struct client *clients[LOOPS];
    unsigned gaps[LOOPS]; /* that each was told of */
};

static struct loops loops;

static void wake(void *arg)
{
    (void)arg;
}

static struct relayed *list(void *arg)
{
    return remote_list(arg);
}

static int open_loops(void **state)
{
    (void)state;
    memset(&loops, 0, sizeof(loops));
    loops.relay = relay_new(LOOPS, QUEUE_BYTES);
    for (unsigned i = 0; i < LOOPS; i++) {
        struct relay_events events = {wake, list, NULL};

        set_up((void **)&loops.worlds[i]);
        events.arg = &loops.worlds[i]->core;
        loops.worlds[i]->config.realtime_client_buffer_bytes = 1 << 20;
        loops.worlds[i]->core.relay = relay_open(loops.relay, i, &loops.worlds[i]->stats, &events);
        loops.clients[i] = loops.worlds[i]->client;
    }
    return 0;
}

static int close_loops(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LOOPS; i++) {
        struct relay_end *end = loops.worlds[i]->core.relay;

        relay_leave(end);
        assert_int_equal(relay_is_left(end), i == LOOPS - 1);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        struct relay_end *end = loops.worlds[i]->core.relay;

        remote_forget(&loops.worlds[i]->core);
        tear_down((void **)&loops.worlds[i]);
        relay_close(end);
    }
    relay_free(loops.relay);
    return 0;
}

static void take_all(unsigned i)
{
    struct core *core = &loops.worlds[i]->core;
    struct relayed *relayed;

    while ((relayed = relay_pop(core->relay))) {
        if (relayed->kind == RELAYED_BROADCAST)
            broadcast_take(core, relayed);
        else if (relayed->kind == RELAYED_PRESENCES)
            remote_take(core, relayed);
        else
            loops.gaps[i]++;
        msg_unref(&relayed->msg);
    }
    presence_flush(core);
}

static void pump(void)
{
    for (unsigned i = 0; i < LOOPS; i++)
        take_all(i);
}

static void join(unsigned i, const char *key)
{
    char text[256];

    snprintf(text, sizeof(text),
             "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"broadcast\":{\"self\":false},"
             "\"presence\":{\"key\":\"%s\",\"enabled\":%s}}}]",
             key, *key ? "true" : "false");
    say(loops.clients[i], text);
    drop_all(loops.clients[i]);
}

static void leave(unsigned i)
{
    say(loops.clients[i], "[\"1\",\"2\",\"realtime:r\",\"phx_leave\",{}]");
    drop_all(loops.clients[i]);
}

static void track(unsigned i, const char *meta)
{
    char text[8192];

    snprintf(text, sizeof(text),
             "[\"1\",\"3\",\"realtime:r\",\"presence\",{\"type\":\"presence\",\"event\":\"%s\","
             "\"payload\":%s}]",
             meta ? "track" : "untrack", meta ? meta : "{}");
    say(loops.clients[i], text);
    drop_all(loops.clients[i]);
}

static void shout(unsigned i, const char *payload)
{
    char text[8192];

    snprintf(text, sizeof(text),
             "[\"1\",null,\"realtime:r\",\"broadcast\",{\"event\":\"e\",\"p\":%s}]", payload);
    say(loops.clients[i], text);
}

/* The keys of the state that whoever joins the loop is told, such as "a,b"; and the metas. */
static void expect_state(const char *says, unsigned i, const char *want)
{
    const struct room *room = room_find(&loops.worlds[i]->core.rooms, STR("realtime:r"), false);
    struct buf text;
    char got[1024] = "";

    buf_init(&text, 1 << 20);
    if (room && room->presence.roster)
        roster_write_state(room->presence.roster, &text);
    else
        buf_add_c(&text, "{}");
    /* the versions are chance's */
    for (size_t from = 0, to = 0; from < text.len && to + 1 < sizeof(got);) {
        static const char ref[] = ",\"phx_ref\":\"0123456789abcdef\"";
        static const char prev[] = ",\"phx_ref_prev\":\"0123456789abcdef\"";

        if (strncmp(text.data + from, ref, 12) == 0)
            from += sizeof(ref) - 1;
        else if (strncmp(text.data + from, prev, 17) == 0)
            from += sizeof(prev) - 1;
        else
            got[to++] = text.data[from++];
    }
    buf_fini(&text);
    if (strcmp(got, want) != 0)
        fail_msg("%s, loop %u\n   wanted: %s\n   got:    %s", says, i, want, got);
}

static void expect_states(const char *says, const char *want)
{
    for (unsigned i = 0; i < LOOPS; i++)
        expect_state(says, i, want);
}

static void test_broadcast(void **state)
{
    (void)state;
    join(0, "");
    join(1, "");
    shout(0, "1");
    assert_null(relay_pop(loops.worlds[2]->core.relay)); /* nobody is there */
    assert_int_equal(stat_get(&loops.worlds[0]->stats.relayed_total), 1);
    pump();
    expect("the sender does not want it", loops.clients[0], NULL);
    expect("another loop", loops.clients[1],
           "[null,null,\"realtime:r\",\"broadcast\",{\"event\":\"e\",\"p\":1}]");
    broadcast_send(&loops.worlds[2]->core, STR("r"), false,
                   &(struct broadcast){BROADCAST_JSON, STR("x"), STR("{}"), {0}, {0}});
    pump();
    for (unsigned i = 0; i < 2; i++)
        expect("by REST, in a loop where nobody is", loops.clients[i],
               "[null,null,\"realtime:r\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"x\","
               "\"payload\":{}}]");
    assert_int_equal(stat_get(&loops.worlds[2]->stats.broadcasts_total), 1);
    assert_int_equal(stat_get(&loops.worlds[1]->stats.broadcasts_total), 0);
    broadcast_send(&loops.worlds[2]->core, STR("r"), true,
                   &(struct broadcast){BROADCAST_JSON, STR("x"), STR("{}"), {0}, {0}});
    pump();
    expect("a private topic is another", loops.clients[0], NULL);
    leave(1);
    shout(0, "2");
    assert_int_equal(stat_get(&loops.worlds[0]->stats.relayed_total), 1);
}

static void test_presence(void **state)
{
    (void)state;
    join(0, "a");
    join(1, "b");
    track(0, "{\"n\":1}");
    pump();
    expect_states("tracked", "{\"a\":{\"metas\":[{\"n\":1}]}}");
    drop_all(loops.clients[1]);
    track(0, "{\"n\":2}");
    track(1, "{\"m\":1}");
    pump();
    expect_start("the others are told what has changed", loops.clients[1],
                 "[null,null,\"realtime:r\",\"presence_diff\",{\"joins\":{");
    expect_state("a new version", 2,
                 "{\"a\":{\"metas\":[{\"n\":2}]},\"b\":{\"metas\":[{\"m\":1}]}}");
    join(2, "c");
    leave(1);
    pump();
    expect_states("left", "{\"a\":{\"metas\":[{\"n\":2}]}}");
    leave(2);
    leave(0);
    pump();
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(loops.worlds[i]->core.rooms.map.count, 0);
        assert_int_equal(stat_get(&loops.worlds[i]->stats.presences), 0);
        assert_int_equal(stat_get(&loops.worlds[i]->stats.presence_bytes), 0);
        assert_int_equal(stat_get(&loops.worlds[i]->stats.rooms), 0);
    }
}

static void test_versions(void **state)
{
    struct buf one, other;

    (void)state;
    join(0, "a");
    join(1, "b");
    track(0, "{}");
    pump();
    buf_init(&one, 1000);
    buf_init(&other, 1000);
    for (unsigned i = 0; i < 2; i++)
        roster_write_state(
            room_find(&loops.worlds[i]->core.rooms, STR("realtime:r"), false)->presence.roster,
            i ? &other : &one);
    check_text("the same version everywhere", buf_str(&other),
               (const char *)(buf_add_char(&one, '\0'), one.data));
    buf_fini(&one);
    buf_fini(&other);
}

/* A large state is kept as a frame: not beyond a change that nobody there was told of. */
static void test_empty_room(void **state)
{
    char large[5000], meta[5100];

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (unsigned i = 0; i < LOOPS; i++) {
        loops.worlds[i]->config.realtime_max_payload_bytes = 6000;
        loops.worlds[i]->config.realtime_max_frame_bytes = 10000;
    }
    join(0, "a");
    snprintf(meta, sizeof(meta), "{\"old\":\"%s\"}", large);
    track(0, meta);
    pump();
    join(1, "b"); /* makes the frame */
    leave(1);
    snprintf(meta, sizeof(meta), "{\"new\":\"%s\"}", large);
    track(0, meta);
    pump();
    say(loops.clients[1], "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{}}]");
    expect_start("joined", loops.clients[1], "[\"1\",\"1\",\"realtime:r\",\"phx_reply\"");
    expect_start("the state of now", loops.clients[1],
                 "[null,null,\"realtime:r\",\"presence_state\",{\"a\":{\"metas\":[{\"new\"");
}

/* Each loop counts its own; all count the memory. */
static void test_gauges(void **state)
{
    (void)state;
    join(0, "a");
    track(0, "{}");
    pump();
    assert_int_equal(stat_get(&loops.worlds[0]->stats.presences), 1);
    assert_int_equal(stat_get(&loops.worlds[1]->stats.presences), 0);
    assert_true(stat_get(&loops.worlds[1]->stats.presence_bytes) > 0);
    assert_int_equal(stat_get(&loops.worlds[0]->stats.rooms), 1);
    assert_int_equal(stat_get(&loops.worlds[1]->stats.rooms), 0);
}

static void test_full(void **state)
{
    char large[3000];

    (void)state;
    memset(large, 'x', sizeof(large));
    large[0] = large[sizeof(large) - 2] = '"';
    large[sizeof(large) - 1] = '\0';
    loops.worlds[0]->config.realtime_max_payload_bytes = 4000;
    join(0, "a");
    join(1, "b");
    for (int i = 0; i < 5; i++)
        shout(0, large);
    assert_int_equal(stat_get(&loops.worlds[0]->stats.relay_gaps_total), 1);
    track(0, "{\"n\":1}"); /* not taken by a loop that is behind */
    take_all(2);
    expect_state("a loop that keeps up", 2, "{\"a\":{\"metas\":[{\"n\":1}]}}");
    relay_retry(loops.worlds[0]->core.relay);
    take_all(1);
    assert_int_equal(loops.gaps[1], 0); /* it was still full */
    expect_state("it has missed it", 1, "{}");
    relay_retry(loops.worlds[0]->core.relay);
    take_all(1);
    assert_int_equal(loops.gaps[1], 1);
    expect_state("made up for", 1, "{\"a\":{\"metas\":[{\"n\":1}]}}");
    shout(0, "1");
    take_all(1);
    assert_int_equal(loops.gaps[1], 1);
    assert_int_equal(loops.gaps[2], 0);
}

/* Whoever left while the loop was behind is gone from the list. */
static void test_list(void **state)
{
    char large[3000];

    (void)state;
    memset(large, 'x', sizeof(large));
    large[0] = large[sizeof(large) - 2] = '"';
    large[sizeof(large) - 1] = '\0';
    loops.worlds[0]->config.realtime_max_payload_bytes = 4000;
    join(0, "a");
    join(1, "b");
    join(2, "c");
    track(0, "{\"n\":1}");
    track(2, "{\"n\":3}");
    pump();
    for (int i = 0; i < 5; i++)
        shout(0, large);
    track(0, NULL);
    take_all(1);
    expect_state("it does not know yet", 1,
                 "{\"a\":{\"metas\":[{\"n\":1}]},\"c\":{\"metas\":[{\"n\":3}]}}");
    relay_retry(loops.worlds[0]->core.relay);
    take_all(1);
    expect_state("those of others stay", 1, "{\"c\":{\"metas\":[{\"n\":3}]}}");
}

static struct relayed *no_list(void *arg)
{
    (void)arg;
    return relayed_presences_new(NULL, 0, true);
}

/* Small messages fill a queue by their number: there must be one gap, not one for each place that
 * becomes free. */
static void test_many(void **state)
{
    const struct broadcast broadcast = {BROADCAST_JSON, STR("x"), STR("{}"), {0}, {0}};
    const struct relay_events events = {wake, no_list, NULL};
    struct relay *relay = relay_new(2, (size_t)1 << 30);
    struct stats stats = {0};
    struct relay_end *from = relay_open(relay, 0, &stats, &events);
    struct relay_end *to = relay_open(relay, 1, &stats, &events);
    struct relayed *relayed;
    unsigned taken = 0;

    (void)state;
    relay_follow(to, STR("t"), false, true);
    while (stat_get(&stats.relay_gaps_total) == 0 && taken++ < 1000000)
        (void)relay_broadcast(from, STR("t"), false, &broadcast);
    msg_unref(&relay_pop(to)->msg);
    relay_retry(from);
    (void)relay_broadcast(from, STR("t"), false, &broadcast);
    for (; (relayed = relay_pop(to)); taken--) {
        assert_int_equal(relayed->kind, RELAYED_BROADCAST);
        msg_unref(&relayed->msg);
    }
    assert_int_equal(taken, 2); /* one was refused, one taken before */
    relay_retry(from);
    relayed = relay_pop(to);
    assert_int_equal(relayed->kind, RELAYED_GAP);
    msg_unref(&relayed->msg);
    relay_close(from);
    relay_close(to);
    relay_free(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_broadcast, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_presence, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_versions, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_empty_room, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_gauges, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_full, open_loops, close_loops),
        cmocka_unit_test_setup_teardown(test_list, open_loops, close_loops),
        cmocka_unit_test(test_many),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
