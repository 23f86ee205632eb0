#include "realtime/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "internal.h"
#include "realtime/listener.h"

#define HANDSHAKE_S 10 /* to send the request's headers */
#define KEEPALIVE_S 15
#define HEADER_BYTES (TOKEN_MAX_BYTES + 4096) /* the token is in the request line */
#define HEADER_POOL 2048 /* requests being read at once; memory only while they are */

struct server *server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* An upgrade that libwebsockets does not know it refuses itself, and then asks about it all the same:
 * the request is over, its headers are gone, and `in` is a stray pointer. Seen in 4.1. */
static bool is_over(struct lws *wsi, enum lws_callback_reasons reason)
{
    return reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE &&
           lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) == 0;
}

static int on_public(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t len)
{
    int result;

    if (is_over(wsi, reason))
        return -1;
    result = http_callback(wsi, reason, user, in, len, false);
    return result ? result : ws_callback(wsi, reason, user, in, len);
}

static int on_admin(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    if (is_over(wsi, reason))
        return -1;
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

/* A context without DO_SSL_GLOBAL_INIT has no TLS. It numbers what libwebsockets keeps at each of
 * OpenSSL's connections, for the whole process and anew with every context; so all contexts are
 * made before there is a connection (4.1.6, lws_context_init_ssl_library()). */
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

static void log_listening(const char *what, const struct config_address *address, bool tls)
{
    char text[128];

    log_info("realtime", "listening", log_s("for", what),
             log_s("address", config_address_text(address, text)),
             log_s("tls", tls ? "on" : "off"));
}

static enum result listen_for_admin(struct server *server, struct err *err)
{
    const struct config_address *address = &server->core->config->admin_listen;
    char host[INET6_ADDRSTRLEN], text[128];
    struct lws_context_creation_info info = {.port = (int)address->port,
                                             .protocols = admin_protocols,
                                             .vhost_name = admin_protocols[0].name,
                                             .keepalive_timeout = KEEPALIVE_S,
                                             .timeout_secs = HANDSHAKE_S,
                                             .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND};

    if (resolve(address, host, err) != OK)
        return err_context(err, "admin_listen");
    info.iface = host[0] ? host : NULL;
    if (host[0] && !strchr(host, ':'))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    if (!lws_create_vhost(server->context, &info))
        return err_set(err,
                       "admin_listen: cannot listen on %s: is another program (or another "
                       "pgherald) using that port, or is the address not this machine's?",
                       config_address_text(address, text));
    log_listening(admin_protocols[0].name, address, false);
    return OK;
}

/* As libwebsockets does with those that it accepts itself. */
static void take_client(void *arg, int fd)
{
    struct server *server = arg;
    int on = 1;

    if (server->retiring) {
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)lws_adopt_socket_vhost(server->clients, fd); /* closes it if it fails */
}

static enum result listen_for_clients(struct server *server, uv_loop_t *loop, unsigned index,
                                      struct err *err)
{
    const struct config *config = server->core->config;
    bool shares = config->realtime_threads > 1;
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                             .protocols = public_protocols,
                                             .vhost_name = public_protocols[0].name,
                                             .keepalive_timeout = KEEPALIVE_S,
                                             .timeout_secs = HANDSHAKE_S};

    if (tls_prepare(server, &info, err) != OK)
        return FAILED;
    server->clients = lws_create_vhost(server->context, &info);
    if (!server->clients)
        return err_set(err, "listen: libwebsockets cannot be set up for clients");
    if (shares && index == 0 && listener_check(&config->listen, err) != OK)
        return FAILED;
    if (listener_open(loop, &config->listen, shares, take_client, server, &server->listener, err) !=
        OK)
        return FAILED;
    if (index == 0)
        log_listening(public_protocols[0].name, &config->listen, server->certificate != 0);
    return OK;
}

enum result server_open(uv_loop_t *loop, struct core *core, unsigned index, bool clients,
                        struct server **out, struct err *err)
{
    struct server *server = mem_alloc(sizeof(*server));

    server->core = core;
    core->page = frame_new(str_c(web_live_html));
    flush_open(&server->flush, loop);
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    *out = server;
    if (create_context(server, loop, err) != OK ||
        (clients && listen_for_clients(server, loop, index, err) != OK))
        return FAILED;
    return index == 0 ? listen_for_admin(server, err) : OK;
}

void server_all_open(unsigned count)
{
    if (count > 1)
        lws_set_log_level(0, NULL);
}

void server_tick(struct server *server)
{
    tls_tick(server);
    if (server->listener)
        listener_tick(server->listener);
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
    listener_close(server->listener);
    server->listener = NULL;
    if (server->context)
        lws_context_destroy(server->context);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    if (server->context)
        lws_context_destroy(server->context);
    SSL_CTX_free(server->outgoing);
    frame_unref(server->core->page);
    server->core->page = NULL;
    free(server);
}
