#include "realtime/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void sessions_fini(struct sessions *sessions)
{
    map_fini(&sessions->map);
}

uint64_t sessions_stamp(struct sessions *sessions)
{
    return ++sessions->last_stamp;
}

static bool is_of(const struct session *session, const struct token *token)
{
    return strcmp(session->role, token->role) == 0 && session->claims_len == token->claims_len &&
           strcmp(session->key_id, token->key_id) == 0 &&
           memcmp(session->claims, token->claims, token->claims_len) == 0;
}

struct session *session_get(struct sessions *sessions, const struct token *token)
{
    uint64_t key =
        hash_more(hash_more(0, str_c(token->role)), str_from(token->claims, token->claims_len));
    struct session *session;

    for (struct map_node *node = map_find(&sessions->map, key); node; node = map_next(node))
        if (is_of(MAP_THING(node, struct session, node), token))
            return session_ref(MAP_THING(node, struct session, node));
    session = mem_alloc(sizeof(*session));
    session->home = sessions;
    session->refs = 1;
    session->role = mem_strdup(token->role);
    session->claims = str_dup(str_from(token->claims, token->claims_len));
    session->claims_len = token->claims_len;
    memcpy(session->key_id, token->key_id, sizeof(session->key_id));
    map_add(&sessions->map, &session->node, key);
    return session;
}

struct session *session_ref(struct session *session)
{
    session->refs++;
    return session;
}

void session_unref(struct session *session)
{
    if (!session || --session->refs > 0)
        return;
    map_remove(&session->home->map, &session->node);
    free(session->role);
    free(session->claims);
    free(session);
}
