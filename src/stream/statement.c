/* START_REPLICATION with wal2json's options. What each option is for: docs/stream.md. */
#include "stream/stream.h"

/* Our own tables whose changes must not come back, see docs/ARCHITECTURE.md, rule 4; and those that
 * nobody is to see, even where schema pgherald is followed. */
#define FILTERED_TABLES                                                                            \
    "public.audit_logs,public.webhook_deliveries,public.webhook_attempts,"                         \
    "pgherald.webhook_secrets,pgherald.context_key"
/* Tables outside the configured schemas that the pipeline itself wants to see. Of schema realtime
 * it is the messages, which on Supabase come under the name of a partition of their day; wal2json
 * has no pattern for those. */
#define OWN_TABLES "pgherald.store_marks,pgherald.audit_policies,pgherald.jobs,realtime.*"

/* What Supabase's auth service has noted; nothing comes of the name where there is no such table.
 */
#define AUTH_EVENTS "auth.audit_log_entries"

/* wal2json splits at commas and dots and knows a backslash before them. */
static void add_schema(struct buf *out, const char *schema)
{
    for (; *schema; schema++) {
        if (*schema == '\\' || *schema == ',' || *schema == '.' || *schema == '*' || *schema == ' ')
            buf_add_char(out, '\\');
        if (*schema == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, *schema);
    }
    buf_add_c(out, ".*");
}

void stream_start_statement(struct buf *out, const struct config *config)
{
    buf_addf(out, "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (", config->slot_name);
    buf_add_c(out, "\"format-version\" '2', "
                   "\"include-xids\" 'true', "
                   "\"include-timestamp\" 'true', "
                   "\"include-lsn\" 'true', "
                   "\"include-types\" 'false', "
                   "\"include-type-oids\" 'true', "
                   "\"include-pk\" 'true', "
                   "\"include-not-null\" 'true', "
                   "\"include-transaction\" 'true', "
                   "\"add-msg-prefixes\" 'pgherald:context', "
                   "\"filter-tables\" '" FILTERED_TABLES "', "
                   "\"add-tables\" '" OWN_TABLES);
    if (config->audit && config->audit_auth_events)
        buf_add_c(out, "," AUTH_EVENTS);
    for (size_t i = 0; i < config->schemas.count; i++) {
        buf_add_char(out, ',');
        add_schema(out, config->schemas.items[i]);
    }
    buf_add_c(out, "')");
}
