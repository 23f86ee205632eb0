/* Who is present in a room. Pure: it knows neither channels nor frames.
 *
 * Under each key stand the presences that use it, one for each channel that tracks (two tabs of one
 * user: one key, two presences). A presence has what the room has been told of it and what is true
 * now:
 *
 *   roster_track(), roster_untrack()          roster_write_diff()
 *      now := ..., changed                       told := now, for all that changed
 *
 *   told  now     in the diff                 in the state of whoever joins before the diff
 *   -     A       joins A                     nothing: the diff that follows tells him too
 *   A     B       leaves A, joins B           A
 *   A     -       leaves A                    A
 *   -     -       nothing                     nothing
 *
 * So a diff costs what has changed, not what is there, and everybody who has the state and all
 * diffs after it has the same. The shapes are Phoenix's (presence.js, syncState and syncDiff). */
#ifndef PGHERALD_REALTIME_ROSTER_H
#define PGHERALD_REALTIME_ROSTER_H

#include "base/buf.h"

struct roster;
struct presence;

struct roster *roster_new(void);
void roster_free(struct roster *roster); /* NULL is fine */

/* Makes `meta` (the text of a JSON object, borrowed) what is true of the presence, or of a new one
 * under `key` if it is NULL. `ref` is one that no presence of this program or an earlier one has
 * had. Returns the presence, which is the roster's. */
struct presence *roster_track(struct roster *roster, struct presence *presence, struct str key,
                              struct str meta, uint64_t ref);
/* It is gone, and the pointer must not be used again. */
void roster_untrack(struct roster *roster, struct presence *presence);

/* Whether this is what is true of it already. */
bool presence_is(const struct presence *presence, struct str meta);

/* The text of what is true of it: the object without its closing brace; and its version. */
struct str presence_meta(const struct presence *presence);
uint64_t presence_ref(const struct presence *presence);

bool roster_has_changed(const struct roster *roster);
size_t roster_count(const struct roster *roster); /* presences, as of now */
size_t roster_bytes(const struct roster *roster); /* that all of this takes */

/* Appends the payload of presence_state: what the room has been told. */
void roster_write_state(const struct roster *roster, struct buf *out);
/* Appends the payload of presence_diff, and takes it that the room is told. false, with nothing
 * appended: there is nothing to tell after all. */
bool roster_write_diff(struct roster *roster, struct buf *out);
/* Takes it that the room is told, since nobody is there. */
void roster_settle(struct roster *roster);

#endif
