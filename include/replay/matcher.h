/* Whether a change out of the audit trail is for the webhook, and what it is told of it: by the
 * rules and the bodies of live changes. Only where a filter asks for what the trail does not have,
 * there is a third answer. */
#ifndef PGHERALD_REPLAY_MATCHER_H
#define PGHERALD_REPLAY_MATCHER_H

#include "config/config.h"
#include "pg/sync.h"
#include "replay/entry.h"
#include "rules/ruleset.h"

enum match { MATCH_NO, MATCH_YES, MATCH_UNDECIDED };

/* What becomes a row of the outbox; valid until the next change is judged. */
struct matched {
    const struct webhook_rule *webhook;
    struct str event;
    struct str row_key; /* may be empty */
    struct str body;
    bool incomplete; /* a value was too large for the trail */
};

struct matcher;

struct matcher *matcher_new(const struct config *config);
void matcher_free(struct matcher *matcher); /* NULL is fine */

/* The webhook as it is now, as if it were active, and the audit policies. events: patterns with
 * commas between, besides its own; NULL: none. `types` is borrowed. */
enum result matcher_load(struct matcher *matcher, struct pg_sync *conn, const char *webhook_id,
                         const char *events, struct types *types, struct err *err) MUST_CHECK;

/* Patterns of LIKE, as a text[], for `schema.table.operation`. They may find too much. */
const char *matcher_patterns(const struct matcher *matcher);

/* `change` was read last by `reader`; what the audit policies hash today is redacted in it unless
 * it is a digest already. */
enum match matcher_judge(struct matcher *matcher, struct entry_reader *reader,
                         const struct change *change, const struct position *position,
                         struct matched *out);

#endif
