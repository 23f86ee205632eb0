/* PostgreSQL's word on who may do what in a private topic.
 *
 * Two connections of its own. Rows have theirs (rls), since a policy on a topic that hangs must not
 * hold them up, nor the other way round. Questions go in batches on the quick one, which gives up
 * after half a second; then each is asked alone there; and who still has no answer goes to the
 * patient one, where nobody waits but those who are judged by slow policies. Nothing decides in
 * favour of anybody when there is no answer, and nobody waits longer than a client does. */
#ifndef PGHERALD_REALTIME_AUTHORIZER_H
#define PGHERALD_REALTIME_AUTHORIZER_H

#include <uv.h>

#include "pg/link.h"
#include "realtime/core.h"
#include "realtime/petition.h"

struct authorizer;

/* When the connections come and go, for who has asked something else on them: what is under way
 * when one is lost has no answer. */
struct authorizer_events {
    void (*on_quick_up)(void *arg);
    void (*on_quick_down)(void *arg);
    void (*on_patient_down)(void *arg);
};

struct authorizer *authorizer_open(uv_loop_t *loop, struct core *core,
                                   const struct authorizer_events *events, void *arg);
/* Everybody who still waits is told that there is no answer; NULL is fine. */
void authorizer_close(struct authorizer *authorizer);

/* May be answered before it returns, if too many wait already. The session must be one of the
 * core's. `topic` is without `realtime:`. */
void authorizer_ask(struct authorizer *authorizer, struct session *session, struct str topic,
                    rights_cb *cb, void *arg);

/* Once a second: tells those who have waited too long. */
void authorizer_tick(struct authorizer *authorizer, uint64_t now_ms);

/* For other questions, by pg_conn_query() alone: the quick connection for what takes no time, the
 * patient one for what may. NULL while it is down. */
struct pg_conn *authorizer_quick_conn(const struct authorizer *authorizer);
struct pg_conn *authorizer_patient_conn(const struct authorizer *authorizer);

#endif
