/* Loads what has to be known of the database before its stream is read, its types and the key that
 * transactions sign with: one short connection, one answer. */
#ifndef PGHERALD_DAEMON_CATALOG_H
#define PGHERALD_DAEMON_CATALOG_H

#include <uv.h>

#include "base/err.h"
#include "row/type.h"
#include "vault/mac.h"

struct catalog;

/* Exactly one of the two comes, unless catalog_close() comes first. */
struct catalog_events {
    /* Take a reference of the types to keep them. The key is unknown if the table is empty. */
    void (*on_loaded)(void *arg, struct types *types, const struct mac_key *context_key);
    void (*on_failed)(void *arg, const struct err *err);
};

struct catalog *catalog_load(uv_loop_t *loop, const char *database_url,
                             const struct catalog_events *events, void *arg);
void catalog_close(struct catalog *catalog); /* NULL is fine; also to be called after the answer */

#endif
