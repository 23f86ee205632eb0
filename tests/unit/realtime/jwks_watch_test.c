#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "realtime/channel.h"
#include "realtime/jwks_watch.h"
#include "signing.h"

/* A key set in a file, which is watched; clients, without sockets, that came in with its keys. */

#define SECRET "an-example-secret-of-at-least-32-bytes"

struct world {
    char folder[64], path[128];
    struct config config;
    struct stats stats;
    struct core core;
    struct jwks_watch *watch;
    uv_loop_t loop;
    EVP_PKEY *keys[2];
    unsigned closed;
};

static void on_wake(void *socket)
{
    (void)socket;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    (void)reason;
    ((struct world *)socket)->closed = code;
}

static enum rls_role any_role(void *arg, const char *role)
{
    (void)arg;
    (void)role;
    return RLS_ROLE_YES;
}

static int set_up(void **state)
{
    static char nothing[] = "", secret[] = SECRET;
    struct world *w = calloc(1, sizeof(*w));

    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    snprintf(w->folder, sizeof(w->folder), "/tmp/pgherald-watch-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof(w->path), "%s/jwks.json", w->folder);
    w->config.jwt_secret = secret;
    w->config.jwt_jwks_file = w->path;
    w->config.jwt_jwks_url = w->config.jwt_jwks_ca_file = nothing;
    w->config.realtime_max_clients = w->config.realtime_max_channels = 9;
    w->config.realtime_client_buffer_bytes = 65536;
    w->config.realtime_max_joins_per_second = w->config.realtime_max_messages_per_second = 100;
    core_init(&w->core, &w->config, &w->stats);
    w->core.check_role = any_role;
    uv_loop_init(&w->loop);
    w->keys[0] = signing_key(SIGNING_P256);
    w->keys[1] = signing_key(SIGNING_ED25519);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    while (w->core.clients)
        client_free(w->core.clients);
    jwks_watch_close(w->watch);
    core_fini(&w->core);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    EVP_PKEY_free(w->keys[0]);
    EVP_PKEY_free(w->keys[1]);
    unlink(w->path);
    rmdir(w->folder);
    free(w);
    return 0;
}

/* As careful people do it: beside, and then in its place. */
static void write_file(const struct world *w, struct str text)
{
    char beside[160];
    FILE *file;

    snprintf(beside, sizeof(beside), "%s.new", w->path);
    file = fopen(beside, "w");
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(beside, w->path), 0);
}

/* A set of the keys whose bits are set. */
static void write_keys(const struct world *w, unsigned keys)
{
    struct buf text;

    buf_init(&text, 65536);
    buf_add_c(&text, "{\"keys\":[");
    if (keys & 1)
        signing_add_jwk(&text, w->keys[0], ",\"kid\":\"0\"");
    if (keys == 3)
        buf_add_char(&text, ',');
    if (keys & 2)
        signing_add_jwk(&text, w->keys[1], ",\"kid\":\"1\"");
    buf_add_c(&text, "]}");
    write_file(w, buf_str(&text));
    buf_fini(&text);
}

static void sign(const struct world *w, int key, struct buf *text)
{
    const struct str claims = STR("{\"role\":\"anon\",\"exp\":4000000000}");

    if (key == 0)
        signing_token(text, "{\"alg\":\"ES256\",\"kid\":\"0\"}", claims, w->keys[0], "SHA256",
                      false);
    else if (key == 1)
        signing_token(text, "{\"alg\":\"EdDSA\",\"kid\":\"1\"}", claims, w->keys[1], NULL, false);
    else
        signing_token_hmac(text, "{\"alg\":\"HS256\"}", claims, EVP_sha256(), STR(SECRET));
}

static bool is_good(const struct world *w, int key, struct token **token)
{
    struct buf text;
    struct err err;
    bool good;

    sign(w, key, &text);
    good = token_verify(w->core.authority.verifier, buf_str(&text), clock_now_us() / 1000000, token,
                        &err) == TOKEN_VALID;
    buf_fini(&text);
    return good;
}

