/* The messages of a REST request on their way: its rate, the rights to private topics, the answer.
 */
#ifndef PGHERALD_REALTIME_REST_BATCH_H
#define PGHERALD_REALTIME_REST_BATCH_H

#include "realtime/broadcast.h"
#include "realtime/router.h"

/* One message of a request, and what is wrong with each of its parts; NULL: nothing. */
struct rest_message {
    struct str topic, event, payload; /* point into the request, or into the batch's names */
    bool is_private;
    const char *bad_topic, *bad_event, *bad_payload, *bad_private;
};

struct rest_batch {
    enum broadcast_form form;
    struct rest_message *messages;
    size_t count;
    struct buf names; /* what had to be unescaped */
};

struct rest_batch *rest_batch_new(size_t count, enum broadcast_form form, size_t max_names);
void rest_batch_free(struct rest_batch *batch);

/* Sends all of them, or none; takes over the batch, in which nothing is wrong. What is private is
 * sent once the database has said that the caller may; so the answer may come later. */
void rest_batch_send(const struct request *request, struct rest_batch *batch, struct answer *out);

/* Whether the caller may send so many messages now; false: answered. */
bool rest_take_rate(const struct request *request, size_t count, struct answer *out);

#endif
