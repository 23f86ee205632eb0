/* What the outbox is still to be told: results to record, and deliveries to give back.
 *
 * Results are recorded in batches, one statement at a time: while it runs, the next batch grows by
 * itself. Nothing is forgotten before the outbox has confirmed it. */
#ifndef PGHERALD_DISPATCH_LEDGER_H
#define PGHERALD_DISPATCH_LEDGER_H

#include "dispatch/delivery.h"
#include "dispatch/outbox.h"

struct ledger {
    struct delivery_list done;      /* results to record */
    struct delivery_list recording; /* the statement is under way */
    struct delivery_list unsent;    /* to give back */
    uint64_t oldest_ms;             /* when the first of `done` was added */
    size_t careful;                 /* results to record one by one: together they were refused */
    unsigned refusals;              /* of the first of them alone, in a row */
    bool releasing;
};

void ledger_fini(struct ledger *ledger);

void ledger_add_result(struct ledger *ledger, struct delivery *delivery, uint64_t now_ms);
void ledger_add_unsent(struct ledger *ledger, struct delivery_list *list);

/* Nothing is to be told, nor waited for. */
bool ledger_is_settled(const struct ledger *ledger);
/* There are so many results that no more should be made of them. */
bool ledger_is_behind(const struct ledger *ledger);

/* Tells the outbox what there is to tell, if that is up; hurry: results do not wait for company.
 * Gives the milliseconds after which it is to be called again, UINT64_MAX for no need. */
uint64_t ledger_write(struct ledger *ledger, struct outbox *outbox, uint64_t now_ms, bool hurry);

/* The outbox's answers. ledger_recorded() gives in how many milliseconds there may be something to
 * claim by that: a recorded delivery is due again, or all of an endpoint whose breaker moved;
 * UINT64_MAX for nothing. */
uint64_t ledger_recorded(struct ledger *ledger);
void ledger_refused(struct ledger *ledger);
void ledger_released(struct ledger *ledger);
/* It went down: whether it took what it was being told is not known. */
void ledger_lost(struct ledger *ledger);

#endif
