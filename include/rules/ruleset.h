/* The rules as of this point of the stream: audit policies, notification rules, webhooks.
 *
 * Rules are rows of tables; they arrive here as the JSON of such a row, from the database at the
 * start and from the stream afterwards. For each table that changes, the rules that may concern it
 * are worked out once and kept until a rule changes. */
#ifndef PGHERALD_RULES_RULESET_H
#define PGHERALD_RULES_RULESET_H

#include "base/err.h"
#include "base/stats.h"
#include "config/config.h"
#include "row/change.h"
#include "row/type.h"
#include "rules/audit_policy.h"
#include "rules/notification_rule.h"
#include "rules/webhook_rule.h"

enum rule_kind { RULE_WEBHOOK, RULE_NOTIFICATION, RULE_AUDIT_POLICY };
#define RULE_KINDS 3

/* The operations that rules distinguish: insert, update, delete, truncate. */
#define RULE_OPERATIONS 4
unsigned rule_operation(enum change_kind kind);

/* What is done with a column's value in audit entries and webhook bodies. */
enum column_care { COLUMN_KEEP, COLUMN_HASH, COLUMN_REDACT, COLUMN_IGNORE };

struct column_rule {
    struct str name;
    struct str json_key; /* `"name":` */
    uint32_t type;
    bool type_known;
    enum column_care care;
};

/* Everything about one table that is the same for all of its changes. */
struct table_rules {
    struct str schema, table;
    struct str resource;                /* public.memories */
    struct str events[RULE_OPERATIONS]; /* memories.insert, ... ; app.things.insert */
    bool is_messages;    /* realtime.messages: rules see it only where they name it */
    bool is_auth_events; /* the auth service's log; a table like any other if auth is followed */
    bool is_followed;    /* else it is here since its whole schema is streamed, for the messages */
    bool audited;
    const struct audit_policy *policy;                     /* may be NULL */
    const struct webhook_rule **webhooks[RULE_OPERATIONS]; /* by webhook_rule_cmp_body() */
    size_t webhook_count[RULE_OPERATIONS];
    const struct notification_rule **notifications[RULE_OPERATIONS];
    size_t notification_count[RULE_OPERATIONS];
    struct str *key; /* the primary key's columns, as they were said last */
    size_t key_count;
    bool accepts_types;          /* also those that the catalog no longer has */
    struct column_rule *columns; /* as they were seen last, in the order of the record */
    size_t column_count;
    uint16_t *jsonb_order; /* of the columns, rules/column_order.h */
    bool jsonb_order_is_known;
};

struct ruleset;

/* `config` and `stats` are borrowed. */
struct ruleset *ruleset_new(const struct config *config, struct stats *stats);
void ruleset_free(struct ruleset *rules);

/* The types that values have from now on; takes its own reference. */
void ruleset_set_types(struct ruleset *rules, struct types *types);
struct types *ruleset_types(const struct ruleset *rules);
const struct config *ruleset_config(const struct ruleset *rules);

/* `webhook`, `notification_rule`, `audit_policy`: as pgherald.rules says it. */
const char *rule_kind_name(enum rule_kind kind);
bool rule_kind_parse(struct str name, enum rule_kind *kind);
/* Whether rows of this table are rules, and which. */
bool rule_kind_of_table(struct str schema, struct str table, enum rule_kind *kind);
/* The column that names a rule: id, or table_name of a policy. */
struct str rule_kind_key(enum rule_kind kind);

/* Adds or replaces by id. A row that cannot be understood replaces its old version all the same (by
 * nothing), and FAILED says why. */
enum result ruleset_put(struct ruleset *rules, enum rule_kind kind, struct str id, struct str json,
                        struct err *err) MUST_CHECK;
void ruleset_remove(struct ruleset *rules, enum rule_kind kind, struct str id);
void ruleset_clear(struct ruleset *rules, enum rule_kind kind);

/* The rules of the table that changed. Valid until the next put, remove or clear. */
struct table_rules *ruleset_table(struct ruleset *rules, const struct change *change);

/* The care for the column at `index` of a record. */
const struct column_rule *table_rules_column(struct ruleset *rules, struct table_rules *table,
                                             size_t index, const struct column *column);

/* Whether every value's type is known. If not, the types have to be loaded again first. */
bool ruleset_knows_types(struct ruleset *rules, struct table_rules *table,
                         const struct change *change);
/* From now on the table's columns count as known, whatever their types. */
void table_rules_accept_types(struct table_rules *table);

/* wal2json now and then leaves out the key of a row, see docs/stream.md: such a change gets the key
 * that the table's last row had. The change borrows it. */
void table_rules_mend_key(struct table_rules *table, struct change *change);
void table_rules_forget_key(struct table_rules *table);

#endif
