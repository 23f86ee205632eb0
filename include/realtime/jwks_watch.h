/* Keeps the verifier's key sets current: the file is looked at every second, the URL is fetched at
 * the start, every jwt_jwks_refresh, and when a token comes whose key is not known.
 *
 * What cannot be read or fetched, or holds no usable key, leaves the set as it was, is logged and
 * counted. A new set takes the place of the old one between two callbacks of the loop, so nobody
 * sees half of it. Who came in with a key that is gone has to come in again. */
#ifndef PGHERALD_REALTIME_JWKS_WATCH_H
#define PGHERALD_REALTIME_JWKS_WATCH_H

#include <uv.h>

#include "realtime/core.h"

struct jwks_watch;

/* Reads the file, so that one that is not good is an error here; the URL may be down for now. */
enum result jwks_watch_open(uv_loop_t *loop, struct core *core, struct jwks_watch **out,
                            struct err *err) MUST_CHECK;
/* Once a second. */
void jwks_watch_tick(struct jwks_watch *watch, uint64_t now_ms);
/* The loop has to run once more. NULL is fine. */
void jwks_watch_close(struct jwks_watch *watch);

#endif
