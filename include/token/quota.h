/* What API keys have used of their rates, shared by the rings of all realtime loops: a key has one
 * rate, whichever loop its requests come to. All may be called from any thread; a lock is held for
 * a few instructions, once for each request that an API key makes. */
#ifndef PGHERALD_TOKEN_QUOTA_H
#define PGHERALD_TOKEN_QUOTA_H

#include "base/str.h"
#include "token/bucket.h"

struct quotas;
struct quota;

struct quotas *quotas_new(void); /* one reference */
struct quotas *quotas_ref(struct quotas *quotas);
void quotas_unref(struct quotas *quotas); /* no quota is left when the last one goes */

/* The quota of a key, a full one if it is new; one reference. per_minute as in bucket.h: the newest
 * word counts for all. */
struct quota *quota_get(struct quotas *quotas, struct str key_id, uint32_t per_minute,
                        uint64_t now_ms);
void quota_unref(struct quota *quota); /* NULL is fine */

/* Takes one request; 0, or the seconds after which there will be one. `left` is what remains. */
unsigned quota_take(struct quota *quota, uint64_t now_ms, struct allowance *left);
struct allowance quota_left(struct quota *quota, uint64_t now_ms);

#endif
