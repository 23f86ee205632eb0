/* A row of realtime.messages: a message to everybody in a topic, sent from SQL. */
#ifndef PGHERALD_ROW_STORED_MESSAGE_H
#define PGHERALD_ROW_STORED_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "row/change.h"

struct stored_message {
    struct str topic; /* without `realtime:` */
    struct str event;
    struct str payload; /* JSON, or bytes if is_binary */
    struct str id;      /* a uuid's text */
    bool is_private;
    bool is_binary;
};

/* Whether the table holds messages. On Supabase it has a partition a day, and the stream names the
 * partition: such a change is renamed to the table itself, so that rules know one name. */
bool stored_message_fold_table(struct change *change);

/* Reads an INSERT. The views point into `scratch`, which is emptied first, and live until it
 * changes. FAILED says what is missing or too large: then there is nothing to send. */
enum result stored_message_read(const struct change *insert, struct buf *scratch,
                                size_t max_payload, struct stored_message *out,
                                struct err *err) MUST_CHECK;

#endif
