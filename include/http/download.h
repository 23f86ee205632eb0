/* Fetches one small document by GET, again and again, on a libuv loop: one request at a time.
 *
 * Nothing is followed and nothing is taken from the environment: no redirects, no proxies, no
 * .netrc. The whole request has ten seconds, the answer a maximum of bytes, and it has to be a 200.
 * Who names the URL decides what may be reached: here that is the operator, in the settings. */
#ifndef PGHERALD_HTTP_DOWNLOAD_H
#define PGHERALD_HTTP_DOWNLOAD_H

#include <uv.h>

#include "base/buf.h"

#define DOWNLOAD_TIMEOUT_MS 10000

struct download;

struct download_options { /* all borrowed */
    const char *url;      /* http or https */
    const char *ca_file;  /* authorities to trust; empty: the system's */
    size_t max_bytes;
};

/* `body` is borrowed until the callback returns; if `failure` is not NULL it says why there is
 * none. The callback may not close the download. */
typedef void download_cb(void *arg, struct str body, const struct err *failure);

enum result download_new(uv_loop_t *loop, const struct download_options *options, download_cb *cb,
                         void *arg, struct download **out, struct err *err) MUST_CHECK;

/* Unless one is under way already. On FAILED the callback does not run. */
enum result download_start(struct download *download, struct err *err) MUST_CHECK;
bool download_is_busy(const struct download *download);

/* Breaks off what is under way, without a callback. The loop has to run once more. NULL is fine. */
void download_close(struct download *download);

#endif
