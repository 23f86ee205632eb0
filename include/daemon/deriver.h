/* From one row change to its effects: audit row, deliveries, notifications, changes of rules. */
#ifndef PGHERALD_DAEMON_DERIVER_H
#define PGHERALD_DAEMON_DERIVER_H

#include "base/stats.h"
#include "daemon/transaction.h"
#include "rules/webhook_body.h"
#include "store/batch.h"

struct deriver {
    struct ruleset *rules;
    struct stats *stats;
    struct webhook_body body;
    struct buf scratch; /* a rule's row */
    struct buf row_key; /* of the change at hand; empty: not yet asked for */
};

void deriver_init(struct deriver *deriver, struct ruleset *rules, struct stats *stats);
void deriver_fini(struct deriver *deriver);

/* Adds the effects of a row change to the batch. FAILED only if they cannot be held at all. */
enum result deriver_add_effects(struct deriver *deriver, struct transaction *txn,
                                const struct change *change, struct table_rules *table,
                                struct batch *batch, struct err *err) MUST_CHECK;

#endif
