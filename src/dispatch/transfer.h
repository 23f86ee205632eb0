/* One request of the sender: how curl is asked, and what came of it. Only files of the sender
 * include this. */
#ifndef PGHERALD_DISPATCH_TRANSFER_H
#define PGHERALD_DISPATCH_TRANSFER_H

#include <curl/curl.h>

#include "dispatch/guard.h"
#include "dispatch/sender.h"

struct trace;

#define TRANSFER_HOST_MAX 256

/* One request under way. Its easy handle is used once: with libcurl before 8.1.1 an answer whose
 * first header is folded makes a handle that was used before write to memory that it has freed
 * (curl/curl#11101). Connections are the multi handle's, and are kept. */
struct transfer {
    struct transfer *next, *prev; /* on the list of the sender */
    const struct sender_options *options;
    struct guard *guard;
    CURL *easy;
    void *arg;
    struct curl_slist *headers;
    struct buf body;
    size_t body_bytes, header_bytes;
    unsigned timeout_ms;
    char host[TRANSFER_HOST_MAX]; /* as curl reads it out of the URL; empty unless the guard asks
                                     for it */
    bool is_refused;              /* by the guard, the address that was tried last */
    struct guard_refused refused;
    bool too_long;       /* its body, which therefore was not read to its end */
    struct trace *trace; /* NULL unless it is to be kept */
    char curl_error[CURL_ERROR_SIZE];
};

/* With a handle that obeys the options and the guard, both borrowed. NULL: err says why. */
struct transfer *transfer_new(const struct sender_options *options, struct guard *guard,
                              struct err *err);
void transfer_free(struct transfer *transfer); /* NULL is fine */

/* Gives curl the request, whose headers are copied and whose body is borrowed. */
enum result transfer_ask(struct transfer *transfer, const struct sender_request *request,
                         struct err *err) MUST_CHECK;

#define OUTCOME_ERROR_MAX 512

/* What came of it, once curl is done with it; `error` has the room for what answer.error says. */
struct sender_answer outcome_of(const struct transfer *transfer, CURLcode result,
                                char error[OUTCOME_ERROR_MAX]);

#endif
