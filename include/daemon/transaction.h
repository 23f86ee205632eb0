/* The source transaction that is passing: what is known of it so far, and the rules that it will
 * have changed once it commits. */
#ifndef PGHERALD_DAEMON_TRANSACTION_H
#define PGHERALD_DAEMON_TRANSACTION_H

#include "rules/ruleset.h"

struct rule_change {
    enum rule_kind kind;
    struct str id;  /* empty: all of the kind */
    struct str row; /* empty: deleted */
};

struct transaction {
    struct position position; /* of the newest change */
    lsn_t end_lsn;
    bool open;
    bool covered; /* by the checkpoint: everything in it is skipped */
    bool own;     /* written by our own store */
    bool upkeep;  /* written by one of our jobs */
    bool silent;  /* what was counted of API keys: nothing comes of it */
    struct rule_change *rule_changes;
    size_t rule_change_count;
};

void transaction_begin(struct transaction *txn, const struct change *begin, lsn_t checkpoint);
void transaction_reset(struct transaction *txn); /* forgets everything, also the rule changes */

/* Gives a row change its place: the next ordinal, and the commit's LSN and time instead of the
 * row's own, which are not unique. */
void transaction_place(struct transaction *txn, struct change *change);

/* A change of pgherald.store_marks: what follows in this transaction is our own writing. */
void transaction_mark(struct transaction *txn, const struct change *change);

/* Whether the change is our jobs' own: their runs, and what they clean away. It is told to browsers
 * and to nobody else; each run leaves one entry in the audit trail. What an application's triggers
 * add to such a transaction is a change like any other. */
bool transaction_is_upkeep(const struct transaction *txn, const struct change *change);

/* Notes a change of a rule, copying both. */
void transaction_add_rule_change(struct transaction *txn, enum rule_kind kind, struct str id,
                                 struct str row);
/* A rule takes effect at the commit that made it: now. */
void transaction_apply_rules(struct transaction *txn, struct ruleset *rules);

#endif
