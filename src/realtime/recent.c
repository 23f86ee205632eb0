#include "realtime/recent.h"

#define RECENT_MS 10000

void recent_note(struct recent *recent, uint32_t xid, uint64_t now_ms)
{
    size_t newest = (recent->next + RECENT_MAX - 1) % RECENT_MAX;

    if (recent->count > 0 && recent->items[newest].xid == xid) {
        recent->items[newest].at_ms = now_ms;
        return;
    }
    recent->items[recent->next].xid = xid;
    recent->items[recent->next].at_ms = now_ms;
    recent->next = (recent->next + 1) % RECENT_MAX;
    if (recent->count < RECENT_MAX)
        recent->count++;
}

void recent_write(const struct recent *recent, uint64_t now_ms, struct buf *out)
{
    size_t written = 0;

    buf_add_char(out, '{');
    for (size_t i = 0; i < recent->count; i++) {
        if (now_ms - recent->items[i].at_ms > RECENT_MS)
            continue;
        if (written++ > 0)
            buf_add_char(out, ',');
        buf_add_u64(out, recent->items[i].xid);
    }
    buf_add_char(out, '}');
}
