/* A session is a distinct (role, claims): all clients that PostgreSQL could not tell apart share
 * one, so it is asked once for all of them. */
#ifndef PGHERALD_REALTIME_SESSION_H
#define PGHERALD_REALTIME_SESSION_H

#include "base/map.h"
#include "token/token.h"

struct session {
    struct map_node node;
    struct sessions *home;
    unsigned refs;
    char *role;
    char *claims;
    size_t claims_len;
    char key_id[KEY_ID_BYTES]; /* of the API key that it is; empty: a JWT's */
    /* Scratch of whoever walks over sessions: which walk saw it last, and its place in it. Means
     * nothing once another walk has begun. */
    uint64_t seen;
    size_t place;
};

struct sessions {
    struct map map;
    uint64_t last_stamp;
};

/* A number that no walk had before. */
uint64_t sessions_stamp(struct sessions *sessions);

void sessions_fini(struct sessions *sessions); /* must be empty */

/* The session of a token, with one reference for the caller. */
struct session *session_get(struct sessions *sessions, const struct token *token);
struct session *session_ref(struct session *session);
void session_unref(struct session *session);

#endif
