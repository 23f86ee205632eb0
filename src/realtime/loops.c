#include "realtime/loops.h"

#include <stdlib.h>

#include "base/mem.h"
#include "realtime/realtime.h"
#include "realtime/relay.h"
#include "realtime/server.h"

struct loops {
    struct stats *stats;
    struct relay *relay; /* NULL: there is one loop */
    struct quotas *quotas;
    struct shared_rate rest[CORE_REST_RATES];
    struct realtime *items[QUEUES_MAX];
    size_t count;
};

static enum result open_all(struct loops *loops, const struct config *config,
                            const struct queues *inboxes, struct err *err)
{
    size_t wanted = inboxes->count > 0 ? inboxes->count : 1;
    struct realtime_place place = {
        .rest = loops->rest, .quotas = loops->quotas, .relay = loops->relay};

    for (; loops->count < wanted; loops->count++) {
        place.index = (unsigned)loops->count;
        place.inbox = inboxes->count > 0 ? inboxes->items[loops->count] : NULL;
        if (realtime_open(config, loops->stats, &place, &loops->items[loops->count], err) != OK)
            return FAILED;
    }
    return OK;
}

static enum result run_all(struct loops *loops, struct err *err)
{
    for (size_t i = 0; i < loops->count; i++)
        if (realtime_run(loops->items[i], err) != OK)
            return FAILED;
    return OK;
}

enum result loops_start(const struct config *config, struct stats *stats,
                        const struct queues *inboxes, struct loops **out, struct err *err)
{
    struct loops *loops = mem_alloc(sizeof(*loops));

    *out = NULL;
    loops->stats = stats;
    loops->quotas = quotas_new();
    if (inboxes->count > 1)
        loops->relay = relay_new(inboxes->count, config->realtime_queue_bytes);
    if (open_all(loops, config, inboxes, err) == OK) {
        server_all_open((unsigned)loops->count);
        stat_set(&stats->realtime_loops, inboxes->count);
        if (run_all(loops, err) == OK) {
            *out = loops;
            return OK;
        }
    }
    loops_stop(loops);
    return FAILED;
}

uint64_t loops_bindings(const struct loops *loops)
{
    return stat_get(&loops->stats->bindings);
}

void loops_stop(struct loops *loops)
{
    if (!loops)
        return;
    for (size_t i = 0; i < loops->count; i++)
        realtime_ask_to_stop(loops->items[i]);
    for (size_t i = 0; i < loops->count; i++)
        realtime_close(loops->items[i]);
    relay_free(loops->relay);
    quotas_unref(loops->quotas);
    free(loops);
}
