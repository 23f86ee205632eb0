/* Loads what has to be known of the database before its stream is read: its types, the key that
 * transactions sign with, the slot's plugin and what that one does not say. One short connection,
 * one answer. */
#ifndef PGHERALD_DAEMON_CATALOG_H
#define PGHERALD_DAEMON_CATALOG_H

#include <uv.h>

#include "base/err.h"
#include "config/config.h"
#include "decode/table_keys.h"
#include "row/type.h"
#include "vault/mac.h"

struct catalog;

struct catalog_facts {
    struct types *types;             /* take a reference to keep them */
    struct mac_key context_key;      /* unknown if the table is empty */
    enum config_plugin plugin;       /* the slot's, never auto */
    struct table_keys *primary_keys; /* who wants them sets this to NULL */
};

/* Exactly one of the two comes, unless catalog_close() comes first. */
struct catalog_events {
    void (*on_loaded)(void *arg, struct catalog_facts *facts);
    void (*on_failed)(void *arg, const struct err *err);
};

/* `config` is borrowed. In the middle of a session `xid` is the transaction whose tables and types
 * are asked for: the answer waits until everybody can see them, 5 s at most. At the start it is 0;
 * what pgoutput reads is then brought up to date with the tables that are there. A slot of another
 * plugin than the configured one is a failure. */
struct catalog *catalog_load(uv_loop_t *loop, const struct config *config, uint32_t xid,
                             const struct catalog_events *events, void *arg);
void catalog_close(struct catalog *catalog); /* NULL is fine; also to be called after the answer */

#endif
