/* What the three files that know libwebsockets share. */
#ifndef PGHERALD_REALTIME_INTERNAL_H
#define PGHERALD_REALTIME_INTERNAL_H

#include <libwebsockets.h>

#include "realtime/client.h"
#include "realtime/server.h"

_Static_assert(FRAME_HEADROOM >= LWS_PRE, "libwebsockets writes its header in front of a frame");

struct server {
    struct lws_context *context;
    struct core *core;
    struct frame *page; /* the live page, shared by all who fetch it */
    bool retiring;
};

/* What libwebsockets keeps for each connection: zeroed when the connection is bound to us. */
struct peer {
    struct client *client; /* WebSocket */
    struct buf received;   /* of a message that is not complete yet */
    unsigned close_code;   /* 0: not closing */
    const char *close_reason;
    struct frame *body; /* HTTP: what is still to be sent */
};

struct server *server_of(struct lws *wsi);

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                size_t len);
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                  size_t len, bool admin);

/* Answers a request as a whole; the result is for libwebsockets. */
int http_refuse(struct lws *wsi, unsigned status, const char *text);

#endif
