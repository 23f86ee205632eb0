/* Where webhooks must not reach: a user who may name a URL must not thereby talk to the network
 * that the program stands in.
 *
 * The URL is only checked for its form. Addresses are checked when a socket is about to connect to
 * one, each time: that is after every name lookup, so no answer of a DNS server can go around it.
 */
#ifndef PGHERALD_DISPATCH_GUARD_H
#define PGHERALD_DISPATCH_GUARD_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

/* http or https, a host, no credentials, no byte that two parsers could read differently. The
 * error never quotes the URL, which may hold a secret. */
enum result guard_check_url(struct str url, struct err *err) MUST_CHECK;

/* NULL if the address is public, else the range that it is in and what that is for. */
const char *guard_refusal(const struct sockaddr *address, size_t len);

#endif
