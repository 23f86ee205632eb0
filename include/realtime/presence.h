/* Presence in a room, as the protocol has it: track and untrack, presence_state for whoever joins,
 * presence_diff for all, every now and then. What is told to whom, and what is bounded; who is
 * there is the roster's. */
#ifndef PGHERALD_REALTIME_PRESENCE_H
#define PGHERALD_REALTIME_PRESENCE_H

#include "realtime/channel.h"
#include "realtime/relay.h"

#define PRESENCE_BATCH_MS 100 /* between two diffs of a room, at least */

/* The client's presence event. */
void presence_receive(struct channel *channel, const struct phoenix_frame *frame);

/* Tells a channel that has just entered its room who is there. */
void presence_welcome(struct channel *channel);

/* The channel is about to leave its room. */
void presence_leave(struct channel *channel);

/* Sends what has changed. core->presence_due was called when there began to be something. */
void presence_flush(struct core *core);

/* A presence of the room: makes `meta` (a JSON object) what is true of it, of a new one under `key`
 * if it is NULL; and takes it away. Nobody is asked whether it may, and other loops are not told.
 */
struct presence *presence_set(struct core *core, struct room *room, struct presence *presence,
                              struct str key, struct str meta, uint64_t ref);
void presence_remove(struct core *core, struct room *room, struct presence *presence);

/* The presence of a channel that has one, as other loops are told of it. */
struct relayed_presence presence_to_relay(const struct channel *channel);

/* The room is about to be freed. */
void presence_forget(struct core *core, struct room *room);

#endif
