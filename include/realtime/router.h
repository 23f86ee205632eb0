/* Plain HTTP without the wire: which handler answers a method and a path, what it is given and what
 * it gives back. Pure; http.c brings the bytes, checks who asks and sends the answer.
 *
 * To add an endpoint, write a handler and add a line to routes.c. */
#ifndef PGHERALD_REALTIME_ROUTER_H
#define PGHERALD_REALTIME_ROUTER_H

#include "realtime/core.h"
#include "realtime/frame.h"

enum method {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_OPTIONS = 8,
    METHOD_OTHER = 16
};

#define METHOD_READ (METHOD_GET | METHOD_HEAD)
#define ROUTE_PARTS 4
#define ALLOW_TEXT 32

struct answer;

/* An answer that comes later: what the request borrows lives until then, unless the client hangs up
 * before. */
struct later {
    struct answer *answer; /* to be filled in; NULL: the client has hung up */
    struct later **slot;   /* where the wire looks whether it is still to wait */
    void (*wake)(void *arg);
    void *arg;
};

/* What a handler is given; everything is borrowed. */
struct request {
    struct core *core;
    enum method method;
    struct str parts[ROUTE_PARTS]; /* what stood for each `*` of the path, decoded */
    struct str query;              /* behind the `?`, `&` between the pairs, decoded */
    struct str body;
    struct str content_type;  /* empty: none was named */
    struct admission *caller; /* who asks; caller->token is NULL if the route asks nobody */
    struct moment now;
    struct later **later; /* see request_defer() */
};

#define MEDIA_TEXT "text/plain; charset=utf-8"
#define MEDIA_HTML "text/html; charset=utf-8"
#define MEDIA_JSON "application/json"

struct answer {
    unsigned status;
    const char *type;
    struct frame *body; /* NULL: none */
    unsigned retry_after_s;
};

struct route {
    const char *path; /* a segment `*` is any one segment, `**` at the end all that are left */
    unsigned methods;
    enum scope needs;
    bool cors; /* pages of other origins may ask */
    bool page; /* is looked at in a browser */
    size_t max_body;
    const char *accepts; /* the media type of a body; NULL: any */
    void (*handle)(const struct request *request, struct answer *out);
};

extern const struct route public_routes[], admin_routes[];
extern const size_t public_route_count, admin_route_count;

/* The route, with *parts filled in; or NULL, with the answer to give: 404, 405, or what a preflight
 * wants (204). `allow` gets the methods of the path, such as "GET, HEAD", empty with 404. */
const struct route *router_find(const struct route *routes, size_t count, enum method method,
                                struct str path, struct str parts[ROUTE_PARTS], unsigned *status,
                                char allow[ALLOW_TEXT]);

/* Whether the body's declared type is what the route takes; parameters behind `;` do not matter. */
bool route_accepts(const struct route *route, struct str content_type);

/* For a handler that cannot answer yet: it leaves the answer empty, fills in later->answer when it
 * can, and then, or when the client has hung up, ends it. Once a request. */
struct later *request_defer(const struct request *request, struct answer *answer);
void later_end(struct later *later);
/* For the wire: the request is gone. NULL is fine. */
void later_hang_up(struct later *later);

/* The value of a pair in the query; false if there is no such pair. */
bool query_get(struct str query, struct str name, struct str *value);

/* Answers. What is there already is dropped. */
void answer_with(struct answer *out, unsigned status, const char *type, struct str body);
void answer_empty(struct answer *out, unsigned status);
/* {"error":"InvalidApiKey","message":"..."} from "InvalidApiKey: ...". */
void answer_error(struct answer *out, unsigned status, const char *message);
void answer_fini(struct answer *answer);

#endif
