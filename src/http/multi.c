#include "http/multi.h"

#include <stdlib.h>

#include "base/mem.h"

struct multi {
    uv_loop_t *loop;
    CURLM *curl;
    uv_timer_t timer;
    multi_done_cb *done;
    void *arg;
};

struct watch {
    uv_poll_t poll;
    curl_socket_t fd;
    struct multi *multi;
};

static void hand_out_done(struct multi *multi)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi->curl, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result; /* the message goes with the handle */

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_multi_remove_handle(multi->curl, easy);
        multi->done(multi->arg, easy, result);
    }
}

static void act(struct multi *multi, curl_socket_t fd, int flags)
{
    int running;

    curl_multi_socket_action(multi->curl, fd, flags, &running);
    hand_out_done(multi);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int flags = 0;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(watch->multi, watch->fd, flags);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *arg)
{
    struct multi *multi = arg;

    (void)curl;
    if (timeout_ms < 0)
        uv_timer_stop(&multi->timer);
    else
        uv_timer_start(&multi->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void free_watch(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_new(struct multi *multi, curl_socket_t fd)
{
    struct watch *watch = mem_alloc(sizeof(*watch));

    watch->fd = fd;
    watch->multi = multi;
    if (uv_poll_init_socket(multi->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    curl_multi_assign(multi->curl, fd, watch);
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct multi *multi = arg;
    struct watch *watch = socket_arg;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, free_watch);
        return 0;
    }
    if (!watch)
        watch = watch_new(multi, fd);
    if (!watch)
        return -1;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : -1;
}

enum result multi_new(uv_loop_t *loop, long max_connections, multi_done_cb *done, void *arg,
                      struct multi **out, struct err *err)
{
    struct multi *multi;
    CURLM *curl = curl_multi_init();

    if (!curl)
        return err_set(err, "libcurl could not make a multi handle");
    multi = mem_alloc(sizeof(*multi));
    *multi = (struct multi){.loop = loop, .curl = curl, .done = done, .arg = arg};
    uv_timer_init(loop, &multi->timer);
    multi->timer.data = multi;
    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, max_connections); /* kept open, not the limit */
    *out = multi;
    return OK;
}

static void free_multi(uv_handle_t *handle)
{
    free(handle->data);
}

void multi_close(struct multi *multi)
{
    curl_multi_cleanup(multi->curl); /* closes the watches of kept connections */
    uv_close((uv_handle_t *)&multi->timer, free_multi);
}

enum result multi_add(struct multi *multi, CURL *easy, struct err *err)
{
    CURLMcode code = curl_multi_add_handle(multi->curl, easy);

    if (code != CURLM_OK)
        return err_set(err, "libcurl does not take the request: %s", curl_multi_strerror(code));
    return OK;
}

void multi_remove(struct multi *multi, CURL *easy)
{
    curl_multi_remove_handle(multi->curl, easy);
}
