#include "realtime/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static size_t count_parts(struct str list)
{
    size_t count = list.len > 0;

    for (size_t i = 0; i < list.len; i++)
        count += list.data[i] == ',';
    return count;
}

static bool read_running(struct str list, struct snapshot *out)
{
    struct str one;

    out->running = mem_array(count_parts(list), sizeof(*out->running));
    while (list.len > 0) {
        str_split(list, ',', &one, &list);
        if (!str_to_u64(one, &out->running[out->count++]))
            return false;
    }
    return true;
}

bool snapshot_read(struct str text, struct snapshot *out)
{
    struct str xmin, xmax, running;

    memset(out, 0, sizeof(*out));
    if (str_split(text, ':', &xmin, &running) && str_split(running, ':', &xmax, &running) &&
        str_to_u64(xmin, &out->xmin) && str_to_u64(xmax, &out->xmax) && read_running(running, out))
        return true;
    snapshot_fini(out);
    return false;
}

void snapshot_fini(struct snapshot *snapshot)
{
    free(snapshot->running);
    memset(snapshot, 0, sizeof(*snapshot));
}

/* The 32 bits of an xid belong to the number nearest to the snapshot's end. */
static uint64_t full_xid(const struct snapshot *snapshot, uint32_t xid)
{
    return snapshot->xmax + (uint64_t)(int64_t)(int32_t)(xid - (uint32_t)snapshot->xmax);
}

bool snapshot_sees(const struct snapshot *snapshot, uint32_t xid)
{
    uint64_t full = full_xid(snapshot, xid);

    if (xid == 0 || full < snapshot->xmin)
        return true;
    if (full >= snapshot->xmax)
        return false;
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->running[i] == full)
            return false;
    return true;
}
