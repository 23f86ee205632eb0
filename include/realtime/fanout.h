/* From an event to the clients: who bound it, who may read it, one frame for all of them.
 *
 * Rows wait in one line, in commit order, until every session concerned has its verdict; the line
 * moves only at its head, so no client ever sees two changes the wrong way round. First rls asks
 * whether what is known of the policies holds; then those who bound the row are found, and policies
 * that are understood are judged in memory; what is still open rls asks PostgreSQL. */
#ifndef PGHERALD_REALTIME_FANOUT_H
#define PGHERALD_REALTIME_FANOUT_H

#include "realtime/core.h"
#include "row/event.h"

struct fanout;

struct fanout *fanout_new(struct core *core);
void fanout_free(struct fanout *fanout);

/* rls is opened after the fan-out and closed before it; NULL: nobody can be asked, so rows wait. */
void fanout_set_rls(struct fanout *fanout, struct rls *rls);

/* Whether more may come in. While the line is long, events stay in the inbox, which is bounded and
 * has a policy of its own: rows are refused there and a gap is told. */
bool fanout_has_room(const struct fanout *fanout);

/* Takes over the reference. */
void fanout_take(struct fanout *fanout, struct event *event);

/* What rls reports. */
void fanout_ready(struct fanout *fanout);
void fanout_checked(struct fanout *fanout, const struct err *err);
void fanout_answered(struct fanout *fanout, const struct err *err);
void fanout_lost(struct fanout *fanout);

#endif
