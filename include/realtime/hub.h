/* Who wants to be told of a change: an index of all bindings by table (or wildcard) and role. */
#ifndef PGHERALD_REALTIME_HUB_H
#define PGHERALD_REALTIME_HUB_H

#include "realtime/crowd.h"

struct hub;

struct hub *hub_new(void);
void hub_free(struct hub *hub); /* must be empty */

/* The binding is borrowed until hub_remove(), the session too. */
void hub_add(struct hub *hub, struct binding *binding, const struct session *session);
void hub_remove(struct hub *hub, struct binding *binding);
size_t hub_count(const struct hub *hub);

/* Whether anybody follows the table at all. */
bool hub_follows(const struct hub *hub, struct str schema, struct str table);

/* Calls `found` for every crowd that follows the table, those of wildcards too: a role may have one
 * of each kind. It must not add or remove bindings. */
void hub_each_crowd(const struct hub *hub, struct str schema, struct str table,
                    void (*found)(void *arg, struct crowd *crowd), void *arg);

#endif
