/* Sends HTTP requests: a curl multi handle on a libuv loop.
 *
 * Connections are kept and used again, also for several requests at once with HTTP/2. What comes
 * back is bounded in bytes and in time. No redirects, no proxies, no cookies; http and https only;
 * every address is put to the guard when a socket is about to connect to it.
 *
 * This module, with its transfer.c, outcome.c and trace.c, is the only one of dispatch that
 * includes curl. */
#ifndef PGHERALD_DISPATCH_SENDER_H
#define PGHERALD_DISPATCH_SENDER_H

#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

#define SENDER_BODY_MAX ((size_t)1 << 20)     /* of an answer; the rest is not read */
#define SENDER_HEADERS_MAX ((size_t)64 << 10) /* of an answer, all its lines */

struct sender;

struct sender_options {
    unsigned max_requests;           /* at once */
    bool allow_private;              /* addresses that the guard would refuse */
    const struct config_list *allow; /* see dispatch/guard.h; NULL: none */
    const struct config_list *only;
    size_t keep_bytes;            /* of an answer's body */
    const char *ca_file;          /* empty: the system's */
    const char *client_cert_file; /* shown to receivers that ask for one; empty or NULL: none */
    const char *client_key_file;
    bool trace; /* keep what each exchange was, for people to see */
};

/* What the configuration says of it; it is borrowed. */
struct sender_options sender_options_of(const struct config *config);

struct sender_request {
    const char *url;    /* checked with guard_check_url() */
    struct str headers; /* a block of dispatch/headers.h; copied */
    struct str body;    /* borrowed until the answer */
    unsigned timeout_ms;
};

/* An exchange as it went over the wire. Times are microseconds from its start to the end of a
 * phase; 0: it did not come to that. */
struct sender_trace {
    struct str request;  /* the request line and the headers */
    struct str response; /* the status line and the headers; interim responses come before */
    struct str address;  /* that was connected to */
    unsigned port;
    const char *http_version;
    struct str tls_version;              /* empty without TLS */
    struct str subject, issuer, expires; /* of the receiver's certificate, once it was verified */
    uint64_t dns_us, connect_us, tls_us, first_byte_us, total_us;
};

struct sender_answer {
    int status_code; /* 0: none came */
    bool complete;   /* all of it came, as far as it is read */
    bool blocked;    /* by the guard */
    bool broken_off; /* by sender_break_off(): nobody knows what the receiver made of it */
    unsigned duration_ms;
    int64_t retry_after_s;            /* 0: not given */
    struct str body;                  /* the first keep_bytes of it; valid during the call */
    const char *error;                /* NULL, or in which phase what went wrong, without the URL */
    const struct sender_trace *trace; /* with the option; valid during the call */
};

typedef void sender_cb(void *arg, void *request_arg, const struct sender_answer *answer);

enum result sender_new(uv_loop_t *loop, const struct sender_options *options, sender_cb *cb,
                       void *arg, struct sender **out, struct err *err) MUST_CHECK;

/* Ends every request that is under way: the callback runs for each, now, with `broken_off`. */
void sender_break_off(struct sender *sender);

/* Ends them without. The memory goes when the loop has closed what belongs to it. Not to be called
 * from the callback. NULL is fine. */
void sender_close(struct sender *sender);

/* The answer comes through the callback, from the loop. FAILED: curl does not take the request. */
enum result sender_send(struct sender *sender, const struct sender_request *request,
                        void *request_arg, struct err *err) MUST_CHECK;

#endif