/* Which of the three keys (the last is the secret) are good, as bits. */
static unsigned good_keys(const struct world *w)
{
    unsigned good = 0;

    for (int key = 0; key < 3; key++) {
        struct token *token;

        if (is_good(w, key, &token))
            good |= 1u << key;
        token_free(token);
    }
    return good;
}

static void open_watch(struct world *w)
{
    struct err err;

    if (jwks_watch_open(&w->loop, &w->core, &w->watch, &err) != OK)
        fail_msg("%s", err.message);
}

static void test_start(void **state)
{
    struct world *w = *state;
    struct err err;

    assert_int_equal(jwks_watch_open(&w->loop, &w->core, &w->watch, &err), FAILED);
    assert_null(w->watch);
    assert_non_null(strstr(err.message, "jwt_jwks_file: "));
    assert_non_null(strstr(err.message, w->path));
    assert_non_null(strstr(err.message, "No such file"));
    write_file(w, STR("{\"keys\":[]}"));
    assert_int_equal(jwks_watch_open(&w->loop, &w->core, &w->watch, &err), FAILED);
    assert_non_null(strstr(err.message, "a set without keys"));
    write_keys(w, 1);
    open_watch(w);
    assert_int_equal(good_keys(w), 4 | 1);
    assert_int_equal(stat_get(&w->stats.jwks_keys), 1);
}

static void test_rotation(void **state)
{
    static const struct {
        const char *sentence;
        unsigned keys;    /* to write; 0: the text */
        const char *text; /* NULL: no file */
        unsigned good;
        bool fails;
    } steps[] = {
        {"a key more", 3, "", 4 | 3, false},
        {"the same again", 3, "", 4 | 3, false},
        {"an empty file, as of one being written", 0, "", 4 | 3, true},
        {"half a file", 0, "{\"keys\":[", 4 | 3, true},
        {"a set without keys", 0, "{\"keys\":[]}", 4 | 3, true},
        {"no file", 0, NULL, 4 | 3, true},
        {"a key less", 2, "", 4 | 2, false},
        {"the other again", 1, "", 4 | 1, false},
    };
    struct world *w = *state;

    write_keys(w, 1);
    open_watch(w);
    for (size_t i = 0; i < COUNT(steps); i++) {
        uint64_t failed = stat_get(&w->stats.jwks_failed_total);

        if (steps[i].keys)
            write_keys(w, steps[i].keys);
        else if (steps[i].text)
            write_file(w, str_c(steps[i].text));
        else
            unlink(w->path);
        jwks_watch_tick(w->watch, 1000);
        CHECK(good_keys(w) == steps[i].good, steps[i].sentence);
        jwks_watch_tick(w->watch, 2000); /* told once */
        CHECK(stat_get(&w->stats.jwks_failed_total) - failed == steps[i].fails, steps[i].sentence);
    }
}

/* What was verified stays at hand while the keys stay, also if the file is written again. */
static void test_unchanged(void **state)
{
    struct world *w = *state;

    write_keys(w, 3);
    open_watch(w);
    (void)good_keys(w);
    write_keys(w, 3);
    jwks_watch_tick(w->watch, 1000);
    assert_int_equal(stat_get(&w->stats.jwks_read_total), 2);
    (void)good_keys(w);
    /* signed anew, the token of ES256 has another signature, and is another token */
    assert_int_equal(stat_get(&w->stats.tokens_checked_total), 4);
    assert_int_equal(stat_get(&w->stats.tokens_cached_total), 2);
}

static struct client *new_client(struct world *w, int key)
{
    const struct client_socket out = {on_wake, on_close, w};
    struct token *token;

    assert_true(is_good(w, key, &token));
    return client_new(&w->core, PHOENIX_V2, token, &out, 1000);
}

static void join(const struct world *w, struct client *client, const char *topic, int key)
{
    struct buf text, token;

    buf_init(&text, 65536);
    sign(w, key, &token);
    buf_addf(&text, "[\"1\",\"1\",\"realtime:%s\",\"phx_join\",{\"access_token\":\"%s\"}]", topic,
             token.data);
    client_receive(client, buf_str(&text), 1000);
    buf_fini(&text);
    buf_fini(&token);
}

