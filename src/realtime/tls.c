/* TLS on `listen`. The files are tried apart before libwebsockets gets them: its own complaint
 * would be that it cannot listen, and a renewal that is half written must not replace what works.
 */
#include "base/clock.h"
#include "base/log.h"
#include "internal.h"
#include "realtime/certificate.h"

/* TLS 1.2 with forward secrecy and authenticated encryption, or 1.3 (RFC 9325, 4.2). */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

static void show_expiry(struct server *server, int64_t expires)
{
    stat_set(&server->core->stats->certificate_expires, (uint64_t)(expires > 0 ? expires : 0));
    if (expires < clock_now_us() / 1000000)
        log_warn("realtime", "the TLS certificate has ended; clients will refuse it",
                 log_s("file", server->core->config->tls_cert_file));
}

/* libwebsockets wants a context for connections that it makes. Its own would have all authorities
 * of the system, and is lost where there are several loops: it is found by a number that each
 * context sets anew for the whole process (4.1.6, lws_ssl_destroy_client_ctx()). */
static enum result provide_outgoing(struct server *server, struct lws_context_creation_info *info,
                                    struct err *err)
{
    server->outgoing = SSL_CTX_new(TLS_client_method());
    if (!server->outgoing)
        return err_set(err, "TLS on listen: OpenSSL cannot make a context");
    info->provided_client_ssl_ctx = server->outgoing;
    return OK;
}

enum result tls_prepare(struct server *server, struct lws_context_creation_info *info,
                        struct err *err)
{
    const struct config *config = server->core->config;
    int64_t expires;

    if (!config->tls_cert_file[0])
        return OK;
    server->certificate = certificate_version(config->tls_cert_file, config->tls_key_file);
    if (certificate_check(config->tls_cert_file, config->tls_key_file, &expires, err) != OK)
        return err_context(err, "TLS on listen");
    show_expiry(server, expires);
    if (provide_outgoing(server, info, err) != OK)
        return FAILED;
    info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info->ssl_cert_filepath = config->tls_cert_file;
    info->ssl_private_key_filepath = config->tls_key_file;
    info->ssl_cipher_list = CIPHERS_1_2;
    info->ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 |
                            SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
    return OK;
}

void tls_tick(struct server *server)
{
    const struct config *config = server->core->config;
    uint64_t version;
    int64_t expires;
    struct err err;

    if (!server->certificate)
        return;
    version = certificate_version(config->tls_cert_file, config->tls_key_file);
    if (!version || version == server->certificate)
        return;
    if (certificate_check(config->tls_cert_file, config->tls_key_file, &expires, &err) != OK) {
        log_warn("realtime", "a changed TLS certificate is not taken, the old one stays",
                 log_err(&err));
        server->certificate = version; /* said once */
        return;
    }
    lws_tls_cert_updated(server->context, config->tls_cert_file, config->tls_key_file, NULL, 0,
                         NULL, 0);
    server->certificate = version;
    show_expiry(server, expires);
    log_info("realtime", "a renewed TLS certificate is in use",
             log_s("file", config->tls_cert_file), log_i("expires", expires));
}
