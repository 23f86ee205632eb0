#include "realtime/room.h"

#include <stdlib.h>

#include "base/mem.h"
#include "realtime/presence.h"
#include "realtime/relay.h"

void rooms_fini(struct rooms *rooms)
{
    map_fini(&rooms->map);
}

static uint64_t room_key(struct str topic, bool is_private)
{
    return hash_more(is_private, topic);
}

struct room *room_find(const struct rooms *rooms, struct str topic, bool is_private)
{
    struct map_node *node = map_find(&rooms->map, room_key(topic, is_private));

    for (; node; node = map_next(node)) {
        struct room *room = MAP_THING(node, struct room, node);

        if (room->is_private == is_private && str_eq(str_c(room->topic), topic))
            return room;
    }
    return NULL;
}

struct room *room_need(struct core *core, struct str topic, bool is_private)
{
    struct room *room = room_find(&core->rooms, topic, is_private);

    if (room)
        return room;
    room = mem_alloc(sizeof(*room));
    room->topic = str_dup(topic);
    room->is_private = is_private;
    map_add(&core->rooms.map, &room->node, room_key(topic, is_private));
    return room;
}

/* The first channel has come, or the last has gone. */
static void follow(struct core *core, const struct room *room, bool follows)
{
    relay_follow(core->relay, str_c(room->topic), room->is_private, follows);
    core->rooms.joined = follows ? core->rooms.joined + 1 : core->rooms.joined - 1;
    stat_set_part(&core->stats->rooms, &core->gauges.rooms, core->rooms.joined);
}

void room_release(struct core *core, struct room *room)
{
    if (room->count > 0 || room->walks > 0 || room->remotes > 0)
        return;
    presence_forget(core, room);
    map_remove(&core->rooms.map, &room->node);
    free(room->channels);
    free(room->topic);
    free(room);
}

void room_enter(struct core *core, struct channel *channel)
{
    struct room *room = room_need(core, str_c(channel->topic), channel->is_private);

    if (room->count == room->cap) {
        room->cap = room->cap ? room->cap * 2 : 2;
        room->channels = mem_grow(room->channels, room->cap, sizeof(struct channel *));
    }
    channel->room = room;
    channel->place_in_room = room->count;
    room->channels[room->count++] = channel;
    room->of_vsn[channel->client->vsn]++;
    if (room->count == 1)
        follow(core, room, true);
}

void room_leave(struct core *core, struct channel *channel)
{
    struct room *room = channel->room;
    struct channel *last;

    if (!room)
        return;
    last = room->channels[--room->count];
    room->channels[channel->place_in_room] = last;
    last->place_in_room = channel->place_in_room;
    room->of_vsn[channel->client->vsn]--;
    channel->room = NULL;
    if (room->count == 0)
        follow(core, room, false);
    room_release(core, room);
}

/* From the last to the first: a client that is sent one frame too many is closed, and its channel,
 * the only one that it can have here, gives its place to one that has been visited. */
void room_each(struct core *core, struct room *room,
               void (*visit)(struct channel *channel, void *arg), void *arg)
{
    room->walks++;
    for (size_t i = room->count; i-- > 0;)
        visit(room->channels[i], arg);
    room->walks--;
    room_release(core, room);
}
