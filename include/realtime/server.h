/* The sockets: WebSocket and the live page on `listen`, health and metrics on `admin_listen`.
 * server.c, tls.c, ws.c, flush.c, http.c and http_reply.c are the only ones that include
 * libwebsockets. */
#ifndef PGHERALD_REALTIME_SERVER_H
#define PGHERALD_REALTIME_SERVER_H

#include <uv.h>

#include "realtime/core.h"

struct server;

/* Binds both addresses, or, without clients, admin_listen alone; everything else happens on the
 * loop. */
enum result server_open(uv_loop_t *loop, struct core *core, bool clients, struct server **out,
                        struct err *err) MUST_CHECK;

/* Once a second. */
void server_tick(struct server *server);

/* Takes no new clients and says goodbye to those that are there. */
void server_retire(struct server *server);

/* Two steps, since libwebsockets gives its handles back to the loop: server_close(), run the loop
 * until it has nothing more to do, server_free(). NULL is fine for both. */
void server_close(struct server *server);
void server_free(struct server *server);

#endif
