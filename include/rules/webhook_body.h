/* The body that an endpoint gets for a change: the columns it chose, in the shape it chose.
 *
 * - standard: {"type","timestamp","data"}, as Standard Webhooks has it; data is {"schema","table",
 *   "operation","record","old_record","commit_lsn","ordinal"}
 * - supabase: {"type","table","schema","record","old_record"}, as Supabase's database webhooks
 * - cloudevents: CloudEvents 1.0, structured JSON; "id" is the webhook-id and "data" as above
 *
 * Rows of more than WEBHOOK_MAX_BODY are left out: record and old_record are null, and beside them
 * are "error" and "key", the primary key's text.
 *
 * What several endpoints share is made once. The rules of a table are in an order that puts those
 * with the same columns and shape behind each other, so it is enough to keep what was made last. */
#ifndef PGHERALD_RULES_WEBHOOK_BODY_H
#define PGHERALD_RULES_WEBHOOK_BODY_H

#include "rules/ruleset.h"

/* The deliveries of one change to all endpoints have to fit into one message of the protocol, and
 * no receiver wants more. */
#define WEBHOOK_MAX_BODY ((size_t)1 << 20)

/* All of it is borrowed. */
struct webhook_change {
    struct ruleset *rules;
    struct table_rules *table;
    const struct change *change;
    const struct position *position;
};

struct webhook_body {
    struct webhook_change of;
    struct buf rows;                 /* the members record and old_record, and error and key */
    struct buf data;                 /* the object that two of the shapes share */
    struct buf text;                 /* the body made last */
    const struct webhook_rule *last; /* whom it was made for; NULL: nobody yet */
    bool hid_old;                    /* the old row, which was not his */
};

void webhook_body_init(struct webhook_body *body);
void webhook_body_fini(struct webhook_body *body);

/* From now on it is about this change. */
void webhook_body_begin(struct webhook_body *body, const struct webhook_change *of);

/* The body for this endpoint; valid until the next call. */
struct str webhook_body_for(struct webhook_body *body, const struct webhook_rule *webhook);

#endif
