/* The transactions that the server streams while they are in progress: what it says of one is
 * kept in a spool until it commits, and dropped with the transaction or subtransaction that is
 * rolled back. At the commit all of it is handed out as if it had come then: begin, messages, end,
 * in their order, so that nothing above knows that a transaction was streamed.
 *
 * What is said of a table inside a transaction counts for that transaction, and for others once it
 * has committed, unless something newer was said by then. So descriptions are numbered as they
 * come; see decode/streamed.h. */
#ifndef PGHERALD_STREAM_IN_PROGRESS_H
#define PGHERALD_STREAM_IN_PROGRESS_H

#include "base/err.h"
#include "base/stats.h"
#include "base/str.h"

struct in_progress;

struct in_progress_limits {
    const char *directory;  /* of the spools; borrowed */
    uint64_t bytes;         /* of all spools together */
    size_t transactions;    /* at a time */
    size_t subtransactions; /* of all of these: that have changed something */
};

/* `stats` is borrowed. */
struct in_progress *in_progress_new(const struct in_progress_limits *limits, struct stats *stats);
void in_progress_free(struct in_progress *all); /* NULL is fine */

enum in_progress_verdict {
    IN_PROGRESS_KEPT,   /* nothing comes of it for now */
    IN_PROGRESS_PASSES, /* *out is to be handed out; it borrows from the message and from `all` */
    IN_PROGRESS_ENDS    /* a transaction has committed: in_progress_next() has its messages */
};

/* A message of pgoutput, protocol 2. None may be given while a transaction is ending. FAILED with
 * *is_full: a limit or the disk does not allow to keep it, and the session cannot go on. */
enum result in_progress_take(struct in_progress *all, struct str message,
                             enum in_progress_verdict *verdict, struct str *out, bool *is_full,
                             struct err *err) MUST_CHECK;

/* The next message of the transaction that is ending, valid until the next call; *more is false
 * behind its last one. */
enum result in_progress_next(struct in_progress *all, struct str *out, bool *more,
                             struct err *err) MUST_CHECK;

#endif
