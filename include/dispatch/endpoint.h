/* The endpoints that the dispatcher has to do with now: what waits for each, how much each is given
 * at once, whose turn it is. In memory only, all of it may be forgotten at any time.
 *
 * An endpoint is in the ring while something waits for it. The turn goes around the ring, so none
 * waits behind the queue of another. Those that do not answer share half of all slots. */
#ifndef PGHERALD_DISPATCH_ENDPOINT_H
#define PGHERALD_DISPATCH_ENDPOINT_H

#include "dispatch/delivery.h"
#include "dispatch/pace.h"

struct endpoint {
    struct str id; /* the webhook's uuid as text */
    struct pace pace;
    struct delivery_list waiting;
    unsigned in_flight;
    unsigned asked;   /* how many the claim under way asked for */
    unsigned got;     /* how many it brought */
    bool more;        /* the outbox may have more that is due */
    uint64_t used_ms; /* when something was last done with it */
    struct endpoint *chain;
    struct endpoint *ring_next, *ring_prev; /* NULL outside the ring */
};

struct endpoints;

/* slots: requests at once in all; endpoint_slots: to one endpoint; hold: deliveries held at once.
 */
struct endpoints *endpoints_new(unsigned slots, unsigned endpoint_slots, unsigned hold,
                                const struct breaker_settings *breaker);
void endpoints_free(struct endpoints *all); /* and what waits */

unsigned endpoints_held(const struct endpoints *all); /* waiting and in flight */
size_t endpoints_held_bytes(const struct endpoints *all);
unsigned endpoints_in_flight(const struct endpoints *all);

/* What the next claim may bring. `ids` and `slots` are array literals of PostgreSQL for the
 * endpoints that are known, `full` those of them without room; any other may have `first`. */
struct endpoints_room {
    struct buf ids;
    struct buf slots;
    struct buf full;
    unsigned first;
    unsigned total;
};
void endpoints_ask(struct endpoints *all, uint64_t now_ms, struct endpoints_room *room);
void endpoints_room_fini(struct endpoints_room *room);

/* Takes a claimed delivery, whose endpoint becomes known by that. */
void endpoints_add(struct endpoints *all, struct delivery *delivery, uint64_t now_ms);
/* The claim has brought all it will; cut_off: not all that the endpoints have room for. */
void endpoints_answered(struct endpoints *all, bool cut_off);

/* Whether it is worth its while to claim (again). */
bool endpoints_hungry(const struct endpoints *all);
/* Time passed: pauses may have ended. */
void endpoints_look(struct endpoints *all, uint64_t now_ms);

/* The delivery whose turn it is, now in flight; NULL if none may be sent. */
struct delivery *endpoints_next(struct endpoints *all, uint64_t now_ms);
/* The request of `delivery` ended; it belongs to the caller again. */
void endpoints_ended(struct endpoints *all, struct delivery *delivery, uint64_t now_ms);
/* When the next of those that wait may be sent, if only time keeps it; UINT64_MAX: none is kept. */
uint64_t endpoints_ready_ms(const struct endpoints *all, uint64_t now_ms);
/* What the answer to it says about the pace of its endpoint, and the attempt about its breaker;
 * before endpoints_ended(). */
void endpoints_learn(struct endpoints *all, struct delivery *delivery, uint64_t now_ms,
                     int status_code, int64_t retry_after_s, unsigned duration_ms);

/* Takes what waits since `claimed_ms` or longer, or for an endpoint that is paused. */
struct delivery_list endpoints_take_late(struct endpoints *all, uint64_t claimed_ms,
                                         uint64_t now_ms);

#endif
