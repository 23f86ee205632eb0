/* The outbox's side in the database: a connection that is kept up, and what is asked through it.
 *
 * After a failure, be it the connection or a statement that the server refused, it goes down, waits
 * (longer each time) and comes up again. What was asked for is then forgotten; the owner hears
 * on_down and starts from what it still holds. */
#ifndef PGHERALD_DISPATCH_OUTBOX_H
#define PGHERALD_DISPATCH_OUTBOX_H

#include <uv.h>

#include "base/stats.h"
#include "config/config.h"
#include "dispatch/delivery.h"

struct outbox;

struct outbox_events {
    void (*on_up)(void *arg);
    void (*on_down)(void *arg);
    /* One claimed delivery, the callee's from now on; then the end of the claim. */
    void (*on_delivery)(void *arg, struct delivery *delivery);
    /* more: deliveries were set aside behind others of their row, so that one may go that was not
     * looked at. */
    void (*on_claimed)(void *arg, bool more);
    void (*on_recorded)(void *arg, bool released); /* the next deliveries of their rows */
    void (*on_refused)(void *arg); /* the server refused to record; on_down follows */
    void (*on_released)(void *arg);
    /* When the next delivery is due; UINT64_MAX: none is there. */
    void (*on_next)(void *arg, uint64_t delay_ms);
};

/* Starts connecting. All pointers are borrowed. */
struct outbox *outbox_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                          const struct outbox_events *events, void *arg);
/* No callback runs after it. The memory goes when the loop has closed what belongs to it. */
void outbox_close(struct outbox *outbox);

bool outbox_is_up(const struct outbox *outbox);

/* Only while it is up: */

struct outbox_claim {
    unsigned deliveries;  /* at most */
    size_t bytes;         /* of payloads; the first one always fits */
    unsigned first_slots; /* of an endpoint that is not in ids */
    struct str ids;       /* array literals, see sql/queries/dispatch_claim.sql */
    struct str slots;
    unsigned margin_ms; /* the lease beyond the endpoint's time-out */
};
void outbox_claim(struct outbox *outbox, const struct outbox_claim *claim);

/* results: a json array, see dispatch/report.h */
void outbox_record(struct outbox *outbox, struct str results);

/* Gives back what was not sent. The list stays the caller's. */
void outbox_release(struct outbox *outbox, const struct delivery_list *list);

/* full: array literal of the endpoints to leave out. */
void outbox_ask_next(struct outbox *outbox, struct str full);

/* Closes deliveries whose webhook is gone, lets those go that wait for nothing. */
void outbox_sweep(struct outbox *outbox);

#endif
