/* WebSocket connections: the handshake, messages in, frames out. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "internal.h"

#define CLOSE_WAIT_S 5
#define MAX_REASON 123 /* RFC 6455, 5.5 */
#define KEEP_RECEIVED 4096
#define ORIGIN_BYTES 512
#define ARGUMENT_BYTES (TOKEN_MAX_BYTES + 64)

static const char *const ws_paths[] = {"/realtime/v1/websocket", "/socket/websocket"};

static bool is_ws_path(struct lws *wsi)
{
    char path[64];

    if (lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) <= 0)
        return false;
    for (size_t i = 0; i < sizeof(ws_paths) / sizeof(ws_paths[0]); i++)
        if (strcmp(path, ws_paths[i]) == 0)
            return true;
    return false;
}

/* A gateway puts the key in a header; it is preferred. `room` holds what is returned. */
static struct str find_apikey(struct lws *wsi, char *room, int size)
{
    static const char header[] = "x-api-key:";
    int len = lws_hdr_custom_copy(wsi, room, size, header, sizeof(header) - 1);
    const char *value;

    if (len > 0)
        return str_trim(str_from(room, (size_t)len));
    value = lws_get_urlarg_by_name(wsi, "apikey=", room, size);
    return str_c(value);
}

/* The room has to hold every argument, since libwebsockets stops at one that does not fit. */
static bool find_vsn(struct lws *wsi, enum phoenix_vsn *out)
{
    char room[ARGUMENT_BYTES];

    return phoenix_vsn_parse(str_c(lws_get_urlarg_by_name(wsi, "vsn=", room, sizeof(room))), out);
}

static enum access identify(struct server *server, struct lws *wsi, struct token **token,
                            struct err *err)
{
    char room[ARGUMENT_BYTES];

    return authority_identify(&server->core->authority, find_apikey(wsi, room, sizeof(room)),
                              SCOPE_REALTIME, moment_now(), token, err);
}

/* A browser says which page opens the connection (RFC 6455, 10.2); who says nothing is no browser.
 */
static bool is_foreign(const struct core *core, struct lws *wsi)
{
    const struct config_list *allowed = &core->config->allowed_origins;
    char origin[ORIGIN_BYTES] = "";

    if (allowed->count == 0 || lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0)
        return false;
    if (lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN) <= 0)
        return true;
    for (size_t i = 0; i < allowed->count; i++)
        if (str_glob(str_c(allowed->items[i]), str_c(origin)))
            return false;
    return true;
}

/* A few more than allowed may connect, to be told in the protocol's words why they may not join. */
static bool is_full(const struct core *core)
{
    size_t max = core->config->realtime_max_clients;

    return stat_get(&core->stats->clients) >= max + max / 16 + 16;
}

static int refuse(struct server *server, struct lws *wsi, unsigned status, const char *why,
                  unsigned retry_after_s)
{
    stat_add(&server->core->stats->clients_refused_total, 1);
    log_info("realtime", "refused a client", log_u("status", status), log_s("error", why));
    return http_refuse(wsi, status, why, retry_after_s);
}

/* The handshake is the request that counts against a key's rate; what follows in the open socket
 * does not. */
static int admit(struct server *server, struct lws *wsi)
{
    const struct authority *authority = &server->core->authority;
    char room[ARGUMENT_BYTES];
    struct admission caller;
    struct err err;
    enum access access = authority_admit(authority, find_apikey(wsi, room, sizeof(room)),
                                         SCOPE_REALTIME, moment_now(), &caller, &err);
    unsigned status = access_status(access), retry_after_s = caller.retry_after_s;

    if (access == ACCESS_GRANTED && (server->retiring || is_full(server->core))) {
        status = 503;
        (void)err_set(&err, "ConnectionRateLimitReached: Too many connected users");
    }
    authority_settle(authority, &caller, moment_now(), status != 200);
    return status == 200 ? 0 : refuse(server, wsi, status, err.message, retry_after_s);
}

