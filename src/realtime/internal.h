/* What the files that know libwebsockets share. */
#ifndef PGHERALD_REALTIME_INTERNAL_H
#define PGHERALD_REALTIME_INTERNAL_H

#include <libwebsockets.h>

#include "realtime/client.h"
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
    struct flush flush;
    struct core *core;
    struct frame *page; /* the live page, shared by all who fetch it */
    bool retiring;
    uint64_t certificate; /* the version last looked at; 0: no TLS */
};

/* What libwebsockets keeps for each connection: zeroed when the connection is bound to us. */
struct peer {
    struct lws *wsi;
    struct client *client;                 /* WebSocket */
    struct peer *flush_next, **flush_link; /* of the flush list; link NULL: not on it */
    struct buf received;                   /* of a message that is not complete yet */
    unsigned close_code;                   /* 0: not closing */
    const char *close_reason;
    struct frame *body; /* HTTP: what is still to be sent */
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

/* Answers a request as a whole; the result is for libwebsockets. */
int http_refuse(struct lws *wsi, unsigned status, const char *text);

#endif
