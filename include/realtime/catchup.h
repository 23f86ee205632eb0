/* Stored messages before the new ones: a channel that wants them is sent what realtime.messages
 * holds of its topic, and everything that is sent to the topic meanwhile behind it, each message
 * once.
 *
 * The channel is in its room before the table is read. So a message is in the table, or comes by
 * the stream later, or both; for the last case the ids of what was replayed are remembered, as long
 * as the channel lives: the stream may lag. */
#ifndef PGHERALD_REALTIME_CATCHUP_H
#define PGHERALD_REALTIME_CATCHUP_H

#include "realtime/broadcast.h"

struct catchup;

struct catchup *catchup_new(void);
void catchup_free(struct catchup *catchup); /* NULL is fine */

/* A message to the topic of a channel that has a catchup: held back, left out or sent. `id` is
 * empty if it is no stored one. */
void catchup_send(struct channel *channel, struct frame *frame, struct str id);

/* What the table has, oldest first: call catchup_replay() for each, then catchup_end() once. */
void catchup_replay(struct channel *channel, const struct stored_message *message);
void catchup_end(struct channel *channel);

#endif
