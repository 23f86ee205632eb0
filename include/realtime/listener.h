/* The socket that clients connect to. libwebsockets has one of its own, but cannot share a port
 * between several loops (in 4.1 LWS_SERVER_OPTION_ALLOW_LISTEN_SHARE does nothing with one service
 * thread a context); it takes connections that others accepted just as well. */
#ifndef PGHERALD_REALTIME_LISTENER_H
#define PGHERALD_REALTIME_LISTENER_H

#include <uv.h>

#include "base/err.h"
#include "config/config.h"

struct listener;

/* `shares`: other loops of this process listen on the same address, and the kernel spreads the
 * connections over them (SO_REUSEPORT). `take` becomes the owner of the connected socket, which
 * does not block. */
enum result listener_open(uv_loop_t *loop, const struct config_address *address, bool shares,
                          void (*take)(void *arg, int fd), void *arg, struct listener **out,
                          struct err *err) MUST_CHECK;
/* Whether another program has the address: with shared sockets binding would not tell. */
enum result listener_check(const struct config_address *address, struct err *err) MUST_CHECK;

/* Once a second: accepts again after the process had run out of files. */
void listener_tick(struct listener *listener);
/* The loop has to run once more; NULL is fine. */
void listener_close(struct listener *listener);

#endif
