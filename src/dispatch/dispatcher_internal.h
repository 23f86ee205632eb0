/* What the files of the dispatcher share: dispatcher.c is its life and its turn of the loop,
 * dispatcher_claim.c takes deliveries from the outbox, dispatcher_send.c sends them. */
#ifndef PGHERALD_DISPATCH_DISPATCHER_INTERNAL_H
#define PGHERALD_DISPATCH_DISPATCHER_INTERNAL_H

#include "dispatch/dispatcher.h"
#include "dispatch/endpoint.h"
#include "dispatch/ledger.h"
#include "dispatch/outbox.h"
#include "dispatch/sender.h"

/* A lease is the endpoint's time-out and this margin. A delivery that waits longer than WAIT_MS for
 * its turn is given back; the rest of the margin is for recording what came of it. */
#define LEASE_MARGIN_MS 10000
#define WAIT_MS 4000

#define TICK_MS 1000
#define POLL_TICKS 30 /* for those who write to the outbox and tell nobody */

enum dispatcher_state {
    DISPATCHER_RUNNING,
    DISPATCHER_DRAINING, /* takes nothing new; requests are under way */
    DISPATCHER_SETTLING, /* none are; results are being recorded, the rest given back */
    DISPATCHER_STOPPED
};

struct dispatcher {
    const struct config *config;
    struct stats *stats;
    const struct queues *activity;
    void (*on_stopped)(void *arg);
    void *arg;
    enum dispatcher_state state;
    uint64_t random;
    unsigned hold; /* deliveries to hold at most */

    uv_prepare_t turn;
    uv_timer_t tick, due, flush, ready, deadline;
    unsigned handles; /* not yet closed */
    uint64_t ticks;
    unsigned poll_ticks;
    bool deadline_passed;

    struct outbox *outbox;
    struct sender *sender;
    struct endpoints *endpoints;

    struct ledger ledger;
    bool wants_claim;
    bool claiming;
    size_t claimed_count, claimed_bytes; /* by the claim under way */
    size_t asked_count, asked_bytes;
    struct buf full; /* endpoints that it left out */
};

/* Claims what there is room for, if it is time. */
void dispatcher_claim(struct dispatcher *d);
/* Makes it time in so long, unless the next poll is sooner. */
void dispatcher_claim_in(struct dispatcher *d, uint64_t delay_ms);

/* The answers of the outbox to that; `arg` is the dispatcher. */
void dispatcher_on_delivery(void *arg, struct delivery *delivery);
void dispatcher_on_claimed(void *arg, bool more);
void dispatcher_on_next(void *arg, uint64_t delay_ms);

/* Sends what waits and may leave. */
void dispatcher_send(struct dispatcher *d);
/* The answer to one of them. */
void dispatcher_on_answer(void *arg, void *request_arg, const struct sender_answer *answer);
/* To the outbox, for whoever claims it next. */
void dispatcher_give_back(struct dispatcher *d, struct delivery *delivery);

/* Of a timer that only ends the loop's sleep. */
void dispatcher_on_wake_up(uv_timer_t *timer);

#endif
