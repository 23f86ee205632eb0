/* Presence in a room, as the protocol has it: track and untrack, presence_state for whoever joins,
 * presence_diff for all, every now and then. What is told to whom, and what is bounded; who is
 * there is the roster's. */
#ifndef PGHERALD_REALTIME_PRESENCE_H
#define PGHERALD_REALTIME_PRESENCE_H

#include "realtime/channel.h"

#define PRESENCE_BATCH_MS 100 /* between two diffs of a room, at least */

/* The client's presence event. */
void presence_receive(struct channel *channel, const struct phoenix_frame *frame);

/* Tells a channel that has just entered its room who is there. */
void presence_welcome(struct channel *channel);

/* The channel is about to leave its room. */
void presence_leave(struct channel *channel);

/* Sends what has changed. core->presence_due was called when there began to be something. */
void presence_flush(struct core *core);

/* The room is about to be freed. */
void presence_forget(struct core *core, struct room *room);

#endif
