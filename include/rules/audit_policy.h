/* One row of pgherald.audit_policies: what the audit trail leaves out of some tables. */
#ifndef PGHERALD_RULES_AUDIT_POLICY_H
#define PGHERALD_RULES_AUDIT_POLICY_H

#include "rules/rule_row.h"

struct audit_policy {
    char *table_name; /* schema.table, schema.* or * */
    bool is_enabled;
    struct rule_list redact; /* column names or patterns, besides those of the configuration */
    struct rule_list hash;   /* likewise, shown by a digest: equal values look equal */
    struct rule_list ignore;
    char *hash_secret;    /* begins what is digested; "" if the row has none */
    bool only_if_changed; /* an UPDATE that changes nothing that is kept makes no entry */
};

enum result audit_policy_parse(const struct rule_row *row, struct audit_policy **out,
                               struct err *err) MUST_CHECK;
void audit_policy_free(struct audit_policy *policy);

/* How exactly a policy names a table: 0 not at all, then `*`, `schema.*`, `schema.table`. */
#define AUDIT_POLICY_FITS_SCHEMA 2
unsigned audit_policy_fit(const struct audit_policy *policy, struct str resource);

#endif
