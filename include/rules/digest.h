/* What stands for a value that is not to be kept, but recognised. */
#ifndef PGHERALD_RULES_DIGEST_H
#define PGHERALD_RULES_DIGEST_H

#include "base/buf.h"
#include "row/change.h"
#include "rules/audit_policy.h"

/* Appends a JSON string, `"sha256:<64 hex digits>"`: of the policy's secret and PostgreSQL's text
 * of the value behind it. In SQL it is pgherald.audit_hash(). The value must not be NULL. Without a
 * secret anybody could try values out, so "[redacted]" stands there. */
void digest_add(struct buf *out, const struct audit_policy *policy, const struct column *column);

#endif
