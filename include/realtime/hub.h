/* Who wants to be told of a change: an index of all bindings.
 *
 * A change looks at the bindings of its table (and of the wildcards), and of those whose filter is
 * a single `column=eq.value` only at the ones filed under its own value. So a thousand clients that
 * each follow their own row cost nothing until it is their row. */
#ifndef PGHERALD_REALTIME_HUB_H
#define PGHERALD_REALTIME_HUB_H

#include "realtime/binding.h"
#include "row/change.h"
#include "row/type.h"

struct hub;

struct hub *hub_new(void);
void hub_free(struct hub *hub); /* must be empty */

void hub_add(struct hub *hub, struct binding *binding); /* borrowed until hub_remove() */
void hub_remove(struct hub *hub, struct binding *binding);
size_t hub_count(const struct hub *hub);

/* Calls `found` for every binding whose table, event and filter the change satisfies; it must not
 * add or remove bindings. */
void hub_match(const struct hub *hub, const struct change *change, const struct types *types,
               void (*found)(void *arg, struct binding *binding), void *arg);

/* What a value is filed under: equal values of a type have equal keys, whatever their text (1.0 and
 * 1, or the case of a uuid). Not so for booleans and timestamps, which are never looked up by it.
 */
uint64_t hub_value_key(struct str text);

#endif
