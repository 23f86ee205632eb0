/* A message to everybody in a topic, from a client, by REST or out of the database. It is framed
 * once for each protocol version. */
#ifndef PGHERALD_REALTIME_BROADCAST_H
#define PGHERALD_REALTIME_BROADCAST_H

#include "realtime/channel.h"

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
};

/* The door for everybody but clients. `name` is the topic without `realtime:`; what is private goes
 * to private channels only. */
void broadcast_send(struct core *core, struct str name, bool is_private,
                    const struct broadcast *broadcast);

/* A client sends into its channel: checks that it may, sends, acknowledges if the channel wants
 * that. The refs are those of the client's frame. */
void broadcast_receive(struct channel *channel, const struct broadcast *broadcast,
                       struct phoenix_ref join_ref, struct phoenix_ref ref);

#endif
