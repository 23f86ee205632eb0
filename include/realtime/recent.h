/* The transactions whose messages passed by a moment ago.
 *
 * A commit is in the WAL, and so may be in the stream, before other sessions see what it wrote;
 * with synchronous replication that may take a while. So who reads realtime.messages after a
 * message has passed need not find it there: first the transactions of what has passed must have
 * ended. */
#ifndef PGHERALD_REALTIME_RECENT_H
#define PGHERALD_REALTIME_RECENT_H

#include "base/buf.h"

#define RECENT_MAX 256

struct recent {
    struct {
        uint32_t xid;
        uint64_t at_ms;
    } items[RECENT_MAX];
    size_t count, next; /* the oldest is replaced */
};

void recent_note(struct recent *recent, uint32_t xid, uint64_t now_ms);
/* Those of the last ten seconds, as a bigint[] literal. */
void recent_write(const struct recent *recent, uint64_t now_ms, struct buf *out);

#endif
