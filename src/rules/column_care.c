#include "rules/column_care.h"

static bool list_matches(const struct rule_list *patterns, struct str name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (str_glob(str_c(patterns->items[i]), name))
            return true;
    return false;
}

/* What signs what receivers trust, and what digests begin with: they stay out whatever audit_redact
 * says. */
static bool is_own_secret(const struct table_rules *table, struct str name)
{
    return (str_eq(name, STR("secret")) && str_eq(table->resource, STR("public.webhooks"))) ||
           (str_eq(name, STR("hash_secret")) &&
            str_eq(table->resource, STR("pgherald.audit_policies")));
}

enum column_care column_care_of(const struct config *config, const struct table_rules *table,
                                struct str name)
{
    const struct config_list *secrets = &config->audit_redact;

    if (table->policy && list_matches(&table->policy->ignore, name))
        return COLUMN_IGNORE;
    if (is_own_secret(table, name))
        return COLUMN_REDACT;
    if (table->policy && list_matches(&table->policy->redact, name))
        return COLUMN_REDACT;
    for (size_t i = 0; i < secrets->count; i++)
        if (str_glob(str_c(secrets->items[i]), name))
            return COLUMN_REDACT;
    if (table->policy && list_matches(&table->policy->hash, name))
        return COLUMN_HASH;
    return COLUMN_KEEP;
}
