/* Which columns audit entries and webhooks do not show, by the audit policy and by their names. */
#ifndef PGHERALD_RULES_COLUMN_CARE_H
#define PGHERALD_RULES_COLUMN_CARE_H

#include "rules/ruleset.h"

/* The table need not have the column: its name decides. */
enum column_care column_care_of(const struct config *config, const struct table_rules *table,
                                struct str name);

#endif
