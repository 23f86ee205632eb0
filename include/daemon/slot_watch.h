/* Watches how much WAL the server keeps for our slot. WAL that nobody reads fills the database's
 * disk, and a full disk stops the database: that must be known early, and there is a last resort.
 */
#ifndef PGHERALD_DAEMON_SLOT_WATCH_H
#define PGHERALD_DAEMON_SLOT_WATCH_H

#include <uv.h>

#include "base/stats.h"
#include "base/str.h"
#include "config/config.h"

enum slot_level {
    SLOT_FINE,
    SLOT_WARNING,  /* more than slot_warning is kept */
    SLOT_CRITICAL, /* more than slot_critical is, or the server is about to take the slot away */
    SLOT_OVER,     /* more than slot_drop_beyond: the slot shall go */
    SLOT_LOST      /* it is not there, or no longer of use */
};

struct slot_facts_watched {
    bool exists;
    struct str wal_status; /* reserved, extended, unreserved, lost; empty if unknown */
    uint64_t retained;     /* bytes between the WAL's end and what the slot still needs */
    bool has_limit;        /* max_slot_wal_keep_size is set */
    uint64_t safe;         /* bytes until that takes the slot away */
};

/* Pure. `config` has the thresholds; 0 means never. */
enum slot_level slot_judge(const struct config *config, const struct slot_facts_watched *facts);
const char *slot_level_name(enum slot_level level);

struct slot_watch;

/* Looks every ten seconds, over a connection of its own, from the calling thread's loop. `config`
 * and `stats` are borrowed. */
struct slot_watch *slot_watch_start(uv_loop_t *loop, const struct config *config,
                                    struct stats *stats);
void slot_watch_stop(struct slot_watch *watch); /* NULL is fine */

#endif