/* What waits for the client, one line a frame. */
static void take_frames(struct client *client, struct buf *out)
{
    struct frame *frame;

    buf_clear(out);
    while ((frame = outbox_pop(&client->outbox))) {
        buf_add(out, frame_payload(frame), frame->len);
        buf_add_char(out, '\n');
        frame_unref(frame);
    }
}

static void test_removed_key(void **state)
{
    struct world *w = *state;
    struct client *client;
    struct buf frames;

    buf_init(&frames, 65536);
    write_keys(w, 3);
    open_watch(w);
    client = new_client(w, 2);
    join(w, client, "a", 0);
    join(w, client, "b", 1);
    join(w, client, "c", 2);
    take_frames(client, &frames);
    assert_int_equal(client->channel_count, 3);

    write_keys(w, 2);
    jwks_watch_tick(w->watch, 1000);
    assert_int_equal(client->channel_count, 2);
    assert_int_equal(w->closed, 0);
    take_frames(client, &frames);
    CHECK_STR(
        buf_str(&frames),
        STR("[\"1\",null,\"realtime:a\",\"system\",{\"message\":\"The key that signed the token "
            "is no longer valid\",\"status\":\"error\",\"extension\":\"system\",\"channel\":"
            "\"a\"}]\n[\"1\",\"1\",\"realtime:a\",\"phx_error\",{}]\n"),
        "the channel is told why, and rejoins");
    assert_int_equal(stat_get(&w->stats.jwks_dropped_total), 1);
    buf_fini(&frames);
}

/* The key of what it connected with: that connection would not be let in again. */
static void test_removed_key_of_connection(void **state)
{
    struct world *w = *state;
    struct client *one, *other;

    write_keys(w, 3);
    open_watch(w);
    one = new_client(w, 0);
    other = new_client(w, 1);
    join(w, one, "a", 2);
    write_keys(w, 2);
    jwks_watch_tick(w->watch, 1000);
    assert_true(one->closing);
    assert_int_equal(w->closed, CLIENT_CLOSE_POLICY);
    assert_false(other->closing);
    assert_int_equal(stat_get(&w->stats.jwks_dropped_total), 1);
}

static void on_unknown_key(void *arg)
{
    (void)arg;
}

/* A token that is refreshed may be signed with a key that is not here yet: its channel comes again,
 * and is not shut out for good as with any other bad token. */
static void test_refresh_before_key(void **state)
{
    static const struct {
        const char *sentence;
        bool may_be_had;
        const char *event;
    } cases[] = {{"newer keys are being fetched", true, "\"realtime:a\",\"phx_error\""},
                 {"there are no others", false, "\"realtime:a\",\"phx_close\""}};
    struct world *w = *state;

    write_keys(w, 1);
    open_watch(w);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct client *client = new_client(w, 2);
        struct buf text, token, frames;

        buf_init(&text, 65536);
        buf_init(&frames, 65536);
        join(w, client, "a", 0);
        take_frames(client, &frames);
        token_verifier_on_unknown_key(w->core.authority.verifier,
                                      cases[i].may_be_had ? on_unknown_key : NULL, NULL);
        sign(w, 1, &token);
        buf_addf(&text, "[\"1\",\"2\",\"realtime:a\",\"access_token\",{\"access_token\":\"%s\"}]",
                 token.data);
        client_receive(client, buf_str(&text), 1000);
        take_frames(client, &frames);
        CHECK(strstr(buf_str(&frames).data, "Failed to validate JWT signature"), cases[i].sentence);
        CHECK(strstr(buf_str(&frames).data, cases[i].event), cases[i].sentence);
        assert_int_equal(client->channel_count, 0);
        buf_fini(&text);
        buf_fini(&token);
        buf_fini(&frames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unchanged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refresh_before_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_key_of_connection, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
