/* What the files that know libwebsockets share. */
#ifndef PGHERALD_REALTIME_INTERNAL_H
#define PGHERALD_REALTIME_INTERNAL_H

#include <libwebsockets.h>

#include "realtime/client.h"
#include "realtime/router.h"
#include "realtime/server.h"

_Static_assert(FRAME_HEADROOM >= LWS_PRE, "libwebsockets writes its header in front of a frame");

struct peer;

/* Who has something to send; see flush.c. */
struct flush {
    uv_prepare_t before_poll;
    struct peer *first;
};

struct server {
    struct lws_context *context;
    struct lws_vhost *clients; /* those who connect to `listen` */
    struct listener *listener;
    struct flush flush;
    struct core *core;
    bool retiring;
    uint64_t certificate; /* the version last looked at; 0: no TLS */
    SSL_CTX *outgoing;    /* of connections that we make: there are none; NULL: no TLS */
};

/* One request and its answer. */
struct exchange {
    struct core *core;
    bool admin;                /* it came on admin_listen */
    const struct route *route; /* NULL: there is none, it is answered with what `allow` says */
    char allow[ALLOW_TEXT];
    enum method method;
    char *path;
    struct str parts[ROUTE_PARTS]; /* of path */
    char content_type[128];        /* empty: none, or too long to be one of ours */
    struct buf query, body;
    uint64_t expected; /* bytes of body */
    uint64_t began_ms;
    struct admission caller;
    struct allowance allowance; /* of the caller, when the request was judged */
    struct answer answer;       /* status 0: not answered yet */
    struct later *later;        /* the handler's; NULL: it has answered */
    bool sending;               /* the head is out, the body is not */
    bool last;                  /* the connection closes after it */
};

void exchange_free(struct exchange *exchange);

/* What libwebsockets keeps for each connection: zeroed when the connection is bound to us. */
struct peer {
    struct lws *wsi;
    struct client *client;                 /* WebSocket */
    struct peer *flush_next, **flush_link; /* of the flush list; link NULL: not on it */
    struct buf received;                   /* of a message that is not complete yet */
    unsigned close_code;                   /* 0: not closing */
    const char *close_reason;
    struct exchange *exchange; /* HTTP: the request under way */
};

struct server *server_of(struct lws *wsi);

/* tls.c: TLS on `listen`. */
enum result tls_prepare(struct server *server, struct lws_context_creation_info *info,
                        struct err *err);
void tls_tick(struct server *server); /* once a second */

/* flush.c: how the frames of the outboxes get out. */
void flush_open(struct flush *flush, uv_loop_t *loop);
void flush_close(struct flush *flush); /* then the loop has to run once more */
void flush_later(struct peer *peer);
void flush_forget(struct peer *peer);
/* From libwebsockets' writable callback; the result is for libwebsockets. */
int flush_in_turn(struct peer *peer);

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                size_t len);
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                  size_t len, bool admin);

/* Sends the answer of the exchange under way; the results are for libwebsockets. */
int http_send(struct lws *wsi, struct peer *peer);
int http_send_body(struct lws *wsi, struct peer *peer);

/* Answers a handshake as a whole. `retry_after_s` 0: nothing is said of it. */
int http_refuse(struct lws *wsi, unsigned status, const char *text, unsigned retry_after_s);

#endif
