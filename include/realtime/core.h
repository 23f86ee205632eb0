/* What everything on a realtime loop shares. One thread owns it all. */
#ifndef PGHERALD_REALTIME_CORE_H
#define PGHERALD_REALTIME_CORE_H

#include "base/stats.h"
#include "config/config.h"
#include "realtime/hub.h"
#include "realtime/rate.h"
#include "realtime/recent.h"
#include "realtime/rights.h"
#include "realtime/rls.h"
#include "realtime/room.h"
#include "realtime/session.h"
#include "token/authority.h"

struct client;
struct channel;
struct frame;
struct relay_end;
struct replay;

/* What presence.c keeps of all rooms. */
struct presences {
    size_t count, bytes;  /* of our rosters: those of other loops are in them */
    uint64_t last_ref;    /* begins where chance has it: none comes again after a restart */
    struct room *changed; /* rooms with something to tell, linked */
    struct map remote;    /* those of other loops; see remote.h */
    uint64_t last_list;   /* the last list of another loop that was taken */
};

/* The messages of those who send by REST, by a hash of who they are: whoever shares a place shares
 * its rate. */
#define CORE_REST_RATES 1024

/* What this loop contributes to the gauges that are sums over all loops. */
struct core_gauges {
    uint64_t bindings, rooms, presences, presence_bytes, queue_depth, queue_bytes;
};

struct core {
    const struct config *config;
    struct stats *stats;
    struct authority authority;
    struct hub *hub;
    struct sessions sessions;
    struct client *clients; /* all of this loop, linked; how many all loops have is in the stats */
    struct rooms rooms;
    struct shared_rate *rest; /* CORE_REST_RATES, of all loops */
    struct shared_rate own_rest[CORE_REST_RATES];
    struct relay_end *relay; /* to the other loops; NULL: there is none */
    struct core_gauges gauges;
    struct frame *page; /* the live page, shared by all who fetch it; the server's */
    struct presences presences;
    /* Somebody's presence has changed: presence_flush() has to be called soon. May be NULL. */
    void (*presence_due)(void *arg);
    void *presence_due_arg;
    struct recent recent; /* messages */
    /* Whether a client may have this role: asks rls, or whatever a test puts here. */
    enum rls_role (*check_role)(void *arg, const char *role);
    void *check_role_arg;
    /* Who may do what in a private channel: calls joining_decide(), at once or later. NULL: nobody
     * may join one. */
    void (*authorize)(void *arg, struct channel *channel);
    /* Stored messages for a channel that has just been joined: fills its catchup. NULL: nobody gets
     * any. */
    void (*replay)(void *arg, struct channel *channel, const struct replay *replay);
    /* What a session may do in a private topic: calls back at once or later. NULL: nobody can say.
     */
    void (*ask_rights)(void *arg, struct session *session, struct str topic, rights_cb *cb,
                       void *cb_arg);
    /* Tells a channel that was just joined what becomes of its bindings. NULL: they are fine. */
    void (*check_bindings)(void *arg, struct channel *channel);
    void *authorize_arg;        /* of these four */
    uint64_t failure_logged_ms; /* when a policy that fails was last logged */
    /* How full the fullest outbox has been since somebody looked, in percent of its limit. */
    unsigned pressure;
};

void core_init(struct core *core, const struct config *config, struct stats *stats);
void core_fini(struct core *core); /* no client is left */

#endif
