#include "fixture.h"

#include "base/log.h"
#include "daemon/feed.h"

#define ROW                                                                                        \
    "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t\",\"columns\":[{\"name\":\"id\","       \
    "\"typeoid\":20,\"value\":1}]}"
#define TRUNCATE "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"t\"}"
#define MESSAGE(action, event)                                                                     \
    "{\"action\":\"" action "\",\"schema\":\"realtime\",\"table\":\"messages\",\"columns\":["      \
    "{\"name\":\"topic\",\"typeoid\":25,\"value\":\"room\"},"                                      \
    "{\"name\":\"extension\",\"typeoid\":25,\"value\":\"broadcast\"},"                             \
    "{\"name\":\"payload\",\"typeoid\":3802,\"value\":\"{}\"},"                                    \
    "{\"name\":\"event\",\"typeoid\":25,\"value\":" event "},"                                     \
    "{\"name\":\"private\",\"typeoid\":16,\"value\":true},"                                        \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":1}]}"

static uint64_t bindings_now;
static struct stats stats;
static struct decoder *decoder;
static struct types *types;
static struct queue *queue, *second;
static struct config config;
static uv_loop_t loop;
static struct feed feed;

static uint64_t bindings(void *arg)
{
    (void)arg;
    return bindings_now;
}

static int set_up(void **state)
{
    const struct feed_audience audience = {bindings, NULL};

    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    stats = (struct stats){0};
    decoder = decoder_new_wal2json();
    types = fixture_types();
    config = (struct config){.realtime_queue_bytes = 4000, .realtime_max_payload_bytes = 1000};
    queue = queue_new(4, config.realtime_queue_bytes);
    uv_loop_init(&loop);
    second = queue_new(4, config.realtime_queue_bytes);
    feed_init(&feed, &loop, &config, &stats, &(struct queues){{queue}, 1}, &audience);
    bindings_now = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_close(&feed);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    feed_fini(&feed);
    queue_free(queue);
    queue_free(second);
    types_unref(types);
    decoder_free(decoder);
    return 0;
}

static void offer(const char *text)
{
    struct change change = fixture_read(decoder, text);
    const struct position position = {.commit_lsn = 7, .ordinal = 3};

    if (stored_message_fold_table(&change))
        feed_message(&feed, &change, &position);
    else
        feed_row(&feed, &change, &position, strlen(text), types);
}

/* What is in the queue, a letter each. */
static const char *taken_from(struct queue *from)
{
    static char letters[64];
    static const char names[] = {
        [EVENT_ROW] = 'r', [EVENT_MESSAGE] = 'm', [EVENT_STORED] = 's', [EVENT_GAP] = 'g'};
    size_t count = 0;
    struct msg *msg;

    while ((msg = queue_pop(from)) && count + 2 < sizeof(letters)) {
        const struct event *event = event_of(msg);

        letters[count++] = names[event->kind];
        if (event->kind == EVENT_GAP)
            letters[count++] = event->gap.rows ? event->gap.messages ? 'b' : 'r' : 'm';
        msg_unref(msg);
    }
    letters[count] = '\0';
    return letters;
}

static const char *taken(void)
{
    return taken_from(queue);
}

static void test_audience(void **state)
{
    const struct event_stored stored = {.commit_lsn = 1};

    (void)state;
    offer(ROW);
    offer(MESSAGE("I", "\"e\""));
    feed_stored(&feed, &stored);
    assert_string_equal(taken(), "rms");
    bindings_now = 0;
    offer(ROW);
    offer(MESSAGE("I", "\"e\""));
    feed_stored(&feed, &stored);
    assert_string_equal(taken(), "m"); /* rows are for who bound a table */
}

static void test_what_is_told(void **state)
{
    (void)state;
    offer(TRUNCATE);
    offer(MESSAGE("U", "\"e\""));
    assert_string_equal(taken(), "");
    assert_int_equal(stat_get(&stats.messages_rejected_total), 0);
    offer(MESSAGE("I", "null"));
    assert_string_equal(taken(), "");
    assert_int_equal(stat_get(&stats.messages_rejected_total), 1);
}

static void test_gap(void **state)
{
    static const struct {
        const char *says;
        const char *offered; /* once the queue is full */
        const char *told;
    } rows[] = {
        {"rows were left out", "rr", "rrrrgr"},
        {"messages were left out", "mm", "rrrrgm"},
        {"both", "rm", "rrrrgb"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char all[64];

        for (int n = 0; n < 4; n++)
            offer(ROW);
        for (const char *c = rows[i].offered; *c; c++)
            offer(*c == 'r' ? ROW : MESSAGE("I", "\"e\""));
        strcpy(all, taken());
        uv_run(&loop, UV_RUN_ONCE); /* the timer: nobody offers anything any more */
        strcat(all, taken());
        if (strcmp(all, rows[i].told) != 0)
            fail_msg("%s: %s for %s", rows[i].says, all, rows[i].told);
        assert_int_equal(stat_get(&stats.realtime_gaps_total), i + 1);
    }
}

static void test_unknown_gap(void **state)
{
    (void)state;
    feed_gap(&feed);
    offer(ROW);
    assert_string_equal(taken(), "gbr");
    for (int n = 0; n < 4; n++)
        offer(ROW);
    feed_gap(&feed);
    assert_string_equal(taken(), "rrrr");
    uv_run(&loop, UV_RUN_ONCE);
    assert_string_equal(taken(), "gb"); /* as soon as there is room */
}

/* Nothing that came later may pass in front of the word that something is missing. */
static void test_gap_before_more(void **state)
{
    (void)state;
    for (int n = 0; n < 6; n++)
        offer(ROW);
    assert_string_equal(taken(), "rrrr");
    offer(MESSAGE("I", "\"e\""));
    offer(ROW);
    assert_string_equal(taken(), "grmr");
}

/* A loop that is behind has a gap of its own. */
static void test_two_loops(void **state)
{
    const struct event_stored stored = {.commit_lsn = 1};

    (void)state;
    feed.doors[feed.door_count++] = (struct feed_door){.queue = second};
    offer(ROW);
    offer(MESSAGE("I", "\"e\""));
    feed_stored(&feed, &stored);
    assert_string_equal(taken(), "rms");
    assert_string_equal(taken_from(second), "rms");
    for (int n = 0; n < 4; n++)
        offer(ROW);
    assert_string_equal(taken(), "rrrr");
    offer(ROW);
    assert_string_equal(taken(), "r");
    assert_int_equal(stat_get(&stats.realtime_gaps_total), 1);
    assert_string_equal(taken_from(second), "rrrr");
    offer(ROW);
    assert_string_equal(taken(), "r");
    assert_string_equal(taken_from(second), "grr");
    feed_gap(&feed);
    assert_string_equal(taken(), "gb");
    assert_string_equal(taken_from(second), "gb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_audience, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gap_before_more, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
