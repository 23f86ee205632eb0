/* Asking the running daemon over HTTP. */
#ifndef PGHERALD_CLI_FETCH_H
#define PGHERALD_CLI_FETCH_H

#include "base/buf.h"
#include "config/config.h"

/* GET http://address/path, within two seconds and past any proxy. An address that means "all" is
 * asked on loopback. `token`, unless empty, is sent along. *status gets the HTTP status. */
enum result fetch(const struct config_address *address, const char *path, struct str token,
                  long *status, struct buf *body, struct err *err) MUST_CHECK;

#endif