/* > 0: answered and refused. */
static int confirm(struct server *server, struct lws *wsi, const char *upgrade)
{
    enum phoenix_vsn vsn;

    if (!upgrade || strcasecmp(upgrade, "websocket") != 0)
        return -1;
    if (!is_ws_path(wsi))
        return http_refuse(wsi, 404, "not found", 0);
    if (is_foreign(server->core, wsi)) {
        stat_add(&server->core->stats->clients_foreign_total, 1);
        return refuse(server, wsi, 403, "this origin is not in allowed_origins", 0);
    }
    if (!find_vsn(wsi, &vsn))
        return refuse(server, wsi, 400, "vsn is 1.0.0 or 2.0.0", 0);
    return admit(server, wsi);
}

static void wake(void *socket)
{
    flush_later(lws_wsi_user(socket));
}

/* The close frame goes out when the socket takes it; one that never does is cut. */
static void close_socket(void *socket, unsigned code, const char *reason)
{
    struct peer *peer = lws_wsi_user(socket);

    peer->close_code = code;
    peer->close_reason = reason;
    lws_set_timeout(socket, PENDING_TIMEOUT_USER_REASON_BASE, CLOSE_WAIT_S);
    lws_callback_on_writable(socket);
}

/* Who it is is looked at a second time, as nothing of the handshake lives on but its headers. */
static int establish(struct server *server, struct lws *wsi, struct peer *peer)
{
    const struct client_socket out = {wake, close_socket, wsi};
    enum phoenix_vsn vsn;
    struct token *token;
    struct err err;

    if (!find_vsn(wsi, &vsn) || identify(server, wsi, &token, &err) != ACCESS_GRANTED)
        return -1;
    peer->wsi = wsi;
    buf_init(&peer->received, server->core->config->realtime_max_frame_bytes);
    peer->client = client_new(server->core, vsn, token, &out, clock_monotonic_ms());
    return 0;
}

static int receive(struct lws *wsi, struct peer *peer, const char *data, size_t len)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct str message;

    if (!peer->client)
        return -1;
    if (peer->close_code) /* what comes before the client has read that it is over */
        return 0;
    client_hear(peer->client, now_ms);
    if (lws_is_first_fragment(wsi))
        buf_clear(&peer->received);
    buf_add(&peer->received, data, len);
    if (!buf_ok(&peer->received)) {
        stat_add(&peer->client->core->stats->frames_too_large_total, 1);
        client_close(peer->client, CLIENT_CLOSE_TOO_BIG, "message too long");
        return 0;
    }
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return 0;
    message = buf_str(&peer->received);
    if (lws_frame_is_binary(wsi))
        client_receive_binary(peer->client, message, now_ms);
    else
        client_receive(peer->client, message, now_ms);
    buf_shrink(&peer->received, KEEP_RECEIVED);
    return 0;
}

/* lws_close_reason() does not bring the frame out when the callback then asks to be closed (4.1.6),
 * so all of it is written here: final close frame, length, two bytes of code, the reason (RFC
 * 6455, 5.2 and 5.5.1). */
static int send_close(struct lws *wsi, const struct peer *peer)
{
    unsigned char room[LWS_PRE + 4 + MAX_REASON];
    unsigned char *frame = room + LWS_PRE;
    size_t len = strnlen(peer->close_reason, MAX_REASON);

    frame[0] = 0x88;
    frame[1] = (unsigned char)(2 + len);
    frame[2] = (unsigned char)(peer->close_code >> 8);
    frame[3] = (unsigned char)peer->close_code;
    memcpy(frame + 4, peer->close_reason, len);
    (void)lws_write(wsi, frame, 4 + len, LWS_WRITE_RAW);
    return -1;
}

static int writable(struct lws *wsi, struct peer *peer)
{
    if (peer->close_code)
        return send_close(wsi, peer);
    return peer->client ? flush_in_turn(peer) : 0;
}

static void closed(struct peer *peer)
{
    flush_forget(peer);
    client_free(peer->client);
    peer->client = NULL;
    buf_fini(&peer->received);
}

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                size_t len)
{
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return confirm(server_of(wsi), wsi, in);
    if (reason == LWS_CALLBACK_ESTABLISHED)
        return establish(server_of(wsi), wsi, peer);
    if (reason == LWS_CALLBACK_RECEIVE)
        return receive(wsi, peer, in, len);
    if (reason == LWS_CALLBACK_RECEIVE_PONG && peer->client)
        client_hear(peer->client, clock_monotonic_ms());
    if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        return writable(wsi, peer);
    if (reason == LWS_CALLBACK_CLOSED && peer)
        closed(peer);
    return 0;
}
