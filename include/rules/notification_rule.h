/* One row of public.notification_rules: whom to tell what about which changes. */
#ifndef PGHERALD_RULES_NOTIFICATION_RULE_H
#define PGHERALD_RULES_NOTIFICATION_RULE_H

#include "row/change.h"
#include "row/predicate.h"
#include "row/template.h"
#include "rules/rule_row.h"

struct notification_rule {
    char *id;
    char *name;
    char *resource; /* schema.table */
    struct rule_list events;
    struct predicate *condition;
    char *recipient; /* the column that holds the user's id */
    char *type;
    char *priority;
    char *expires_in; /* an interval's text, or NULL */
    struct template *title;
    struct template *message;    /* NULL: none */
    struct template *data;       /* JSON with placeholders in its strings; NULL: the default */
    struct template *dedupe_key; /* NULL: none */
    bool is_active;
};

enum result notification_rule_parse(const struct rule_row *row, struct notification_rule **out,
                                    struct err *err) MUST_CHECK;
void notification_rule_free(struct notification_rule *rule);

bool notification_rule_wants(const struct notification_rule *rule, struct str resource,
                             enum change_kind kind);

/* Whom this change is for: false if the recipient's column is NULL or absent (then *misfit is
 * false) or holds no uuid (*misfit is true). */
bool notification_rule_recipient(const struct notification_rule *rule, const struct change *change,
                                 struct str *user_id, bool *misfit);

/* Appends the notification as a JSON object, as sql/queries/store_insert_notifications.sql reads
 * it: user_id, type, title, message, priority, data, expires_in, dedupe_key, rule_id. */
void notification_rule_render(struct buf *out, const struct notification_rule *rule,
                              const struct change *change, struct str user_id, struct str event);

#endif
