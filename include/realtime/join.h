/* What a client says when it joins a channel: the payload of phx_join. */
#ifndef PGHERALD_REALTIME_JOIN_H
#define PGHERALD_REALTIME_JOIN_H

#include "realtime/binding.h"

struct json_t;

#define JOIN_MAX_BINDINGS 100
#define JOIN_MAX_ECHO (1 << 20)
#define JOIN_MAX_KEY 1024

/* Stored messages of a private channel that are wanted before the new ones. */
struct replay {
    bool wanted, valid;
    int64_t since_ms; /* since 1970 */
    int64_t limit;    /* as it was sent */
};

#define REPLAY_LIMIT 25 /* if none is named */

struct join {
    struct str access_token; /* empty: none was sent; borrowed from the payload */
    bool is_private;
    bool self_broadcast, ack_broadcast;
    struct replay replay;
    bool presence;      /* wants to know who is there */
    char *presence_key; /* NULL: none was sent */
    bool legacy;        /* there is no config: the topic says what is bound */
    struct binding **bindings;
    size_t binding_count;
    struct buf echo;  /* JSON array: the bindings, for the reply */
    bool has_problem; /* a binding cannot work; `problem` says which and why */
    struct err problem;
};

/* FAILED if the payload (NULL: it could not be read) as a whole makes no sense, and nothing is to
 * be freed then. A join of the topic `realtime:schema[:table[:filter]]` without a config binds
 * these: a word alone only if it is `*` or `public`. Source: facts/realtime-protocol.md, legacy
 * joins. */
enum result join_read(const struct json_t *payload, struct str topic, struct join *out,
                      struct err *err) MUST_CHECK;
void join_fini(struct join *join);

/* The token of an access_token message or a join; keys that are no JWT ("sb_...") and null are the
 * empty text. */
struct str join_token(const struct json_t *payload);

#endif
