/* A curl multi handle on a libuv loop (curl_multi_socket_action).
 *
 * A poll handle lives from curl's first interest in a socket to the close callback, which may come
 * after curl has closed the socket. Time-outs of 0 ms go through the loop, since curl must not be
 * entered from within its own callbacks. Source: libcurl's hiperfifo and multi-uv examples. */
#ifndef PGHERALD_HTTP_MULTI_H
#define PGHERALD_HTTP_MULTI_H

#include <curl/curl.h>
#include <uv.h>

#include "base/err.h"

struct multi;

/* Runs for every transfer that ended, which is then out of the multi handle. */
typedef void multi_done_cb(void *arg, CURL *easy, CURLcode result);

enum result multi_new(uv_loop_t *loop, long max_connections, multi_done_cb *done, void *arg,
                      struct multi **out, struct err *err) MUST_CHECK;
/* All transfers must have been removed. */
void multi_close(struct multi *multi);

enum result multi_add(struct multi *multi, CURL *easy, struct err *err) MUST_CHECK;
void multi_remove(struct multi *multi, CURL *easy);

#endif
