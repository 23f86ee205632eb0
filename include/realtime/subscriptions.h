/* Whether a channel's postgres_changes can ever be told of anything: their tables are there, are
 * followed, are in Supabase's publication where that decides, and their columns are for the role to
 * read. Asked for many channels at once, after their joins were answered; what is wrong is told,
 * and the channel stays: a table may be added later. */
#ifndef PGHERALD_REALTIME_SUBSCRIPTIONS_H
#define PGHERALD_REALTIME_SUBSCRIPTIONS_H

#include "pg/conn.h"
#include "realtime/channel.h"

struct subscriptions;

/* `connection` gives the connection to ask on, or NULL while there is none. */
struct subscriptions *subscriptions_new(struct core *core, struct pg_conn *(*connection)(void *arg),
                                        void *arg);
/* Nobody is told any more. */
void subscriptions_free(struct subscriptions *subscriptions);

/* Says "Subscribed to PostgreSQL", or what is wrong, once it is known. */
void subscriptions_check(struct subscriptions *subscriptions, struct channel *channel);

void subscriptions_up(struct subscriptions *subscriptions);   /* there is a connection again */
void subscriptions_down(struct subscriptions *subscriptions); /* it is gone, with what was asked */

#endif
