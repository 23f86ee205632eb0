/* The bindings on a table by clients of one role, and who of them a change may concern.
 *
 * Two indexes, of which the one with fewer candidates is used: by the value of a filter that is a
 * single `column=eq.value`, so that a thousand clients that each follow their own row cost nothing
 * until it is their row; and by the value of a claim that the policies compare with a column, so
 * that a row finds those who may read it. Neither has the last word: filters are tried, and
 * verdicts made, for whoever is found. */
#ifndef PGHERALD_REALTIME_CROWD_H
#define PGHERALD_REALTIME_CROWD_H

#include "realtime/access.h"
#include "realtime/binding.h"
#include "row/change.h"
#include "row/type.h"

struct crowd;

/* `of_one_table`: not of a wildcard. */
struct crowd *crowd_new(struct str role, bool of_one_table);
void crowd_free(struct crowd *crowd); /* must be empty */

void crowd_add(struct crowd *crowd, struct binding *binding); /* binding->session is set */
void crowd_remove(struct crowd *crowd, struct binding *binding);
size_t crowd_count(const struct crowd *crowd);
struct str crowd_role(const struct crowd *crowd);

/* From now on the bindings are filed by the keys of these policies; NULL: by none. Costs as much as
 * there are bindings if it is another than before, else nothing. A crowd of many tables follows
 * none. */
void crowd_follow(struct crowd *crowd, struct table_access *access);

/* Calls `found` for every binding whose event and filter the change satisfies, but not for all that
 * the policies it follows keep from reading `row`. NULL: nothing is known of that. `found` must not
 * add or remove bindings. */
void crowd_match(const struct crowd *crowd, const struct change *change, const struct types *types,
                 const struct policy_row *row, void (*found)(void *arg, struct binding *binding),
                 void *arg);

/* What a value of a filter is filed under: equal values of a type have equal keys, whatever their
 * text (1.0 and 1, or the case of a uuid). Not so for booleans and timestamps, which are never
 * looked up by it. */
uint64_t crowd_value_key(struct str text);

#endif
