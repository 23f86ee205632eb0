#include "realtime/core.h"

#include <string.h>

void core_init(struct core *core, const struct config *config, struct stats *stats)
{
    memset(core, 0, sizeof(*core));
    core->config = config;
    core->stats = stats;
    core->verifier = token_verifier_new(str_c(config->jwt_secret));
    core->hub = hub_new();
}

void core_fini(struct core *core)
{
    token_verifier_free(core->verifier);
    hub_free(core->hub);
    rooms_fini(&core->rooms);
    sessions_fini(&core->sessions);
}
