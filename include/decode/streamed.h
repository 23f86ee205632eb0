/* Transactions in progress, as pgoutput sends them from protocol 2 on: in blocks, between messages
 * of what is committed. A message inside a block says after its first byte of which transaction or
 * subtransaction it is; without that number it is as protocol 1 has it.
 *
 * This tells the messages apart. Who keeps what is not committed yet is stream/in_progress; what it
 * hands out at the commit is for the decoder of protocol 1, with two messages of our own. */
#ifndef PGHERALD_DECODE_STREAMED_H
#define PGHERALD_DECODE_STREAMED_H

#include "base/buf.h"
#include "base/err.h"

enum streamed_kind {
    STREAMED_NONE,   /* outside of blocks: as without streaming */
    STREAMED_START,  /* of a block of `xid` */
    STREAMED_STOP,   /* of the block */
    STREAMED_PART,   /* a message of `xid`, by its subtransaction `sub_xid` or by itself */
    STREAMED_COMMIT, /* of `xid` */
    STREAMED_ABORT   /* of `sub_xid`, which is `xid` if it is the whole transaction */
};

struct streamed_message {
    enum streamed_kind kind;
    uint32_t xid, sub_xid;
    char type;       /* of a part */
    struct str body; /* what follows the type: of a part without the number, of a commit as in C */
};

/* Takes a message; *block is the transaction of the block that is open, 0 if none is. */
enum result streamed_read(uint32_t *block, struct str message, struct streamed_message *out,
                          struct err *err) MUST_CHECK;

/* Whether the part is a message by which a transaction says who is at work or what became of the
 * schema. Such a one comes with the number of the transaction, whichever subtransaction wrote it:
 * pgoutput_message() takes that of the outermost. */
bool streamed_is_told(const struct streamed_message *part);

/* What the decoder is given in the place of B and of R. No message of the protocol has these types.
 */
#define STREAMED_BEGIN '<'    /* the body of B: what is said of tables counts from its end on */
#define STREAMED_RELATION '#' /* eight bytes, a number that grows with each, and the body of R */

/* The begin and the end of a transaction that was streamed, from the body of its commit. */
void streamed_add_begin(struct buf *out, const struct streamed_message *commit);
void streamed_add_end(struct buf *out, const struct streamed_message *commit);

#endif
