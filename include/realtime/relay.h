/* What passes between the realtime loops of the process, so that a topic is one topic whichever
 * loop a client came to.
 *
 * Each loop has an end: a bounded queue that the others push to. A broadcast goes to the loops that
 * may have somebody in the topic; a presence goes to all, so that every loop has every roster. What
 * comes out of the database needs no relay: each loop is given all of it.
 *
 * A full queue refuses, and then nothing more is pushed to it until it has half emptied and the
 * sender looks again (relay_retry()). What it missed of broadcasts it is told as a gap (its clients
 * rejoin); what it missed of presences by the whole list of those that the sender has. */
#ifndef PGHERALD_REALTIME_RELAY_H
#define PGHERALD_REALTIME_RELAY_H

#include "base/queue.h"
#include "base/stats.h"
#include "realtime/broadcast.h"

struct relay;     /* shared by all loops */
struct relay_end; /* a loop's; only its thread may use it */

enum relayed_kind { RELAYED_BROADCAST, RELAYED_PRESENCES, RELAYED_GAP };

/* What is given to relay_presence() has a meta that lacks its closing brace, as the roster has it.
 */
struct relayed_presence {
    struct str topic;
    bool is_private;
    uint64_t id;     /* which of the sender's it is; never that of another */
    uint64_t ref;    /* of this version */
    struct str key;  /* empty if it is gone */
    struct str meta; /* a JSON object; empty: it is gone */
};

/* Immutable; its views point into its own allocation. */
struct relayed {
    struct msg msg; /* first */
    enum relayed_kind kind;
    unsigned from;
    struct str topic; /* of a broadcast, as are the next two */
    bool is_private;
    struct broadcast broadcast;
    bool complete; /* of presences: the sender has no others */
    size_t count;
    struct relayed_presence presences[];
};

/* How an end is woken, on another thread, and what presences its loop has: a list of `count` with
 * complete set, as relayed_presences_new() makes it. */
struct relay_events {
    void (*wake)(void *arg);
    struct relayed *(*list)(void *arg);
    void *arg;
};

struct relay *relay_new(size_t loops, size_t max_bytes); /* of each queue */
void relay_free(struct relay *relay);                    /* after all its ends; NULL is fine */

struct relay_end *relay_open(struct relay *relay, unsigned self, struct stats *stats,
                             const struct relay_events *events);
void relay_close(struct relay_end *end); /* NULL is fine */

/* NULL is a fine end for these: this loop is the only one. */
/* Somebody is in the topic now, or nobody any more. */
void relay_follow(struct relay_end *end, struct str topic, bool is_private, bool follows);
/* Whether another loop may have somebody there. */
bool relay_broadcast(struct relay_end *end, struct str topic, bool is_private,
                     const struct broadcast *broadcast);
void relay_presence(struct relay_end *end, const struct relayed_presence *presence);
/* Once a second: tells those who missed something, if they have room. */
void relay_retry(struct relay_end *end);

struct relayed *relay_pop(struct relay_end *end); /* one reference; NULL: there is nothing */
struct relayed *relayed_presences_new(const struct relayed_presence *presences, size_t count,
                                      bool complete);

/* From now on this end pushes nothing. Nobody's wake is called once all have left. */
void relay_leave(struct relay_end *end);
bool relay_is_left(const struct relay_end *end);

#endif
