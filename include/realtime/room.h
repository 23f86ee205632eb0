/* Everybody in a topic. Public and private channels of the same name are in different rooms. A room
 * is there as long as a channel of this loop or a presence of another is in it. */
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
    size_t remotes;              /* presences of other loops in it; it is not freed with one */
    struct room_presence presence;
};

struct rooms {
    struct map map;
    size_t joined; /* those with a channel */
};

void rooms_fini(struct rooms *rooms); /* must be empty */

/* NULL: nobody is there. */
struct room *room_find(const struct rooms *rooms, struct str topic, bool is_private);

/* For presences of other loops: room->remotes is the caller's to count. */
struct room *room_need(struct core *core, struct str topic, bool is_private);
void room_release(struct core *core, struct room *room); /* frees it if it is not needed any more */

/* Into the room of the channel's topic, and out of it. */
void room_enter(struct core *core, struct channel *channel);
void room_leave(struct core *core, struct channel *channel);

/* Visits every channel of the room, which may send to it and close its client. */
void room_each(struct core *core, struct room *room,
               void (*visit)(struct channel *channel, void *arg), void *arg);

#endif
