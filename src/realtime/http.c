/* Plain HTTP: the live page, health, metrics. */
#include <string.h>

#include "internal.h"
#include "realtime/metrics.h"

#define MAX_BODY ((size_t)4 << 20)
#define MAX_HEADERS 4096

#define TEXT "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define JSON "application/json"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct header {
    const char *name, *value;
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

static int add_headers(struct lws *wsi, const struct header *headers, size_t count,
                       unsigned char **p, unsigned char *end)
{
    for (size_t i = 0; i < count; i++)
        if (lws_add_http_header_by_name(wsi, (const unsigned char *)headers[i].name,
                                        (const unsigned char *)headers[i].value,
                                        (int)strlen(headers[i].value), p, end))
            return -1;
    return 0;
}

/* Writes the status line and the headers; the body follows when the socket is writable. */
static int respond(struct lws *wsi, struct peer *peer, unsigned status, const char *type,
                   struct frame *body, bool page)
{
    unsigned char room[LWS_PRE + MAX_HEADERS];
    unsigned char *start = room + LWS_PRE, *p = start, *end = room + sizeof(room) - 1;

    if (!body)
        return -1;
    if (lws_add_http_common_headers(wsi, status, type, body->len, &p, end) ||
        add_headers(wsi, headers_always, LWS_ARRAY_SIZE(headers_always), &p, end) ||
        (page && add_headers(wsi, headers_page, LWS_ARRAY_SIZE(headers_page), &p, end)) ||
        (status == 405 &&
         lws_add_http_header_by_name(wsi, (const unsigned char *)"allow:",
                                     (const unsigned char *)"GET, HEAD", 9, &p, end)) ||
        lws_finalize_write_http_header(wsi, start, &p, end)) {
        frame_unref(body);
        return -1;
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0) {
        frame_unref(body);
        return lws_http_transaction_completed(wsi) ? -1 : 0;
    }
    frame_unref(peer->body);
    peer->body = body;
    lws_callback_on_writable(wsi);
    return 0;
}

static int respond_text(struct lws *wsi, struct peer *peer, unsigned status, const char *text)
{
    return respond(wsi, peer, status, TEXT, frame_new(str_c(text)), false);
}

/* During a handshake there is no later moment to write the body in, so it goes out at once. */
int http_refuse(struct lws *wsi, unsigned status, const char *text)
{
    unsigned char room[LWS_PRE + MAX_HEADERS];
    unsigned char *start = room + LWS_PRE, *p = start, *end = room + sizeof(room) - 1;
    struct frame *body = frame_new(str_c(text));
    int result = -1;

    if (body && !lws_add_http_common_headers(wsi, status, TEXT, body->len, &p, end) &&
        !add_headers(wsi, headers_always, LWS_ARRAY_SIZE(headers_always), &p, end) &&
        !lws_finalize_write_http_header(wsi, start, &p, end) &&
        lws_write(wsi, frame_payload(body), body->len, LWS_WRITE_HTTP_FINAL) >= 0)
        result = 1;
    frame_unref(body);
    return result;
}

static bool is_read(struct lws *wsi)
{
    return lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0 ||
           lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
}

static int answer_metrics(struct lws *wsi, struct peer *peer, const char *type,
                          void (*write)(struct buf *out, const struct stats *stats))
{
    struct buf text;
    int result;

    buf_init(&text, MAX_BODY);
    write(&text, server_of(wsi)->core->stats);
    result = respond(wsi, peer, 200, type, frame_new(buf_str(&text)), false);
    buf_fini(&text);
    return result;
}

static int answer_ready(struct lws *wsi, struct peer *peer)
{
    struct buf text;
    bool ready;
    int result;

    buf_init(&text, 1024);
    ready = metrics_write_ready(&text, server_of(wsi)->core->stats);
    result = respond(wsi, peer, ready ? 200 : 503, TEXT, frame_new(buf_str(&text)), false);
    buf_fini(&text);
    return result;
}

static int answer_admin(struct lws *wsi, struct peer *peer, const char *path)
{
    if (strcmp(path, "/healthz") == 0)
        return respond_text(wsi, peer, 200, "alive\n");
    if (strcmp(path, "/readyz") == 0)
        return answer_ready(wsi, peer);
    if (strcmp(path, "/metrics") == 0)
        return answer_metrics(wsi, peer, PROMETHEUS, metrics_write);
    if (strcmp(path, "/status.json") == 0)
        return answer_metrics(wsi, peer, JSON, metrics_write_json);
    return respond_text(wsi, peer, 404, "not found\n");
}

static int answer_public(struct lws *wsi, struct peer *peer, const char *path)
{
    if (strcmp(path, "/") == 0)
        return respond(wsi, peer, 200, HTML, frame_ref(server_of(wsi)->page), true);
    return respond_text(wsi, peer, 404, "not found\n");
}

static int write_body(struct lws *wsi, struct peer *peer)
{
    struct frame *body = peer->body;
    int written;

    if (!body)
        return 0;
    peer->body = NULL;
    written = lws_write(wsi, frame_payload(body), body->len, LWS_WRITE_HTTP_FINAL);
    frame_unref(body);
    return written < 0 || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                  size_t len, bool admin)
{
    (void)len;
    if (reason == LWS_CALLBACK_HTTP) {
        if (!is_read(wsi))
            return respond_text(wsi, peer, 405, "only GET and HEAD\n");
        return admin ? answer_admin(wsi, peer, in) : answer_public(wsi, peer, in);
    }
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return write_body(wsi, peer);
    if (reason == LWS_CALLBACK_CLOSED_HTTP && peer) {
        frame_unref(peer->body);
        peer->body = NULL;
    }
    return 0;
}
