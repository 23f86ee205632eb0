/* Broadcasts by REST, as Supabase has them: handlers of the router.
 *
 *   POST /api/broadcast {"messages":[{"topic","event","payload","private"}]} POST
 * /api/broadcast/{topic}/events/{event}     the payload: JSON, or bytes
 *                         [?private=true]          (application/octet-stream)
 *
 * 202 with nothing; 422 with what is wrong with which message, and then none is sent; 429. Source:
 * facts/realtime-protocol.md; supabase/realtime, broadcast_controller.ex and its tests. */
#ifndef PGHERALD_REALTIME_REST_H
#define PGHERALD_REALTIME_REST_H

#include "realtime/router.h"

#define REST_MAX_BODY ((size_t)8000000) /* as Supabase's */

void rest_broadcast(const struct request *request, struct answer *out);
void rest_broadcast_one(const struct request *request, struct answer *out);

#endif
