#include "realtime/joining.h"
#include "world.h"

#define JOIN                                                                                       \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":false},"      \
    "\"postgres_changes\":[{\"table\":\"t\"}]}}]"
#define JOIN_NO_TABLE                                                                              \
    "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"presence\":{\"enabled\":false}}}]"
#define OK_START "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"ok\""

static void tick(struct world *w, uint64_t later_ms)
{
    client_tick(w->client, clock_monotonic_ms() + later_ms, clock_now_us() / 1000000);
}

static void test_stream(void **state)
{
    struct world *w = *state;

    w->config.realtime_idle_timeout_ms = UINT32_MAX;
    stat_set(&w->stats.stream_up, 0);
    say(w->client, JOIN);
    tick(w, 0);
    expect("nobody is subscribed while no changes are received", w->client, NULL);
    assert_int_equal(stat_get(&w->stats.bindings), 0);
    stat_set(&w->stats.stream_up, 1);
    tick(w, 0);
    expect_start("then he is", w->client, OK_START);
    expect_start("and told so", w->client, "[\"1\",null,\"realtime:r\",\"system\",");
    assert_int_equal(stat_get(&w->stats.bindings), 1);
    stat_set(&w->stats.stream_up, 0);
    tick(w, 0);
    expect("who is, stays", w->client, NULL);
    say(w->client, JOIN_NO_TABLE);
    expect("another join", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    expect_start("for who follows no table there is nothing to wait for", w->client, OK_START);
    say(w->client, JOIN);
    drop_all(w->client);
    tick(w, 6900);
    expect("patience", w->client, NULL);
    tick(w, 7100);
    expect("but an answer in time", w->client,
           "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{"
           "\"reason\":\"InitializingProjectConnection: Changes of the database are not received "
           "right now, try again\"}}]");
    assert_null(w->client->channels);
    say(w->client, JOIN);
    say(w->client, "[\"1\",\"2\",\"realtime:r\",\"phx_leave\",{}]");
    drop_all(w->client);
    stat_set(&w->stats.stream_up, 1);
    tick(w, 0);
    expect("who has left waits for nothing", w->client, NULL);
}

static struct channel *asking;

static void keep(void *arg, struct channel *channel)
{
    (void)arg;
    asking = channel;
}

static void test_bindings(void **state)
{
    struct world *w = *state;

    w->core.check_bindings = keep;
    say(w->client, JOIN_NO_TABLE);
    assert_null(asking);
    say(w->client, JOIN);
    assert_ptr_equal(asking, w->client->channels);
    drop_all(w->client);
    asking = NULL;
    say(w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"postgres_changes\":[{"
                   "\"table\":\"t\",\"filter\":\"nonsense\"}]}}]");
    assert_null(asking); /* what cannot work is told at once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bindings, set_up, tear_down),
    };

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
