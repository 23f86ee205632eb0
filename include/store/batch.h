/* The effects of whole source transactions on their way into one SQL transaction: buffers of rows
 * ready for the wire, and the mark up to which they are whole. */
#ifndef PGHERALD_STORE_BATCH_H
#define PGHERALD_STORE_BATCH_H

#include "row/schema_change.h"
#include "rules/ruleset.h"

/* How far a batch, or the whole store, has come. */
struct store_mark {
    lsn_t commit_lsn; /* of the last transaction covered; 0: none */
    lsn_t end_lsn;
    int64_t commit_time;
};

struct batch {
    struct buf audit;         /* binary COPY rows of audit_logs */
    struct buf deliveries;    /* binary COPY rows of webhook_deliveries */
    struct buf notifications; /* JSON objects, comma between them */
    struct buf rules;         /* likewise, changes of rules */
    uint64_t audit_rows, delivery_rows, notification_rows, rule_changes;
    uint64_t started_ms; /* when the first effect came, monotonic */
    struct store_mark mark;
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);
void batch_reset(struct batch *batch);

bool batch_is_empty(const struct batch *batch); /* no effect was ever added */
uint64_t batch_effects(const struct batch *batch);
size_t batch_bytes(const struct batch *batch); /* still in the buffers */

/* Each fails only if a single row is larger than PostgreSQL could take. `who` are the fields that
 * say who did it, ready for the wire (daemon/attribution.h). */
enum result batch_add_audit(struct batch *batch, struct ruleset *rules, struct table_rules *table,
                            const struct change *change, const struct position *position,
                            struct str who, struct err *err) MUST_CHECK;
/* An entry of something that is no change of a row. */
enum result batch_add_event(struct batch *batch, struct str action, struct str resource,
                            const struct position *position, struct str who,
                            struct err *err) MUST_CHECK;
/* An entry of a change of the schema: on which object, by what command. */
enum result batch_add_schema_change(struct batch *batch, const struct schema_change *change,
                                    const struct position *position, struct str who,
                                    struct err *err) MUST_CHECK;
/* row_key: of the row, for an endpoint that orders by key; empty for NULL. */
enum result batch_add_delivery(struct batch *batch, const struct webhook_rule *webhook,
                               struct str event, const struct position *position,
                               struct str row_key, struct str body, struct err *err) MUST_CHECK;
enum result batch_add_notification(struct batch *batch, const struct notification_rule *rule,
                                   const struct change *change, struct str user_id,
                                   struct str event, struct err *err) MUST_CHECK;
/* `id` empty: all of the kind; `row` empty: deleted. */
enum result batch_add_rule(struct batch *batch, enum rule_kind kind, struct str id, struct str row,
                           struct err *err) MUST_CHECK;

#endif
