#include "realtime/core.h"

#include <string.h>

#include "base/random.h"

void core_init(struct core *core, const struct config *config, struct stats *stats)
{
    memset(core, 0, sizeof(*core));
    core->config = config;
    core->stats = stats;
    authority_init(&core->authority, str_c(config->jwt_secret), config->api_keys_max, stats);
    core->hub = hub_new();
    random_fill(&core->presences.last_ref, sizeof(core->presences.last_ref));
}

void core_fini(struct core *core)
{
    authority_fini(&core->authority);
    hub_free(core->hub);
    rooms_fini(&core->rooms);
    sessions_fini(&core->sessions);
}
