/* Deliveries of a webhook out of the audit trail: for one that is new, or was off.
 *
 *   audit_logs ─page─▶ entry ─▶ struct change ─▶ the rules of live changes ─▶ body ─▶ outbox
 *
 * A page is read, matched and written before the next one, so memory does not grow with the trail.
 * Each write is a transaction of its own, and what the outbox has already is left out: a replay
 * that was broken off is done again from its start and goes on where it was. docs/webhooks.md says
 * what the trail cannot give back. */
#ifndef PGHERALD_REPLAY_REPLAY_H
#define PGHERALD_REPLAY_REPLAY_H

#include "config/config.h"
#include "pg/sync.h"

struct replay_counts {
    uint64_t entries;     /* of the trail that were looked at */
    uint64_t matched;     /* of those, what events, owner and filter ask for */
    uint64_t made;        /* deliveries, or with dry_run those that would be */
    uint64_t truncates;   /* asked for, but a TRUNCATE is not replayed */
    uint64_t application; /* entries that are no row changes */
    uint64_t undecided;   /* filter or owner ask for a value that the trail does not have */
    uint64_t incomplete; /* of those matched: a value is missing that was too large for the trail */
    uint64_t unreadable;
};

struct replay_plan {        /* all borrowed */
    const char *webhook_id; /* a uuid */
    const char *since;      /* timestamps; changes committed from then on */
    const char *until;      /* and before then; NULL: now */
    const char *events;     /* patterns with commas between; NULL: all that the webhook asks for */
    bool again;             /* also what was delivered; what is pending never */
    bool dry_run;           /* only count */
    void (*on_progress)(void *arg, unsigned percent, const struct replay_counts *counts);
    void *arg;
};

/* On FAILED the counts say how far it came. `config` says what rows look like: audit_redact. */
enum result replay_run(struct pg_sync *conn, const struct config *config,
                       const struct replay_plan *plan, struct replay_counts *counts,
                       struct err *err) MUST_CHECK;

#endif
