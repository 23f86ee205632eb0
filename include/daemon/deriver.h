/* From one row change to its effects: audit row, deliveries, notifications, changes of rules. And
 * from a message to who did it. */
#ifndef PGHERALD_DAEMON_DERIVER_H
#define PGHERALD_DAEMON_DERIVER_H

#include "base/stats.h"
#include "daemon/attribution.h"
#include "daemon/transaction.h"
#include "rules/webhook_body.h"
#include "store/batch.h"

struct deriver {
    struct ruleset *rules;
    struct stats *stats;
    struct webhook_body body;
    struct buf scratch; /* a rule's row */
    struct buf row_key; /* of the change at hand; empty: not yet asked for */
    const struct config *config;
    struct attribution who; /* is at work in the transaction that is passing */
};

void deriver_init(struct deriver *deriver, const struct config *config, struct ruleset *rules,
                  struct stats *stats);
void deriver_fini(struct deriver *deriver);

/* Takes a message of a transaction that says who is at work. It may be an entry of its own: a read
 * that is to be audited, or a forgery (one a transaction). */
enum result deriver_take_context(struct deriver *deriver, struct transaction *txn,
                                 struct change *message, struct batch *batch,
                                 struct err *err) MUST_CHECK;

/* Takes a message of an event trigger that says what became of the schema: an entry of its own. */
enum result deriver_take_schema_change(struct deriver *deriver, struct transaction *txn,
                                       struct change *message, struct batch *batch,
                                       struct err *err) MUST_CHECK;

/* Adds the effects of a row change to the batch. FAILED only if they cannot be held at all. */
enum result deriver_add_effects(struct deriver *deriver, struct transaction *txn,
                                const struct change *change, struct table_rules *table,
                                struct batch *batch, struct err *err) MUST_CHECK;

#endif
