/* Everybody in a topic. Public and private channels of the same name are in different rooms. A room
 * is there as long as a channel is in it. */
#ifndef PGHERALD_REALTIME_ROOM_H
#define PGHERALD_REALTIME_ROOM_H

#include "base/map.h"
#include "realtime/phoenix.h"

struct channel;
struct core;
struct frame;
struct roster;

/* What presence.c keeps of a room. */
struct room_presence {
    struct roster *roster;             /* NULL: nobody has been present yet */
    struct frame *state[PHOENIX_VSNS]; /* as the room has been told; made when somebody joins */
    struct room *next, **link;         /* of the rooms with a change; link NULL: it has none */
};

struct room {
    struct map_node node;
    char *topic;
    bool is_private;
    struct channel **channels; /* each knows its place */
    size_t count, cap;
    size_t of_vsn[PHOENIX_VSNS]; /* how many of them speak a version */
    unsigned walks;              /* that are under way: it is not freed within one */
    struct room_presence presence;
};

struct rooms {
    struct map map;
};

void rooms_fini(struct rooms *rooms); /* must be empty */

/* NULL: nobody is there. */
struct room *room_find(const struct rooms *rooms, struct str topic, bool is_private);

/* Into the room of the channel's topic, and out of it. */
void room_enter(struct core *core, struct channel *channel);
void room_leave(struct core *core, struct channel *channel);

/* Visits every channel of the room, which may send to it and close its client. */
void room_each(struct core *core, struct room *room,
               void (*visit)(struct channel *channel, void *arg), void *arg);

#endif
