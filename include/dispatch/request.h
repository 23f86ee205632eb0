/* From a delivery to the HTTP request that makes one attempt of it. */
#ifndef PGHERALD_DISPATCH_REQUEST_H
#define PGHERALD_DISPATCH_REQUEST_H

#include "dispatch/delivery.h"

/* Fills `headers` (see dispatch/headers.h) with the webhook's own ones and the signed ones. FAILED:
 * the webhook is not set up right; err says what, without secrets. now_s: seconds since 1970. */
enum result request_build(const struct delivery *delivery, int64_t now_s, struct buf *headers,
                          struct err *err) MUST_CHECK;

#endif
