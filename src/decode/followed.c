#include "decode/followed.h"

#include <string.h>

const struct followed_name followed_never[] = {
    {"public", "audit_logs"},       {"public", "webhook_deliveries"},
    {"public", "webhook_attempts"}, {"pgherald", "webhook_secrets"},
    {"pgherald", "context_key"},    {NULL, NULL}};

/* Of schema realtime it is the messages, which on Supabase come under the name of a partition of
 * their day; wal2json has no pattern for those. */
const struct followed_name followed_always[] = {{"pgherald", "store_marks"},
                                                {"pgherald", "audit_policies"},
                                                {"pgherald", "jobs"},
                                                {"realtime", "*"},
                                                {NULL, NULL}};

const struct followed_name followed_auth_events = {"auth", "audit_log_entries"};

bool followed_has_auth_events(const struct config *config)
{
    return config->audit && config->audit_auth_events;
}

static bool is_one(const struct followed_name *name, struct str schema, struct str table)
{
    return str_eq(schema, str_c(name->schema)) &&
           (strcmp(name->table, "*") == 0 || str_eq(table, str_c(name->table)));
}

static bool is_any(const struct followed_name *names, struct str schema, struct str table)
{
    for (; names->schema; names++)
        if (is_one(names, schema, table))
            return true;
    return false;
}

bool followed_table(const struct config *config, struct str schema, struct str table)
{
    if (is_any(followed_never, schema, table))
        return false;
    if (is_any(followed_always, schema, table))
        return true;
    if (followed_has_auth_events(config) && is_one(&followed_auth_events, schema, table))
        return true;
    for (size_t i = 0; i < config->schemas.count; i++)
        if (str_eq(schema, str_c(config->schemas.items[i])))
            return true;
    return false;
}
