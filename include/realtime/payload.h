/* From a row event to the `data` object of a postgres_changes message. Pure.
 * Source: facts/realtime-protocol.md, "Values" and "Rows"; supabase/walrus. */
#ifndef PGHERALD_REALTIME_PAYLOAD_H
#define PGHERALD_REALTIME_PAYLOAD_H

#include "base/buf.h"
#include "realtime/names.h"
#include "row/event.h"

#define PAYLOAD_MAX_SOURCE 1048576 /* beyond: error 413, short values only */
#define PAYLOAD_SHORT 64

/* What of a row one group of clients may see and wants to see. */
struct view {
    const struct names *hidden; /* columns that may not be read; never NULL */
    const struct names *select; /* columns that are wanted, and the key; empty: all; never NULL */
    bool old_whole;             /* of the old row more than the key may be shown */
    bool left; /* an UPDATE took the row out of view: told as a DELETE, by the old key alone */
};

void payload_write(struct buf *out, const struct event_row *row, const struct view *view);

/* "INSERT", "UPDATE", "DELETE". */
struct str payload_type(enum change_kind kind);

#endif
