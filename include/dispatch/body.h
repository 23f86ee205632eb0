/* The body of a delivery is the payload as the outbox has it, byte for byte: the signature is over
 * those bytes. All that is read here is where in the stream it comes from. */
#ifndef PGHERALD_DISPATCH_BODY_H
#define PGHERALD_DISPATCH_BODY_H

#include "base/lsn.h"

struct body_origin {
    lsn_t commit_lsn; /* 0 if there is none */
    uint64_t ordinal; /* likewise */
};

/* data.commit_lsn and data.ordinal. `payload` is json that PostgreSQL has accepted. Walked, not
 * parsed into a tree: its numbers may have more digits than any type, and it may be long. */
struct body_origin body_origin(struct str payload);

/* What the message id of the pipeline says of the same, for shapes of a body that do not. */
struct body_origin body_origin_of_id(struct str message_id);

#endif
