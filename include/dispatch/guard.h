/* Where webhooks must not reach: a user who may name a URL must not thereby talk to the network
 * that the program stands in.
 *
 * The URL is only checked for its form. Addresses are checked when a socket is about to connect to
 * one, each time: that is after every name lookup, so no answer of a DNS server can go around it.
 *
 * Two lists are the operator's. `allow` opens what would be refused for not being public: a
 * network, or whatever address a host of that name has. `only`, if it has anything, says what may
 * be called at all. An address has to pass both. An item is an address, a network (10.1.0.0/16) or
 * a host's name, in which a star is any text (*.example.com). */
#ifndef PGHERALD_DISPATCH_GUARD_H
#define PGHERALD_DISPATCH_GUARD_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

/* http or https, a host, no credentials, no byte that two parsers could read differently. The
 * error never quotes the URL, which may hold a secret. */
enum result guard_check_url(struct str url, struct err *err) MUST_CHECK;

/* NULL if the address is public, else the range that it is in and what that is for. */
const char *guard_refusal(const struct sockaddr *address, size_t len);

struct guard;

struct guard_settings {
    bool allow_private; /* any address */
    const struct config_list *allow, *only;
};

/* FAILED: an item of a list is none; err says which. */
enum result guard_new(const struct guard_settings *settings, struct guard **out,
                      struct err *err) MUST_CHECK;
void guard_free(struct guard *guard); /* NULL is fine */

/* Whether a host's name matters, or addresses are all that there is to ask about. */
bool guard_asks_names(const struct guard *guard);

struct guard_refused {
    const char *why;
    const char *range; /* that the address is in; NULL: that is not the reason */
};

/* host: as the URL has it, without regard to case; may be empty unless guard_asks_names(). */
bool guard_allows(const struct guard *guard, struct str host, const struct sockaddr *address,
                  size_t len, struct guard_refused *refused);

#endif
