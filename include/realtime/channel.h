/* A client in a topic, with its subscriptions.
 *
 * A channel that is left stays in memory as long as rows that wait for a verdict point at it;
 * `client` is then NULL. */
#ifndef PGHERALD_REALTIME_CHANNEL_H
#define PGHERALD_REALTIME_CHANNEL_H

#include "realtime/client.h"
#include "realtime/join.h"
#include "realtime/rights.h"

struct catchup;
struct joining;
struct presence;
struct room;

struct channel {
    unsigned refs;
    struct client *client;   /* NULL: left */
    struct channel *next;    /* of the client's */
    struct joining *joining; /* NULL once the join is answered */
    struct room *room;       /* NULL before that */
    struct catchup *catchup; /* NULL: no stored messages were wanted */
    unsigned petitions;      /* how often its rights were asked about */
    size_t place_in_room;
    char *topic;
    uint64_t topic_hash;
    struct phoenix_ref join_ref;
    struct session *session;
    int64_t expires;     /* of its token, seconds since 1970 */
    uint64_t signer;     /* the key that signed it, see struct token */
    uint64_t token_hash; /* to see that a token was sent again unchanged */
    struct channel_rights rights;
    bool is_private;
    bool self_broadcast;       /* its own broadcasts come back to it */
    bool ack_broadcast;        /* and are answered */
    bool wants_presence;       /* is told who is there */
    char *presence_key;        /* NULL: it gets one when it first tracks */
    struct presence *presence; /* NULL: it does not track; the roster's */
    uint64_t presence_id;      /* what other loops know it by */
    bool legacy; /* joined without config: changes come to it under their bare names */
    struct binding **bindings;
    size_t binding_count;
    uint64_t told_ms; /* when it was last told of trouble that comes again and again */
    /* Scratch of the fan-out: which walk saw it last, and its place in it. */
    uint64_t seen;
    size_t place;
};

#define CHANNEL_PREFIX STR("realtime:")
/* The live page's, without the prefix. */
#define CHANNEL_ACTIVITY STR("pgherald:activity")

struct channel *channel_ref(struct channel *channel);
void channel_unref(struct channel *channel);

/* Of a client that has none with this topic. It is in no room and has no session yet. */
struct channel *channel_new(struct client *client, struct str topic, struct phoenix_ref join_ref);
struct channel *channel_find(const struct client *client, struct str topic);
/* Its topic without the prefix. */
struct str channel_name(const struct channel *channel);

/* From now on it is sent what its bindings and its room get. */
void channel_enter(struct channel *channel);
/* Takes over the reference: from now on these rights count. */
void channel_set_session(struct channel *channel, struct session *session);

void channel_leave(struct channel *channel, const struct phoenix_frame *frame);

/* A message to this channel alone. */
void channel_tell(struct channel *channel, struct phoenix_ref ref, struct str event,
                  struct str payload);

/* Silently: the client is gone, or is told by somebody else. */
void channel_drop(struct channel *channel);
/* phx_close: another join takes its place, or it asked to leave. */
void channel_close(struct channel *channel);
/* phx_error: the client rejoins in about a second. For trouble that will pass. */
void channel_fail(struct channel *channel);
/* A system message that says why, and phx_error: for trouble with its token that will pass. */
void channel_distrust(struct channel *channel, struct str message);
/* A system message and phx_close: the client will not come back by itself. */
void channel_shut(struct channel *channel, struct str message);
/* A system message; the channel stays. */
void channel_system(struct channel *channel, bool ok, struct str extension, struct str message);

void channel_tick(struct channel *channel, uint64_t now_ms, int64_t now);

#endif
