/* PostgreSQL's word on who may read a row: one connection, one batch of questions at a time.
 *
 * A batch is answered as a whole, or not at all: then it may be put again. Nothing here decides in
 * favour of anybody when there is no answer. */
#ifndef PGHERALD_REALTIME_RLS_H
#define PGHERALD_REALTIME_RLS_H

#include <uv.h>

#include "base/stats.h"
#include "realtime/policies.h"
#include "realtime/question.h"

#define RLS_MAX_BATCH 64

struct rls;

struct rls_events {
    /* A batch or a check can be put: after connecting, after every on_answer and on_checked, and
     * after a rest. */
    void (*on_ready)(void *arg);
    /* What was asked of the policies is known, or, with an error, nothing of it. */
    void (*on_checked)(void *arg, const struct err *err);
    /* The verdicts of the batch are filled in; or, with an error, the database refused the batch
     * (time-out, a function that is missing) and they are as they were. */
    void (*on_answer)(void *arg, const struct err *err);
    /* The connection is gone, with the batch and the check; on_ready will come again. */
    void (*on_lost)(void *arg);
};

struct rls *rls_open(uv_loop_t *loop, const char *database_url, struct stats *stats,
                     const struct rls_events *events, void *arg);
void rls_close(struct rls *rls); /* no event follows; NULL is fine */

bool rls_is_ready(const struct rls *rls);
/* The questions stay with the caller, and must stay, until on_answer or on_lost. */
void rls_ask(struct rls *rls, struct question *const *questions, size_t count);

/* The same for what is known of policies: whether it can be asked, and asking what
 * policies_question() says, after a while. The policies stay with the caller, and learn the answer.
 */
bool rls_can_check(const struct rls *rls);
void rls_check(struct rls *rls, struct policies *policies, unsigned delay_ms);
/* Until so much time has passed nothing is checked. Only while rls_can_check(). */
void rls_rest(struct rls *rls, unsigned ms);

/* Whether a client may have this role, as far as we know. A no makes us look again soon. */
enum rls_role { RLS_ROLE_YES, RLS_ROLE_NO, RLS_ROLE_UNKNOWN };
enum rls_role rls_role(struct rls *rls, const char *role);

#endif
