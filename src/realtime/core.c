#include "realtime/core.h"

#include <string.h>

#include "base/random.h"
#include "realtime/remote.h"

#define MAX_CACHED_TOKENS 131072

/* For all clients to rejoin at once, each with a token of its own. Twice as many places as tokens,
 * since a token cannot take any place. */
static size_t cached_tokens(const struct config *config)
{
    size_t wanted = (size_t)config->realtime_max_clients * 2;

    return wanted < MAX_CACHED_TOKENS ? wanted : MAX_CACHED_TOKENS;
}

static void set_up_verifier(struct token_verifier *verifier, const struct config *config,
                            struct stats *stats)
{
    const struct token_rules rules = {&config->jwt_audience, &config->jwt_issuer,
                                      config->jwt_leeway_ms / 1000};

    token_verifier_set_rules(verifier, &rules);
    token_verifier_set_cache(verifier, cached_tokens(config), stats);
}

void core_init(struct core *core, const struct config *config, struct stats *stats)
{
    memset(core, 0, sizeof(*core));
    core->config = config;
    core->stats = stats;
    authority_init(&core->authority, str_c(config->jwt_secret), config->api_keys_max, stats);
    set_up_verifier(core->authority.verifier, config, stats);
    core->hub = hub_new();
    core->rest = core->own_rest;
    random_fill(&core->presences.last_ref, sizeof(core->presences.last_ref));
}

void core_fini(struct core *core)
{
    authority_fini(&core->authority);
    hub_free(core->hub);
    remote_forget(core);
    rooms_fini(&core->rooms);
    sessions_fini(&core->sessions);
}
