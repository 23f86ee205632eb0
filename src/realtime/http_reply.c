/* Answers on the wire: status line, headers, body. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MAX_HEADERS 4096
#define MAX_WANTED 1024

struct header {
    const char *name, *value;
};

/* The answer's head while it is written. */
struct head {
    unsigned char room[LWS_PRE + MAX_HEADERS];
    unsigned char *start, *p, *end;
    bool failed; /* no room */
};

/* On everything we answer. */
static const struct header headers_always[] = {
    {"cache-control:", "no-store"},
    {"x-content-type-options:", "nosniff"},
    {"referrer-policy:", "no-referrer"},
};

/* The page carries its own script and style and talks to nobody but its own server. */
static const struct header headers_page[] = {
    {"content-security-policy:",
     "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"x-frame-options:", "DENY"},
    {"cross-origin-opener-policy:", "same-origin"},
};

/* A key is proof enough, and no cookie is looked at: any page may ask, as with Supabase's REST. */
static const struct header headers_cors[] = {
    {"access-control-allow-origin:", "*"},
    {"access-control-expose-headers:",
     "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"},
};

static void add_header(struct lws *wsi, struct head *head, const char *name, const char *value)
{
    if (!head->failed &&
        lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                    (int)strlen(value), &head->p, head->end))
        head->failed = true;
}

static void add_number(struct lws *wsi, struct head *head, const char *name, unsigned value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    add_header(wsi, head, name, text);
}

static void add_headers(struct lws *wsi, struct head *head, const struct header *headers,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_header(wsi, head, headers[i].name, headers[i].value);
}

/* What every answer has; a length below 0: there is no body, and so no length. */
static void open_head(struct lws *wsi, struct head *head, unsigned status, const char *type,
                      const struct frame *body)
{
    head->start = head->p = head->room + LWS_PRE;
    head->end = head->room + sizeof(head->room) - 1;
    head->failed =
        body ? lws_add_http_common_headers(wsi, status, type, body->len, &head->p, head->end) != 0
             : lws_add_http_header_status(wsi, status, &head->p, head->end) != 0;
    if (!body && status != 204)
        add_header(wsi, head, "content-length:", "0");
    add_headers(wsi, head, headers_always, LWS_ARRAY_SIZE(headers_always));
}

static bool send_head(struct lws *wsi, struct head *head)
{
    return !head->failed &&
           lws_finalize_write_http_header(wsi, head->start, &head->p, head->end) == 0;
}

/* A page asks beforehand whether it may send these headers: it may, if they are names. */
static void add_preflight(struct lws *wsi, struct head *head, const char *allow)
{
    char wanted[MAX_WANTED];
    int len = lws_hdr_copy(wsi, wanted, sizeof(wanted), WSI_TOKEN_HTTP_AC_REQUEST_HEADERS);

    for (int i = 0; i < len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ",
                    wanted[i]))
            len = 0;
    add_header(wsi, head, "access-control-allow-methods:", allow);
    add_header(wsi, head, "access-control-allow-headers:",
               len > 0 ? wanted : "authorization, apikey, x-client-info, content-type");
    add_header(wsi, head, "access-control-max-age:", "3600");
}

static void add_rate(struct lws *wsi, struct head *head, const struct exchange *exchange)
{
    const struct allowance *allowance = &exchange->allowance;

    if (exchange->answer.retry_after_s)
        add_number(wsi, head, "retry-after:", exchange->answer.retry_after_s);
    if (allowance->limit == 0)
        return;
    add_number(wsi, head, "ratelimit-limit:", allowance->limit);
    add_number(wsi, head, "ratelimit-remaining:", allowance->remaining);
    add_number(wsi, head, "ratelimit-reset:", allowance->reset_s);
}

static void write_head(struct lws *wsi, struct head *head, const struct exchange *exchange)
{
    const struct answer *answer = &exchange->answer;
    bool preflight = answer->status == 204 && !exchange->route;

    open_head(wsi, head, answer->status, answer->type, answer->body);
    if (exchange->last)
        add_header(wsi, head, "connection:", "close");
    if (exchange->route && exchange->route->page)
        add_headers(wsi, head, headers_page, LWS_ARRAY_SIZE(headers_page));
    if (preflight || (exchange->route && exchange->route->cors))
        add_headers(wsi, head, headers_cors, LWS_ARRAY_SIZE(headers_cors));
    if (preflight)
        add_preflight(wsi, head, exchange->allow);
    if (answer->status == 405)
        add_header(wsi, head, "allow:", exchange->allow);
    if (answer->status == 401)
        add_header(wsi, head, "www-authenticate:", "Bearer");
    add_rate(wsi, head, exchange);
}

/* libwebsockets 4.1.6 has already read what a client sent behind its request. If that is a POST, it
 * takes the head for the body and then loops for ever (lws_http_action() reads the very segment
 * that its caller is in). So nothing is let stand there: such a connection ends with this answer.
 * Whether there is anything is only to be seen by asking whether libwebsockets would wait. */
static bool has_more_input(struct lws *wsi)
{
    return lws_service_adjust_timeout(lws_get_context(wsi), 1000, 0) == 0;
}

/* The exchange is over; < 0: so is the connection. */
static int complete(struct lws *wsi, struct peer *peer)
{
    bool last = peer->exchange->last;

    exchange_free(peer->exchange);
    peer->exchange = NULL;
    return last || has_more_input(wsi) || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int http_send(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;
    struct head head;

    write_head(wsi, &head, exchange);
    if (!send_head(wsi, &head))
        return -1;
    exchange->sending = true;
    lws_callback_on_writable(wsi);
    return 0;
}

int http_send_body(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;
    struct frame *body;

    if (!exchange || !exchange->sending)
        return 0;
    body = exchange->method == METHOD_HEAD ? NULL : exchange->answer.body;
    if (body && lws_write(wsi, frame_payload(body), body->len, LWS_WRITE_HTTP_FINAL) < 0)
        return -1;
    return complete(wsi, peer);
}

/* During a handshake there is no later moment to write the body in, so it goes out at once. The
 * connection ends with it, for the reason of has_more_input(). */
int http_refuse(struct lws *wsi, unsigned status, const char *text, unsigned retry_after_s)
{
    struct frame *body = frame_new(str_c(text));
    struct head head;

    open_head(wsi, &head, status, MEDIA_TEXT, body);
    add_header(wsi, &head, "connection:", "close");
    if (retry_after_s)
        add_number(wsi, &head, "retry-after:", retry_after_s);
    if (send_head(wsi, &head))
        (void)lws_write(wsi, frame_payload(body), body->len, LWS_WRITE_HTTP_FINAL);
    frame_unref(body);
    return -1;
}
