/* One row of public.webhooks, as far as matching needs it: its secret never comes here. */
#ifndef PGHERALD_RULES_WEBHOOK_RULE_H
#define PGHERALD_RULES_WEBHOOK_RULE_H

#include "base/buf.h"
#include "row/change.h"
#include "row/predicate.h"
#include "rules/rule_row.h"

enum webhook_format { WEBHOOK_STANDARD, WEBHOOK_SUPABASE, WEBHOOK_CLOUDEVENTS };

struct webhook_rule {
    uint8_t id[16];
    bool has_owner;
    uint8_t owner[16]; /* a user's webhook gets only rows whose user_id is his */
    struct rule_list events;
    struct predicate *filter;
    struct rule_list columns; /* what of a row it is told; empty: all */
    enum webhook_format format;
    bool told;          /* that its filter names a column it is not shown */
    bool takes_changes; /* it is active, or was switched off by us: then they wait for it */
    bool orders_by_key; /* deliveries of one row wait for each other */
};

enum result webhook_rule_parse(const struct rule_row *row, struct webhook_rule **out,
                               struct err *err) MUST_CHECK;
void webhook_rule_free(struct webhook_rule *rule);

/* Whether one of its patterns (`memories.insert`, `memories.*`, `*`, `public.*`) names the event.
 */
bool webhook_rule_wants(const struct webhook_rule *rule, struct str event, bool is_public);

/* The same for an event that is told only to those who ask for its schema by name: `*` does not. */
bool webhook_rule_names(const struct webhook_rule *rule, struct str schema, struct str event);

/* Whether this very row is for it: owner and filter. */
bool webhook_rule_matches(const struct webhook_rule *rule, const struct change *change,
                          const struct types *types);

/* Whether the row was another's before this UPDATE made it the owner's: what it was is not told. */
bool webhook_rule_hides_old(const struct webhook_rule *rule, const struct change *change);

/* Appends the webhook-id of the delivery of a change: the same for every attempt and every restart,
 * without a dot, as Standard Webhooks asks, and without anything to escape in JSON. */
void webhook_rule_add_message_id(struct buf *out, const struct webhook_rule *rule,
                                 const struct position *position);

bool webhook_rule_same_columns(const struct webhook_rule *a, const struct webhook_rule *b);

/* Orders rules such that those whose bodies have something in common are behind each other: <0, 0,
 * >0.
 */
int webhook_rule_cmp_body(const struct webhook_rule *a, const struct webhook_rule *b);

#endif
