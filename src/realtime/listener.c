#define _GNU_SOURCE /* accept4() */
#include "realtime/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define BACKLOG 4096      /* the kernel's own limit is in net.core.somaxconn */
#define ACCEPTS_A_TURN 64 /* then those who are there have a turn */

struct listener {
    uv_poll_t poll;
    int fd;
    bool paused; /* there were no files left */
    void (*take)(void *arg, int fd);
    void *arg;
};

static enum result set(int fd, int level, int option, int value, struct err *err)
{
    if (setsockopt(fd, level, option, &value, sizeof(value)) == 0)
        return OK;
    return err_set_errno(err, errno, "setsockopt");
}

static enum result bind_to(int fd, const struct addrinfo *address, bool shares, struct err *err)
{
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1, err) != OK)
        return FAILED;
    if (shares && set(fd, SOL_SOCKET, SO_REUSEPORT, 1, err) != OK)
        return FAILED;
    if (address->ai_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, err) != OK)
        return FAILED;
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0)
        return err_set_errno(err, errno, "bind");
    if (listen(fd, BACKLOG) != 0)
        return err_set_errno(err, errno, "listen");
    return OK;
}

static int open_socket(const struct addrinfo *address, bool shares, struct err *err)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        (void)err_set_errno(err, errno, "socket");
        return -1;
    }
    if (bind_to(fd, address, shares, err) == OK)
        return fd;
    close(fd);
    return -1;
}

/* Without a host all addresses of the machine: a socket of IPv6 takes both, where there is IPv6. */
static int try_all(const struct addrinfo *found, bool any_host, bool shares, struct err *err)
{
    const int families[] = {AF_INET6, AF_INET};
    int fd = -1;

    if (!any_host)
        return open_socket(found, shares, err);
    for (size_t i = 0; i < 2 && fd < 0; i++)
        for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
            if (a->ai_family == families[i])
                fd = open_socket(a, shares, err);
    return fd;
}

static enum result listen_on(const struct config_address *address, bool shares, int *fd,
                             struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    bool any_host = !address->host || !*address->host;
    struct addrinfo *found = NULL;
    char port[16], text[128];
    int failure;

    snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    failure = getaddrinfo(any_host ? NULL : address->host, port, &hints, &found);
    if (failure)
        return err_set(err, "listen: %s: %s", address->host ? address->host : "",
                       gai_strerror(failure));
    *fd = try_all(found, any_host, shares, err);
    freeaddrinfo(found);
    if (*fd >= 0)
        return OK;
    return err_context(err,
                       "listen: cannot listen on %s: is another program (or another pgherald) "
                       "using that port, or is the address not this machine's?",
                       config_address_text(address, text));
}

enum result listener_check(const struct config_address *address, struct err *err)
{
    int fd;

    if (listen_on(address, false, &fd, err) != OK)
        return FAILED;
    close(fd);
    return OK;
}

/* Without files left the queue of connections would wake us for ever. */
static void pause_accepting(struct listener *listener, int why)
{
    struct err err;

    (void)err_set_errno(&err, why, "accept");
    log_warn("realtime", "no connection can be accepted for now", log_err(&err));
    uv_poll_stop(&listener->poll);
    listener->paused = true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            listener->take(listener->arg, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(listener, errno);
            return;
        } /* else it was this connection's trouble (accept(2), "Error handling") */
    }
}

enum result listener_open(uv_loop_t *loop, const struct config_address *address, bool shares,
                          void (*take)(void *arg, int fd), void *arg, struct listener **out,
                          struct err *err)
{
    struct listener *listener;
    int fd;

    *out = NULL;
    if (listen_on(address, shares, &fd, err) != OK)
        return FAILED;
    listener = mem_alloc(sizeof(*listener));
    listener->fd = fd;
    listener->take = take;
    listener->arg = arg;
    listener->poll.data = listener;
    uv_poll_init(loop, &listener->poll, fd);
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    *out = listener;
    return OK;
}

void listener_tick(struct listener *listener)
{
    if (!listener->paused)
        return;
    listener->paused = false;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    uv_poll_stop(&listener->poll);
    close(listener->fd);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}
