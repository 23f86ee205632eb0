/* A snapshot as PostgreSQL writes it: xmin:xmax:xip, xip...; pg_current_snapshot(). */
#ifndef PGHERALD_REALTIME_SNAPSHOT_H
#define PGHERALD_REALTIME_SNAPSHOT_H

#include "base/str.h"

struct snapshot {
    uint64_t xmin; /* all below have ended */
    uint64_t xmax; /* none from here on */
    uint64_t *running;
    size_t count;
};

/* false, and empty, if the text is none. */
bool snapshot_read(struct str text, struct snapshot *out);
void snapshot_fini(struct snapshot *snapshot);

/* Whether a transaction that has committed has done so for this snapshot, too. 0, an xid that is
 * not known, has. */
bool snapshot_sees(const struct snapshot *snapshot, uint32_t xid);

#endif
