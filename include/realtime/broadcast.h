/* A message to everybody in a topic, from a client, by REST or out of the database. It is framed
 * once for each protocol version. */
#ifndef PGHERALD_REALTIME_BROADCAST_H
#define PGHERALD_REALTIME_BROADCAST_H

#include "realtime/channel.h"
#include "row/stored_message.h"

enum broadcast_form {
    BROADCAST_JSON,   /* `payload` is JSON: text frames for everybody */
    BROADCAST_OBJECT, /* `payload` is the whole object that clients are given, event and all */
    /* As a client of 2.0.0 sends them: binary frames for those who speak 2.0.0. For the others JSON
     * becomes text, and bytes have no form. */
    BROADCAST_BINARY_JSON,
    BROADCAST_BINARY_BYTES
};

struct broadcast {
    enum broadcast_form form;
    struct str event;   /* the user's; not looked at in an object */
    struct str payload; /* well-formed, if it is JSON */
    struct str meta;    /* a JSON object, such as {"id":"..."}, or empty */
    struct str id;      /* of a stored message, or empty */
};

/* The frame for those who speak `vsn`; NULL where the message has no form there. */
struct frame *broadcast_frame(enum phoenix_vsn vsn, struct str topic,
                              const struct broadcast *broadcast);

/* The door for everybody but clients. `name` is the topic without `realtime:`; what is private goes
 * to private channels only. */
void broadcast_send(struct core *core, struct str name, bool is_private,
                    const struct broadcast *broadcast);

/* One that another realtime loop was given. */
struct relayed;
void broadcast_take(struct core *core, const struct relayed *relayed);

/* A message from SQL. */
void broadcast_send_message(struct core *core, const struct stored_message *message);
/* Whether anybody would get it. */
bool broadcast_has_audience(const struct core *core, const struct stored_message *message);

/* A client sends into its channel: checks that it may, sends, acknowledges if the channel wants
 * that. The refs are those of the client's frame. */
void broadcast_receive(struct channel *channel, const struct broadcast *broadcast,
                       struct phoenix_ref join_ref, struct phoenix_ref ref);

#endif
