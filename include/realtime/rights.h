/* What somebody may do in a topic. In a public one: everything. */
#ifndef PGHERALD_REALTIME_RIGHTS_H
#define PGHERALD_REALTIME_RIGHTS_H

#include "base/err.h"
#include "base/str.h"

struct session;

struct channel_rights {
    bool may_read_broadcast, may_send_broadcast;
    bool may_read_presence, may_send_presence;
};

/* `rights`; or NULL, and `why` in the protocol's words. Called exactly once. */
typedef void rights_cb(void *arg, const struct channel_rights *rights, const struct err *why);

#endif
