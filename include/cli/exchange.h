/* One exchange with a webhook's receiver, for people to read and for --json. */
#ifndef PGHERALD_CLI_EXCHANGE_H
#define PGHERALD_CLI_EXCHANGE_H

#include <jansson.h>

#include "base/buf.h"
#include "dispatch/sender.h"

struct exchange {
    const char *webhook_id;
    const char *webhook_name;
    const char *url;    /* without what may be a credential, unless show_all */
    struct str headers; /* a block of dispatch/headers.h: of a request that was not sent */
    struct str body;
    const struct sender_answer *answer; /* NULL: not sent */
    size_t keep_bytes;                  /* of the answer's body at most */
    bool show_all;                      /* also header values that may be credentials */
};

/* An object with request, connection, timings_ms, response, ok and error, as far as there are. */
json_t *exchange_json(const struct exchange *exchange);

/* The same as lines of text. */
void exchange_write(struct buf *out, const struct exchange *exchange);

/* Whether the value of a header of that name may be a credential. */
bool exchange_is_credential(struct str name);

/* Appends the URL without a user's name in it and without what stands behind its path. */
void exchange_add_url(struct buf *out, struct str url);

#endif
