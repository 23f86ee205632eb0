/* What Supabase's auth service has noted (logins, sign-ups, password changes), from the stream into
 * the audit trail: each row that is inserted into auth.audit_log_entries is an entry. */
#ifndef PGHERALD_DAEMON_AUTH_EVENT_H
#define PGHERALD_DAEMON_AUTH_EVENT_H

#include "row/change.h"
#include "store/batch.h"

/* Adds an INSERT's entry; a row without an action has none. FAILED only if it cannot be held at
 * all. */
enum result auth_event_add(struct batch *batch, const struct change *insert,
                           const struct position *position, struct err *err) MUST_CHECK;

#endif
