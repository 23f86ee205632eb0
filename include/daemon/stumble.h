/* A transaction that the server cannot send: its output plugin fails in the middle, mostly since a
 * row as text is larger than the gigabyte that PostgreSQL can hold. Each session ends at the same
 * place, so an operator has to know which transaction it is and what to do. What was committed
 * before it must not wait with it: once it is known, that is stored first, and nothing of it goes
 * into a batch. */
#ifndef PGHERALD_DAEMON_STUMBLE_H
#define PGHERALD_DAEMON_STUMBLE_H

#include "base/stats.h"
#include "config/config.h"
#include "daemon/transaction.h"

struct stumble {
    const struct config *config;
    struct stats *stats;
    lsn_t commit_lsn; /* of the transaction in which the stream broke off last; 0: of none */
    unsigned times;   /* in a row */
};

void stumble_init(struct stumble *stumble, const struct config *config, struct stats *stats);

/* The stream is lost in the middle of `txn`, or of none; told to the operator from the second time
 * on. */
void stumble_note(struct stumble *stumble, const struct transaction *txn, const struct err *err);

/* `txn` begins. If it is the one, it is passed over like one that was stored: true, and before more
 * of it is read, all that came before is to be stored, since the stream will end at once. */
bool stumble_begin(const struct stumble *stumble, struct transaction *txn);

/* `txn` has come to its commit. True if it is the one: then it has to be read again, for real. */
bool stumble_is_over(struct stumble *stumble, const struct transaction *txn);

#endif
