/* What the live page is told beside the rows: effects became durable, a webhook was tried. */
#ifndef PGHERALD_REALTIME_ACTIVITY_H
#define PGHERALD_REALTIME_ACTIVITY_H

#include "realtime/core.h"
#include "row/event.h"

void activity_stored(struct core *core, const struct event_stored *stored);
void activity_attempt(struct core *core, const struct event_attempt *attempt);

#endif
