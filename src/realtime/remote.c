#include "realtime/remote.h"

#include <stdlib.h>

#include "base/mem.h"
#include "realtime/presence.h"
#include "realtime/roster.h"

struct remote {
    struct map_node node;
    unsigned from;
    uint64_t id;
    struct room *room;
    struct presence *presence; /* the roster's */
    uint64_t seen;             /* in which list */
};

static uint64_t key_of(unsigned from, uint64_t id)
{
    return (id ^ ((uint64_t)from << 56)) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct remote *find(const struct core *core, unsigned from, uint64_t id)
{
    struct map_node *node = map_find(&core->presences.remote, key_of(from, id));

    for (; node; node = map_next(node)) {
        struct remote *remote = MAP_THING(node, struct remote, node);

        if (remote->from == from && remote->id == id)
            return remote;
    }
    return NULL;
}

static void drop(struct core *core, struct remote *remote)
{
    struct room *room = remote->room;

    map_remove(&core->presences.remote, &remote->node);
    presence_remove(core, room, remote->presence);
    room->remotes--;
    room_release(core, room);
    free(remote);
}

static struct remote *add(struct core *core, unsigned from, const struct relayed_presence *p)
{
    struct remote *remote = mem_alloc(sizeof(*remote));

    remote->from = from;
    remote->id = p->id;
    remote->room = room_need(core, p->topic, p->is_private);
    remote->room->remotes++;
    map_add(&core->presences.remote, &remote->node, key_of(from, p->id));
    return remote;
}

static void take_one(struct core *core, unsigned from, const struct relayed_presence *p,
                     uint64_t list)
{
    struct remote *remote = find(core, from, p->id);

    if (p->meta.len == 0) {
        if (remote)
            drop(core, remote);
        return;
    }
    if (!remote)
        remote = add(core, from, p);
    remote->seen = list;
    if (remote->presence && presence_is(remote->presence, p->meta))
        return;
    remote->presence = presence_set(core, remote->room, remote->presence, p->key, p->meta, p->ref);
}

/* Of a loop's, those that its list did not have; of all loops with `list` 0, everything. */
static void drop_unseen(struct core *core, unsigned from, uint64_t list)
{
    struct map *map = &core->presences.remote;
    size_t count = map->bucket_count;

    for (size_t i = 0; i < count && map->buckets; i++) {
        struct map_node *next;

        for (struct map_node *node = map->buckets[i]; node; node = next) {
            struct remote *remote = MAP_THING(node, struct remote, node);

            next = node->next;
            if (list == 0 || (remote->from == from && remote->seen != list))
                drop(core, remote);
        }
    }
}

void remote_take(struct core *core, const struct relayed *relayed)
{
    uint64_t list = relayed->complete ? ++core->presences.last_list : 0;

    for (size_t i = 0; i < relayed->count; i++)
        take_one(core, relayed->from, &relayed->presences[i], list);
    if (list)
        drop_unseen(core, relayed->from, list);
}

void remote_forget(struct core *core)
{
    drop_unseen(core, 0, 0);
    map_fini(&core->presences.remote);
}

/* Visits our presences: with `out` writes them there, else counts them. */
static size_t visit(const struct core *core, struct relayed_presence *out)
{
    size_t count = 0;

    for (const struct client *client = core->clients; client; client = client->next) {
        for (const struct channel *channel = client->channels; channel; channel = channel->next) {
            if (!channel->presence)
                continue;
            if (out)
                out[count] = presence_to_relay(channel);
            count++;
        }
    }
    return count;
}

struct relayed *remote_list(struct core *core)
{
    size_t count = visit(core, NULL);
    struct relayed_presence *presences = mem_array(count, sizeof(*presences));
    struct relayed *relayed;

    (void)visit(core, presences);
    relayed = relayed_presences_new(presences, count, true);
    free(presences);
    return relayed;
}
