/* Keeps the ring of API keys as the database has it, and writes down how they were used.
 *
 * It has a connection of its own: the one that asks about row level security may be busy for
 * seconds, and a revocation must not wait. It listens for what the trigger of 010_api_keys.sql says
 * and reads those keys again; after every connect it reads all.
 *
 * The ring is believed for five minutes after the last word of the server. So keys work while the
 * database restarts, and a key that was revoked behind a broken connection does not work for long.
 */
#ifndef PGHERALD_REALTIME_KEYS_H
#define PGHERALD_REALTIME_KEYS_H

#include <uv.h>

#include "base/stats.h"
#include "config/config.h"
#include "token/keyring.h"

struct keys;

/* Everything is borrowed and outlives it. */
struct keys *keys_open(uv_loop_t *loop, const struct config *config, struct keyring *ring,
                       struct stats *stats);
void keys_close(struct keys *keys); /* NULL is fine */

/* Once a second. */
void keys_tick(struct keys *keys, uint64_t now_ms, int64_t now);

/* At the end: writes what is counted; true when there is nothing more to be written, or nobody to
 * write it to. To be asked again until it is. */
bool keys_finish(struct keys *keys);

#endif
