#include "rules/audit_policy.h"

#include <stdlib.h>

#include "base/mem.h"

enum result audit_policy_parse(const struct rule_row *row, struct audit_policy **out,
                               struct err *err)
{
    struct audit_policy *policy = mem_alloc(sizeof(*policy));

    *out = NULL;
    policy->table_name = str_dup(rule_row_text(row, "table_name"));
    policy->is_enabled = rule_row_bool(row, "is_enabled", true);
    policy->hash_secret = str_dup(rule_row_text(row, "hash_secret"));
    policy->only_if_changed = rule_row_bool(row, "only_if_changed", false);
    if (rule_row_list(row, "redact", &policy->redact, err) != OK ||
        rule_row_list(row, "hash", &policy->hash, err) != OK ||
        rule_row_list(row, "ignore", &policy->ignore, err) != OK) {
        audit_policy_free(policy);
        return FAILED;
    }
    *out = policy;
    return OK;
}

void audit_policy_free(struct audit_policy *policy)
{
    if (!policy)
        return;
    rule_list_fini(&policy->redact);
    rule_list_fini(&policy->hash);
    rule_list_fini(&policy->ignore);
    free(policy->hash_secret);
    free(policy->table_name);
    free(policy);
}

unsigned audit_policy_fit(const struct audit_policy *policy, struct str resource)
{
    struct str name = str_c(policy->table_name);

    if (str_eq(name, STR("*")))
        return 1;
    if (str_ends(name, STR(".*")))
        return str_starts(resource, str_from(name.data, name.len - 1)) ? AUDIT_POLICY_FITS_SCHEMA
                                                                       : 0;
    return str_eq(name, resource) ? 3 : 0;
}
