#include "realtime/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "internal.h"

#define HANDSHAKE_S 10 /* to send the request's headers */
#define KEEPALIVE_S 15
#define HEADER_BYTES (TOKEN_MAX_BYTES + 4096) /* the token is in the request line */
#define HEADER_POOL 2048 /* requests being read at once; memory only while they are */

struct server *server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static int on_public(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t len)
{
    int result = http_callback(wsi, reason, user, in, len, false);

    return result ? result : ws_callback(wsi, reason, user, in, len);
}

static int on_admin(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return http_refuse(wsi, 404, "not found", 0);
    return http_callback(wsi, reason, user, in, len, true);
}

static const struct lws_protocols public_protocols[] = {
    {.name = "realtime", .callback = on_public, .per_session_data_size = sizeof(struct peer)}, {0}};
static const struct lws_protocols admin_protocols[] = {
    {.name = "admin", .callback = on_admin, .per_session_data_size = sizeof(struct peer)}, {0}};

static void on_lws_log(int level, const char *line)
{
    struct str text = str_trim(str_c(line));

    if (level == LLL_ERR)
        log_warn("libwebsockets", "error", log_v("text", text));
    else
        log_debug("libwebsockets", "warning", log_v("text", text));
}

static enum result create_context(struct server *server, uv_loop_t *loop, struct err *err)
{
    void *loops[] = {loop};
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .foreign_loops = loops,
        .user = server,
        .server_string = "pgherald",
        .timeout_secs = HANDSHAKE_S,
        .max_http_header_data2 = HEADER_BYTES,
        .max_http_header_pool2 = HEADER_POOL,
        .pt_serv_buf_size = 16384,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_LIBUV |
                   LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN};

    server->context = lws_create_context(&info);
    if (!server->context)
        return err_set(err, "libwebsockets cannot be set up on a libuv loop; is its plugin "
                            "(package libwebsockets-evlib-uv) installed?");
    return OK;
}

/* The address as numbers, which is what libwebsockets binds to; empty stays empty: all of them. */
static enum result resolve(const struct config_address *address, char out[INET6_ADDRSTRLEN],
                           struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure;

    out[0] = '\0';
    if (!address->host || !*address->host)
        return OK;
    failure = getaddrinfo(address->host, NULL, &hints, &found);
    if (failure)
        return err_set(err, "%s: %s", address->host, gai_strerror(failure));
    failure = getnameinfo(found->ai_addr, found->ai_addrlen, out, INET6_ADDRSTRLEN, NULL, 0,
                          NI_NUMERICHOST);
    freeaddrinfo(found);
    return failure ? err_set(err, "%s: %s", address->host, gai_strerror(failure)) : OK;
}

static enum result listen_on(struct server *server, const struct config_address *address,
                             const char *key, const struct lws_protocols *protocols, bool tls,
                             struct err *err)
{
    char host[INET6_ADDRSTRLEN], text[128];
    struct lws_context_creation_info info = {.port = (int)address->port,
                                             .protocols = protocols,
                                             .vhost_name = protocols[0].name,
                                             .keepalive_timeout = KEEPALIVE_S,
                                             .timeout_secs = HANDSHAKE_S,
                                             .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND};

    if (resolve(address, host, err) != OK)
        return err_context(err, "%s", key);
    if (tls && tls_prepare(server, &info, err) != OK)
        return FAILED;
    info.iface = host[0] ? host : NULL;
    if (host[0] && !strchr(host, ':'))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    if (!lws_create_vhost(server->context, &info))
        return err_set(err,
                       "%s: cannot listen on %s: is another program (or another pgherald) using "
                       "that port, or is the address not this machine's?",
                       key, config_address_text(address, text));
    log_info("realtime", "listening", log_s("for", protocols[0].name),
             log_s("address", config_address_text(address, text)),
             log_s("tls", tls && server->certificate ? "on" : "off"));
    return OK;
}

enum result server_open(uv_loop_t *loop, struct core *core, bool clients, struct server **out,
                        struct err *err)
{
    struct server *server = mem_alloc(sizeof(*server));

    server->core = core;
    core->page = frame_new(str_c(web_live_html));
    flush_open(&server->flush, loop);
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    *out = server;
    if (create_context(server, loop, err) != OK ||
        (clients &&
         listen_on(server, &core->config->listen, "listen", public_protocols, true, err) != OK) ||
        listen_on(server, &core->config->admin_listen, "admin_listen", admin_protocols, false,
                  err) != OK)
        return FAILED;
    return OK;
}

void server_tick(struct server *server)
{
    tls_tick(server);
}

void server_retire(struct server *server)
{
    server->retiring = true;
    for (struct client *client = server->core->clients; client; client = client->next)
        client_close(client, CLIENT_CLOSE_AWAY, "the server is shutting down");
}

void server_close(struct server *server)
{
    if (!server)
        return;
    flush_close(&server->flush);
    if (server->context)
        lws_context_destroy(server->context);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    if (server->context)
        lws_context_destroy(server->context);
    frame_unref(server->core->page);
    server->core->page = NULL;
    free(server);
}
