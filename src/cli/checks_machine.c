/* The checks that need no database: addresses and files. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/checks.h"
#include "cli/fetch.h"
#include "dispatch/guard.h"
#include "realtime/certificate.h"
#include "vault/keys.h"

#define CERTIFICATE_WARN_DAYS 14

/* 0 if the address can be listened on, else what stands in errno; *reason if it is no address. */
static int try_bind(const struct config_address *address, const char **reason)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int one = 1, fd, code, problem = 0;
    char port[16];

    *reason = NULL;
    snprintf(port, sizeof(port), "%u", address->port);
    code = getaddrinfo(address->host[0] ? address->host : NULL, port, &hints, &found);
    if (code != 0) {
        *reason = gai_strerror(code);
        return EADDRNOTAVAIL;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0)
        problem = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return problem;
}

static bool daemon_answers(const struct config *config)
{
    struct buf body;
    struct err err;
    long status = 0;
    bool answered;

    buf_init(&body, 1024 * 1024);
    answered = fetch(&config->admin_listen, "/healthz", STR(""), &status, &body, &err) == OK &&
               status > 0 && status != 404;
    buf_fini(&body);
    return answered;
}

static void check_address(struct checks *checks, const char *name,
                          const struct config_address *address, bool running)
{
    const char *reason;
    int problem = try_bind(address, &reason);
    char text[128];

    config_address_text(address, text);
    if (problem == 0)
        checks_add(checks, name, CHECK_OK, NULL, "%s is free", text);
    else if (problem == EADDRINUSE && running)
        checks_add(checks, name, CHECK_OK, NULL, "%s is in use, a pgherald is running", text);
    else
        checks_add(checks, name, CHECK_FAIL,
                   problem == EADDRINUSE
                       ? "stop what uses it (ss -ltnp shows it), or choose another "
                         "port in the settings"
                       : "choose an address of this machine",
                   "%s cannot be listened on: %s", text, reason ? reason : strerror(problem));
}

static void check_keys(struct checks *checks, const struct config *config)
{
    struct vault_keys *keys;
    struct err err;

    if (!config->encryption_keys[0])
        return;
    if (vault_keys_parse(str_c(config->encryption_keys), &keys, &err) != OK) {
        checks_add(checks, "encryption_keys", CHECK_FAIL, "docs/oauth-tokens.md shows the form",
                   "%s", err.message);
        return;
    }
    checks_add(checks, "encryption_keys", CHECK_OK, NULL, "%zu set, %s seals",
               vault_keys_count(keys), vault_keys_at(keys, 0)->id);
    vault_keys_free(keys);
}

static void check_pem_file(struct checks *checks, const char *setting, const char *file)
{
    if (file[0] && access(file, R_OK) != 0)
        checks_add(checks, setting, CHECK_FAIL, "name a PEM file that can be read", "%s: %s", file,
                   strerror(errno));
}

static void check_webhooks(struct checks *checks, const struct config *config)
{
    const struct guard_settings settings = {config->webhook_allow_private, &config->webhook_allow,
                                            &config->webhook_only};
    struct guard *guard;
    struct err err;

    check_pem_file(checks, "webhook_ca_file", config->webhook_ca_file);
    check_pem_file(checks, "webhook_client_cert_file", config->webhook_client_cert_file);
    check_pem_file(checks, "webhook_client_key_file", config->webhook_client_key_file);
    if (guard_new(&settings, &guard, &err) != OK)
        checks_add(checks, "webhook_allow", CHECK_FAIL, "docs/webhooks.md shows the form", "%s",
                   err.message);
    guard_free(guard);
}

static void check_certificate(struct checks *checks, const struct config *config)
{
    int64_t expires, now = clock_now_us() / 1000000;
    struct err err;

    if (!config->tls_cert_file[0])
        return;
    if (certificate_check(config->tls_cert_file, config->tls_key_file, &expires, &err) != OK)
        checks_add(checks, "tls_cert_file", CHECK_FAIL,
                   "name the PEM files of a certificate chain and of its key, readable for this "
                   "user",
                   "%s", err.message);
    else if (expires - now < CERTIFICATE_WARN_DAYS * 86400)
        checks_add(checks, "tls_cert_file", expires > now ? CHECK_WARN : CHECK_FAIL,
                   "renew the certificate; a running pgherald notices the new file",
                   expires > now ? "ends in %lld days" : "ended %lld days ago",
                   (long long)(expires > now ? expires - now : now - expires) / 86400);
    else
        checks_add(checks, "tls_cert_file", CHECK_OK, NULL, "good for %lld more days",
                   (long long)(expires - now) / 86400);
}

void checks_run_machine(struct checks *checks, const struct config *config)
{
    bool running = daemon_answers(config);

    check_address(checks, "listen", &config->listen, running);
    check_address(checks, "admin_listen", &config->admin_listen, running);
    check_certificate(checks, config);
    check_webhooks(checks, config);
    check_keys(checks, config);
}
