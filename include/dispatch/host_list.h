/* A list of addresses, networks and hosts, as the configuration has them.
 *
 * An item is an address (10.1.2.3, ::1), a network (10.1.0.0/16, fd00::/8), or a host's name in
 * which a star is any text (*.example.com). Addresses are held as those of IPv6, IPv4 in its mapped
 * form: so 10.0.0.0/8 has ::ffff:10.1.2.3 too, which is where the kernel connects to. */
#ifndef PGHERALD_DISPATCH_HOST_LIST_H
#define PGHERALD_DISPATCH_HOST_LIST_H

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

struct host_item {
    char *host; /* a pattern in lower case; NULL: a network */
    uint8_t prefix[16];
    unsigned bits;
};

struct host_list {
    struct host_item *items;
    size_t count;
    size_t names; /* of them */
};

/* Fills the list, which starts as {0}; `from` NULL is empty. FAILED: err says which item is none of
 * the three; what was read so far is there. */
enum result host_list_read(struct host_list *list, const struct config_list *from,
                           struct err *err) MUST_CHECK;
void host_list_fini(struct host_list *list);

/* host: without regard to case, and to a dot at its end. */
bool host_list_has(const struct host_list *list, struct str host, const uint8_t address[16]);

/* Whether the first `bits` of both are the same. */
bool host_list_prefix_has(const uint8_t *prefix, unsigned bits, const uint8_t *address);

#endif
