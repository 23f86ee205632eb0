/* A client in a topic, with its subscriptions.
 *
 * A channel that is left stays in memory as long as rows that wait for a verdict point at it;
 * `client` is then NULL. */
#ifndef PGHERALD_REALTIME_CHANNEL_H
#define PGHERALD_REALTIME_CHANNEL_H

#include "realtime/client.h"
#include "realtime/join.h"

struct channel {
    unsigned refs;
    struct client *client; /* NULL: left */
    struct channel *next;  /* of the client's */
    char *topic;
    uint64_t topic_hash;
    struct phoenix_ref join_ref;
    struct session *session;
    int64_t expires;     /* of its token, seconds since 1970 */
    uint64_t token_hash; /* to see that a token was sent again unchanged */
    struct binding **bindings;
    size_t binding_count;
    bool activity; /* the live page's topic */
    struct channel *next_activity;
    uint64_t told_ms; /* when it was last told of a policy that fails */
    /* Scratch of the fan-out: which walk saw it last, and its place in it. */
    uint64_t seen;
    size_t place;
};

#define CHANNEL_ACTIVITY "realtime:pgherald:activity"

struct channel *channel_ref(struct channel *channel);
void channel_unref(struct channel *channel);

struct channel *channel_find(const struct client *client, struct str topic);

/* What a client may say about a channel. */
void channel_join(struct client *client, const struct phoenix_frame *frame);
void channel_leave(struct channel *channel, const struct phoenix_frame *frame);
void channel_refresh_token(struct channel *channel, const struct phoenix_frame *frame);

/* Silently: the client is gone, or is told by somebody else. */
void channel_drop(struct channel *channel);
/* phx_error: the client rejoins in about a second. For trouble that will pass. */
void channel_fail(struct channel *channel);
/* A system message and phx_close: the client will not come back by itself. */
void channel_shut(struct channel *channel, struct str message);
/* A system message about the subscriptions; the channel stays. */
void channel_system(struct channel *channel, bool ok, struct str extension, struct str message);

void channel_tick(struct channel *channel, int64_t now);

#endif
