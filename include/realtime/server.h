/* The sockets: WebSocket and the live page on `listen`, health and metrics on `admin_listen`, which
 * is the first loop's. server.c, tls.c, ws.c, flush.c, http.c and http_reply.c are the only ones
 * that include libwebsockets. */
#ifndef PGHERALD_REALTIME_SERVER_H
#define PGHERALD_REALTIME_SERVER_H

#include <uv.h>

#include "realtime/core.h"

struct server;

/* Binds the addresses; everything else happens on the loop. The servers of one program are opened
 * one after another, the first (`index` 0) before all others and by the same thread. Without
 * `clients` only admin_listen is served. */
enum result server_open(uv_loop_t *loop, struct core *core, unsigned index, bool clients,
                        struct server **out, struct err *err) MUST_CHECK;
/* Once all are open. libwebsockets writes its log lines into one buffer of the process (4.1.6,
 * without LWS_WITH_THREADPOOL), so it has to be silent where several threads use it. */
void server_all_open(unsigned count);

/* Once a second. */
void server_tick(struct server *server);

/* Takes no new clients and says goodbye to those that are there. */
void server_retire(struct server *server);

/* Two steps, since libwebsockets gives its handles back to the loop: server_close(), run the loop
 * until it has nothing more to do, server_free(). NULL is fine for both. */
void server_close(struct server *server);
void server_free(struct server *server);

#endif
