/* A realtime core for fuzz targets: limits so wide that an input is not cut short by a rate, and
 * narrow where the limit itself is worth reaching. Time stands still unless the input moves it. */
#ifndef PGHERALD_TESTS_FUZZ_CORE_H
#define PGHERALD_TESTS_FUZZ_CORE_H

#include "fuzz.h"

#include "base/json.h"
#include "realtime/catchup.h"
#include "realtime/channel.h"
#include "realtime/joining.h"
#include "signing.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define CLAIMS "{\"role\":\"anon\",\"exp\":4102444800}"

static inline void fuzz_config(struct config *config)
{
    memset(config, 0, sizeof(*config));
    config->jwt_secret = (char *)(uintptr_t)SECRET;
    config->tls_cert_file = config->tls_key_file = (char *)(uintptr_t) "";
    config->realtime_max_clients = 16;
    config->api_keys_max = 10;
    config->realtime_max_channels = 3;
    config->realtime_client_buffer_bytes = 1 << 16;
    config->realtime_idle_timeout_ms = 60000;
    config->realtime_max_joins_per_second = 1000;
    config->realtime_max_messages_per_second = 1000;
    config->realtime_max_payload_bytes = 1000;
    config->realtime_max_frame_bytes = 1 << 16;
    config->realtime_max_presence_per_second = 1000;
    config->realtime_max_presences = 4;
    config->realtime_presence_memory_bytes = 4096;
    config->realtime_threads = 1;
}

static inline enum rls_role fuzz_role(void *arg, const char *role)
{
    (void)arg;
    return strcmp(role, "nobody") == 0 ? RLS_ROLE_NO : RLS_ROLE_YES;
}

/* What may be done in a private topic shows in its first letter. */
static inline struct channel_rights fuzz_rights(struct str topic)
{
    bool reads = topic.len > 0 && topic.data[0] != 'w' && topic.data[0] != 'n';
    bool writes = topic.len > 0 && topic.data[0] != 'r' && topic.data[0] != 'n';

    return (struct channel_rights){reads, writes, reads, writes};
}

static inline void fuzz_authorize(void *arg, struct channel *channel)
{
    const struct channel_rights rights = fuzz_rights(channel_name(channel));

    (void)arg;
    joining_decide(channel, &rights, NULL);
}

static inline void fuzz_ask(void *arg, struct session *session, struct str topic, rights_cb *cb,
                            void *cb_arg)
{
    const struct channel_rights rights = fuzz_rights(topic);

    (void)arg;
    (void)session;
    cb(cb_arg, &rights, NULL);
}

static inline void fuzz_replay(void *arg, struct channel *channel, const struct replay *replay)
{
    static const struct stored_message stored = {
        STR("r"), STR("e"), STR("{}"), STR("1b4e28ba-2fa1-41d2-883f-0016d3cca427"), true, false};

    (void)arg;
    (void)replay;
    catchup_replay(channel, &stored);
    catchup_end(channel);
}

static inline void fuzz_core(struct core *core, const struct config *config, struct stats *stats)
{
    core_init(core, config, stats);
    core->check_role = fuzz_role;
    core->authorize = fuzz_authorize;
    core->ask_rights = fuzz_ask;
    core->replay = fuzz_replay;
    stat_set(&stats->stream_up, 1);
}

/* A token of the role anon, far from its end. */
static inline struct token *fuzz_token(const struct core *core)
{
    struct token *token;
    struct err err;
    struct buf text;

    signing_token_hmac(&text, "{\"alg\":\"HS256\"}", STR(CLAIMS), EVP_sha256(), STR(SECRET));
    REQUIRE(token_verify(core->authority.verifier, buf_str(&text), 1, &token, &err) == TOKEN_VALID,
            buf_str(&text));
    buf_fini(&text);
    return token;
}

#endif
