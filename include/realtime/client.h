/* A connected WebSocket client: its frames in, its frames out, its channels. Knows nothing of
 * sockets; the server gives it one to wake and to close. */
#ifndef PGHERALD_REALTIME_CLIENT_H
#define PGHERALD_REALTIME_CLIENT_H

#include "realtime/core.h"
#include "realtime/frame.h"
#include "realtime/phoenix.h"
#include "realtime/rate.h"

struct channel;

/* The client's way out. Both may be called at any time before client_free(), also from within
 * client_receive(); neither may call back. */
struct client_socket {
    void (*wake)(void *socket); /* there is something in the outbox */
    void (*close)(void *socket, unsigned code, const char *reason);
    void *socket;
};

#define CLIENT_CLOSE_AWAY 1001
#define CLIENT_CLOSE_POLICY 1008
#define CLIENT_CLOSE_TOO_BIG 1009
#define CLIENT_CLOSE_LATER 1013

struct client {
    struct core *core;
    struct client *next, *prev;
    struct client_socket out;
    enum phoenix_vsn vsn;
    struct token *token;    /* of the apikey: what a join without a token falls back to */
    uint64_t api_keys_seen; /* the generation of API keys that was looked at */
    struct outbox outbox;
    struct channel *channels;
    size_t channel_count;
    struct rate joins, messages, presence;
    uint64_t heard_ms; /* when it last sent anything */
    bool pinged;       /* and nothing came since */
    uint64_t alone_ms; /* since when it has no channel */
    bool closing;      /* nothing more is read from it or sent to it */
    bool over_limit;   /* may connect, but not join */
};

/* Takes over the token. */
struct client *client_new(struct core *core, enum phoenix_vsn vsn, struct token *token,
                          const struct client_socket *out, uint64_t now_ms);
void client_free(struct client *client);

/* A whole text message arrived. */
void client_receive(struct client *client, struct str text, uint64_t now_ms);
/* It is there: bytes of a message have come, or a pong. */
void client_hear(struct client *client, uint64_t now_ms);
/* A binary one, which is a broadcast. What cannot be read is counted and dropped, as with text. */
void client_receive_binary(struct client *client, struct str bytes, uint64_t now_ms);

/* Puts the frame in the outbox. A client that does not keep up is closed, so that it rejoins. */
void client_send(struct client *client, struct frame *frame);
/* Builds the frame, for this client alone. */
void client_tell(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                 struct str topic, struct str event, struct str payload);
/* The answer to a frame of the client: phx_reply with status ok, or error and the reason. */
void client_accept(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                   struct str topic);
void client_refuse(struct client *client, struct phoenix_ref join_ref, struct phoenix_ref ref,
                   struct str topic, struct str reason);
void client_close(struct client *client, unsigned code, const char *reason);

/* After keys were taken away: ends the channels, or the connection, whose token was signed with one
 * of them, in the way that makes the client come again. */
void client_check_keys(struct client *client);

/* Once a second: silent clients, expired tokens. `now` in seconds since 1970. */
void client_tick(struct client *client, uint64_t now_ms, int64_t now);

#endif
