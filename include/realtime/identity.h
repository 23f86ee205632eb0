#ifndef PGHERALD_REALTIME_IDENTITY_H
#define PGHERALD_REALTIME_IDENTITY_H

#include "realtime/channel.h"

/* Who the join or the new token says the client is. */
struct identity {
    struct session *session; /* one reference */
    int64_t expires;
    uint64_t signer, token_hash;
    bool may_pass; /* if there is none: whether what is wrong may pass */
};

/* By the text of a token or key, or if it is empty by what the client connected with. The role is
 * looked up when the database is needed. */
enum result identify(struct core *core, struct str text, const struct token *fallback,
                     bool needs_database, struct identity *out, struct err *err);

/* By a token that is verified already. Sets the session, the expiry and the signer. */
enum result identify_token(struct core *core, const struct token *token, bool needs_database,
                           struct identity *out, struct err *err);

/* The channel takes over the reference to the session. */
void identity_assume(struct channel *channel, const struct identity *identity);

#endif
