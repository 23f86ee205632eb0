/* What becomes of connections and channels when the API key that opened them changes or goes. */
#include "realtime/joining.h"
#include "token/keys.h"
#include "world.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define NOW_MS 3000

static int64_t now_s(void)
{
    return clock_now_us() / 1000000;
}

static void load(struct world *w, struct test_key *key, const char *user, const char *scopes)
{
    test_key_init(key, 1, user, scopes);
    assert_true(keyring_put(w->core.authority.ring, &key->row, 0));
    keyring_trust_until(w->core.authority.ring, UINT64_MAX);
}

static struct client *client_of_key(struct world *w, const struct test_key *key)
{
    const struct client_socket out = {on_wake, on_close, w};
    struct token *token;
    struct err err;

    if (authority_identify(&w->core.authority, str_c(key->text), SCOPE_REALTIME, moment_now(),
                           &token, &err))
        fail_msg("%s", err.message);
    return client_new(&w->core, PHOENIX_V2, token, &out, NOW_MS);
}

static void join(struct client *client, const char *topic, const char *token)
{
    char text[512];

    snprintf(text, sizeof(text),
             "[\"1\",\"1\",\"realtime:%s\",\"phx_join\",{\"config\":{\"private\":%s,\"presence\":{"
             "\"enabled\":false}},\"access_token\":\"%s\"}]",
             topic, strcmp(topic, "private") == 0 ? "true" : "false", token);
    say(client, text);
    expect_start("the join", client, "[\"1\",\"1\",\"realtime:");
    drop_all(client);
}

static void drop_key(struct world *w, const struct test_key *key)
{
    keyring_begin(w->core.authority.ring);
    keyring_drop_missing(w->core.authority.ring, str_c(key->id));
}

static void test_gone(void **state)
{
    struct world *w = *state;
    struct test_key key;
    struct client *opened;

    load(w, &key, ANN, "[\"realtime\"]");
    opened = client_of_key(w, &key);
    join(opened, "r", "");
    join(w->client, "by_key", key.text);
    join(w->client, "by_token", "");
    client_tick(opened, NOW_MS, now_s());
    client_tick(w->client, NOW_MS, now_s());
    expect("nothing has changed", w->client, NULL);
    assert_int_equal(w->closed, 0);

    drop_key(w, &key);
    client_tick(w->client, NOW_MS, now_s());
    expect("the channel of the key is told", w->client,
           "[\"1\",null,\"realtime:by_key\",\"system\",{\"message\":\"InvalidApiKey: There is no "
           "such API key, or it has expired or was revoked\",\"status\":\"error\",\"extension\":"
           "\"system\",\"channel\":\"by_key\"}]");
    expect("and closed", w->client, "[\"1\",\"1\",\"realtime:by_key\",\"phx_close\",{}]");
    assert_int_equal(w->client->channel_count, 1);
    assert_int_equal(w->closed, 0);
    client_tick(opened, NOW_MS, now_s());
    assert_int_equal(w->closed, CLIENT_CLOSE_POLICY);
    assert_null(opened->channels);
}

static void test_changed(void **state)
{
    struct world *w = *state;
    struct session *session;
    struct client *client;
    struct test_key key;

    load(w, &key, ANN, "[\"realtime\"]");
    client = client_of_key(w, &key);
    join(client, "r", "");
    session = client->channels->session;
    key.row.per_minute = 7;
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    client_tick(client, NOW_MS, now_s());
    assert_ptr_equal(client->channels->session, session);

    key.row.user_id = str_c(BOB);
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    client_tick(client, NOW_MS, now_s());
    CHECK(strstr(client->channels->session->claims, BOB), "the channel is the new user's");
    CHECK(strcmp(client->token->sub, BOB) == 0, "and so is the connection");

    key.row.expires = now_s() + 10; /* a rotation, with grace */
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    client_tick(client, NOW_MS, now_s());
    assert_int_equal(client->channels->expires, key.row.expires);
    assert_int_equal(client->token->expires, key.row.expires);
    expect("nothing is said", client, NULL);
    client_tick(client, NOW_MS, now_s() + 11);
    assert_int_equal(w->closed, CLIENT_CLOSE_POLICY);
}

static void count_question(void *arg, struct channel *channel)
{
    static const struct channel_rights all = {true, true, true, true};

    ++*(unsigned *)arg;
    joining_decide(channel, &all, NULL);
}

