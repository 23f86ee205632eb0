/* How a client gets into a channel, and stays there with a new token: the checks, the verdict on
 * private topics, the answer.
 *
 *   phx_join -> limits, token, role -> public: at once -------------> joining_decide() -> answer
 *                                    -> private: core->authorize(), later -^
 *
 * A join that waits is a channel already, so that it counts, and leaves with its client; but it is
 * in no room, its bindings are not in the hub, and what it is sent is answered "unmatched topic".
 */
#ifndef PGHERALD_REALTIME_JOINING_H
#define PGHERALD_REALTIME_JOINING_H

#include "realtime/channel.h"

/* What a join that waits will be answered with. */
struct joining {
    struct phoenix_ref join_ref, ref;
    struct join join;
    uint64_t since_ms;
    bool is_let_in; /* and waits for the stream */
    struct channel_rights rights;
};

void joining_free(struct joining *joining); /* NULL is fine */

void joining_start(struct client *client, struct phoenix_frame *frame);
void joining_refresh_token(struct channel *channel, struct phoenix_frame *frame);

/* Of a channel that an API key opened: as the key is now, it stays, has another session, or is
 * shut. */
void joining_recheck_api_key(struct channel *channel, struct moment now);

/* The verdict on a channel, for core->authorize: `rights`, or NULL and `why` in the protocol's
 * words. It is given once for each question, and does nothing if the channel has been left
 * meanwhile. Who may read nothing may not join. Of a channel that is joined already (its token has
 * changed) it replaces the rights; one that may no longer read what it could is shut. */
void joining_decide(struct channel *channel, const struct channel_rights *rights,
                    const struct err *why);
/* The same where there is no verdict, and one may be had later: the client tries again. */
void joining_fail(struct channel *channel, const struct err *why);

/* Once a second for each channel. */
void joining_tick(struct channel *channel, uint64_t now_ms);

#endif
