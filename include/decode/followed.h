/* Which tables the stream is to bring: those of the configured schemas, and what the pipeline needs
 * of its own. wal2json is told so by options, the decoder of pgoutput asks here. */
#ifndef PGHERALD_DECODE_FOLLOWED_H
#define PGHERALD_DECODE_FOLLOWED_H

#include "config/config.h"

struct followed_name {
    const char *schema;
    const char *table; /* "*": all of the schema */
};

/* Our own tables whose changes must not come back, see docs/ARCHITECTURE.md, rule 4; and those that
 * nobody is to see, even where schema pgherald is followed. Ends with a NULL. */
extern const struct followed_name followed_never[];

/* Tables outside the configured schemas that the pipeline itself wants to see. Ends with a NULL. */
extern const struct followed_name followed_always[];

/* What Supabase's auth service has noted; nothing comes of the name where there is no such table.
 */
extern const struct followed_name followed_auth_events;
bool followed_has_auth_events(const struct config *config);

bool followed_table(const struct config *config, struct str schema, struct str table);

#endif