static void keep_waiting(void *arg, struct channel *channel)
{
    *(struct channel **)arg = channel_ref(channel);
}

static void test_gone_meanwhile(void **state)
{
    struct world *w = *state;
    struct channel *channel = NULL;
    struct test_key key;
    char text[512];

    w->core.authorize = keep_waiting;
    w->core.authorize_arg = &channel;
    load(w, &key, ANN, "[\"realtime\"]");
    snprintf(text, sizeof(text),
             "[\"1\",\"1\",\"realtime:r\",\"phx_join\",{\"config\":{\"private\":true},"
             "\"access_token\":\"%s\"}]",
             key.text);
    say(w->client, text);
    expect("its rights are being asked for", w->client, NULL);
    drop_key(w, &key);
    client_tick(w->client, NOW_MS, now_s());
    expect_start("the join is refused", w->client,
                 "[\"1\",\"1\",\"realtime:r\",\"phx_reply\",{\"status\":\"error\",\"response\":{"
                 "\"reason\":\"InvalidApiKey: ");
    expect("and that is all", w->client, NULL);
    assert_null(channel->client);
    channel_unref(channel);
}

/* Who may be in a private topic is asked of the database: not for other people's keys. */
static void test_private(void **state)
{
    struct world *w = *state;
    unsigned questions = 0;
    struct test_key key, other;

    w->core.authorize = count_question;
    w->core.authorize_arg = &questions;
    load(w, &key, ANN, "[\"realtime\"]");
    join(w->client, "private", key.text);
    assert_int_equal(questions, 1);
    test_key_init(&other, 2, NULL, "[]");
    assert_true(keyring_put(w->core.authority.ring, &other.row, 0));
    drop_key(w, &other);
    client_tick(w->client, NOW_MS, now_s());
    assert_int_equal(questions, 1);
    key.row.user_id = str_c(BOB);
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    client_tick(w->client, NOW_MS, now_s());
    assert_int_equal(questions, 2);
    assert_int_equal(w->client->channel_count, 1);
}

static void test_scope(void **state)
{
    struct world *w = *state;
    struct client *client;
    struct test_key key;

    load(w, &key, ANN, "[\"realtime\"]");
    client = client_of_key(w, &key);
    join(w->client, "r", key.text);
    key.row.scopes = STR("[\"broadcast\"]");
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    client_tick(w->client, NOW_MS, now_s());
    expect_start("the scope is named", w->client,
                 "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"ApiKeyScopeMissing: The API "
                 "key does not have the scope \\\"realtime\\\"\"");
    expect("the channel is closed", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
    client_tick(client, NOW_MS, now_s());
    assert_int_equal(w->closed, CLIENT_CLOSE_POLICY);
}

/* A channel of a key that expires, on a connection that does not. */
static void test_expiry(void **state)
{
    struct world *w = *state;
    struct test_key key;

    load(w, &key, ANN, "[\"realtime\"]");
    key.row.expires = now_s() + 10;
    assert_true(keyring_put(w->core.authority.ring, &key.row, 0));
    join(w->client, "r", key.text);
    client_tick(w->client, NOW_MS, key.row.expires - 1);
    expect("a second is left", w->client, NULL);
    client_tick(w->client, NOW_MS, key.row.expires);
    expect_start("now it is over", w->client,
                 "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"InvalidApiKey: The API key "
                 "has expired 0 seconds ago\"");
    expect("the channel is closed", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_close\",{}]");
}

static void test_untrusted(void **state)
{
    struct world *w = *state;
    struct client *client;
    struct test_key key;

    load(w, &key, ANN, "[\"realtime\"]");
    client = client_of_key(w, &key);
    join(w->client, "r", key.text);
    join(w->client, "t", "");
    keyring_trust_until(w->core.authority.ring, NOW_MS + 1);
    client_tick(w->client, NOW_MS, now_s());
    expect("still believed", w->client, NULL);
    client_tick(w->client, NOW_MS + 1, now_s());
    expect_start(
        "when keys cannot be believed any more, the client is told", w->client,
        "[\"1\",null,\"realtime:r\",\"system\",{\"message\":\"InitializingProjectConnection");
    expect("and is to try again", w->client, "[\"1\",\"1\",\"realtime:r\",\"phx_error\",{}]");
    expect("and tokens go on", w->client, NULL);
    client_tick(client, NOW_MS + 1, now_s());
    assert_int_equal(w->closed, CLIENT_CLOSE_LATER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scope, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_untrusted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
