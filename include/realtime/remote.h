/* The presences that clients of other realtime loops have: they stand in the rosters beside our
 * own, so a room's state is the same in every loop. */
#ifndef PGHERALD_REALTIME_REMOTE_H
#define PGHERALD_REALTIME_REMOTE_H

#include "realtime/core.h"
#include "realtime/relay.h"

/* What another loop says of its presences. */
void remote_take(struct core *core, const struct relayed *relayed);

/* What ours are, all of them, for a loop that has missed some; one reference. */
struct relayed *remote_list(struct core *core);

/* Forgets them all: at the end. */
void remote_forget(struct core *core);

#endif
