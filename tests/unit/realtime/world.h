/* A realtime core with clients but without sockets: what they would be sent is read from their
 * outboxes. Time stands still unless a test moves it. */
#ifndef PGHERALD_TESTS_WORLD_H
#define PGHERALD_TESTS_WORLD_H

#include "fixture.h"
#include "realtime/channel.h"

#include "base/clock.h"

#include <rhonabwy.h>

#define SECRET "an-example-secret-of-at-least-32-bytes"

struct world {
    struct config config;
    struct stats stats;
    struct core core;
    struct client *client;
    int woken;
    unsigned closed; /* the code, 0 while open */
};

static inline void on_wake(void *socket)
{
    ((struct world *)socket)->woken++;
}

static inline void on_close(void *socket, unsigned code, const char *reason)
{
    (void)reason;
    ((struct world *)socket)->closed = code;
}

static inline enum rls_role any_known_role(void *arg, const char *role)
{
    (void)arg;
    if (strcmp(role, "unknown_yet") == 0)
        return RLS_ROLE_UNKNOWN;
    return strcmp(role, "nobody") == 0 ? RLS_ROLE_NO : RLS_ROLE_YES;
}

static inline char *jwt(const char *role, int64_t lives_s)
{
    jwt_t *token = NULL;
    jwk_t *key = NULL;
    char *text;

    r_jwk_init(&key);
    r_jwk_import_from_symmetric_key(key, (const unsigned char *)SECRET, sizeof(SECRET) - 1);
    r_jwt_init(&token);
    r_jwt_set_sign_alg(token, R_JWA_ALG_HS256);
    r_jwt_set_claim_str_value(token, "role", role);
    r_jwt_set_claim_int_value(token, "exp", clock_now_us() / 1000000 + lives_s);
    text = r_jwt_serialize_signed(token, key, 0);
    r_jwk_free(key);
    r_jwt_free(token);
    return text;
}

/* Seen at a time long ago, so that it may have expired since. */
static inline struct token *token_of(const struct world *w, const char *role, int64_t lives_s)
{
    char *text = jwt(role, lives_s);
    struct token *token;
    struct err err;

    if (token_verify(w->core.authority.verifier, str_c(text), 1, &token, &err))
        fail_msg("%s", err.message);
    r_free(text);
    return token;
}

static inline struct client *new_client(struct world *w, enum phoenix_vsn vsn, const char *role)
{
    const struct client_socket out = {on_wake, on_close, w};

    return client_new(&w->core, vsn, token_of(w, role, 60), &out, 1000);
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->config.jwt_secret = (char *)(uintptr_t)SECRET;
    w->config.realtime_max_clients = 4;
    w->config.api_keys_max = 10;
    w->config.realtime_max_channels = 3;
    w->config.realtime_client_buffer_bytes = 4096;
    w->config.realtime_idle_timeout_ms = 60000;
    w->config.realtime_max_joins_per_second = 100;
    w->config.realtime_max_messages_per_second = 1000;
    w->config.realtime_max_payload_bytes = 1000;
    w->config.realtime_max_presence_per_second = 1000;
    w->config.realtime_max_presences = 100;
    w->config.realtime_presence_memory_bytes = 1 << 20;
    stat_set(&w->stats.stream_up, 1);
    core_init(&w->core, &w->config, &w->stats);
    w->core.check_role = any_known_role;
    w->client = new_client(w, PHOENIX_V2, "anon");
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;

    while (w->core.clients)
        client_free(w->core.clients);
    assert_int_equal(hub_count(w->core.hub), 0);
    assert_int_equal(w->core.sessions.map.count, 0);
    assert_int_equal(stat_get(&w->stats.channels), 0);
    assert_int_equal(w->core.rooms.map.count, 0);
    assert_int_equal(w->core.presences.bytes, 0);
    assert_null(w->core.presences.changed);
    core_fini(&w->core);
    free(w);
    return 0;
}

static inline void say(struct client *client, const char *text)
{
    client_receive(client, str_c(text), 2000);
}

/* The next message is exactly this; NULL: there is none. */
static inline void expect(const char *says, struct client *client, const char *want)
{
    struct frame *frame = outbox_pop(&client->outbox);

    if (!frame && want)
        fail_msg("%s: nothing came, wanted %s", says, want);
    if (frame && !want)
        fail_msg("%s: unexpected %.*s", says, (int)frame->len, (char *)frame_payload(frame));
    if (frame && frame->kind != FRAME_TEXT)
        fail_msg("%s: not a text message", says);
    if (frame && want)
        check_text(says, str_from((char *)frame_payload(frame), frame->len), want);
    frame_unref(frame);
}

static inline void expect_start(const char *says, struct client *client, const char *want)
{
    struct frame *frame = outbox_pop(&client->outbox);

    if (!frame)
        fail_msg("%s: nothing came, wanted %s", says, want);
    if (!str_starts(str_from((char *)frame_payload(frame), frame->len), str_c(want)))
        fail_msg("%s\n   wanted: %s\n   got:    %.*s", says, want, (int)frame->len,
                 (char *)frame_payload(frame));
    frame_unref(frame);
}

/* The next message is binary, and exactly this. */
static inline void expect_binary(const char *says, struct client *client, struct str want)
{
    struct frame *frame = outbox_pop(&client->outbox);

    if (!frame || frame->kind != FRAME_BINARY)
        fail_msg("%s: no binary message came", says);
    if (frame)
        check_bytes(says, str_from((char *)frame_payload(frame), frame->len), want);
    frame_unref(frame);
}

static inline void drop_all(struct client *client)
{
    struct frame *frame;

    while ((frame = outbox_pop(&client->outbox)))
        frame_unref(frame);
}

#endif
