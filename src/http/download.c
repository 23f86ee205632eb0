#include "http/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "http/multi.h"

#define CONNECT_TIMEOUT_MS 5000
#define MAX_HEADER_BYTES ((size_t)64 * 1024)

struct download {
    struct multi *multi;
    CURL *model; /* has the options; never used itself */
    CURL *easy;  /* under way, NULL: none; used once, see dispatch/transfer.h */
    struct buf body;
    size_t header_bytes;
    download_cb *cb;
    void *arg;
    char curl_error[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct download *download = arg;

    buf_add(&download->body, data, size * count);
    return buf_ok(&download->body) ? size * count : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct download *download = arg;

    (void)data;
    download->header_bytes += size * count;
    return download->header_bytes > MAX_HEADER_BYTES ? 0 : size * count;
}

static enum result describe(const struct download *download, CURLcode code, struct err *err)
{
    long status = 0;

    if (!buf_ok(&download->body))
        return err_set(err, "the answer is longer than %zu bytes", download->body.max);
    if (download->header_bytes > MAX_HEADER_BYTES)
        return err_set(err, "more than %zu bytes of headers", MAX_HEADER_BYTES);
    if (code != CURLE_OK)
        return err_set(err, "%s",
                       download->curl_error[0] ? download->curl_error : curl_easy_strerror(code));
    curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return OK;
    return err_set(err, "the answer has status %ld instead of 200%s", status,
                   status >= 300 && status < 400 ? "; redirects are not followed, name the place "
                                                   "itself"
                                                 : "");
}

static void on_done(void *arg, CURL *easy, CURLcode code)
{
    struct download *download = arg;
    struct err err;
    bool failed = describe(download, code, &err) != OK;

    curl_easy_cleanup(easy);
    download->easy = NULL;
    download->cb(download->arg, failed ? STR("") : buf_str(&download->body), failed ? &err : NULL);
    buf_shrink(&download->body, 0);
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode code_ = curl_easy_setopt(easy, option, value);                                    \
        if (code_ != CURLE_OK)                                                                     \
            return err_set(err, "libcurl does not take " #option ": %s",                           \
                           curl_easy_strerror(code_));                                             \
    } while (0)

static enum result set_what_is_allowed(CURL *easy, const struct download_options *options,
                                       struct err *err)
{
    SET(CURLOPT_URL, options->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!options->ca_file[0])
        return OK;
    SET(CURLOPT_CAPATH, NULL); /* Debian's default would be trusted besides */
    SET(CURLOPT_CAINFO, options->ca_file);
    return OK;
}

static enum result set_how_it_goes(CURL *easy, struct download *download, struct err *err)
{
    SET(CURLOPT_ERRORBUFFER, download->curl_error);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)DOWNLOAD_TIMEOUT_MS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    SET(CURLOPT_QUICK_EXIT, 1L);   /* do not wait, on the loop, for a name that is looked up */
    SET(CURLOPT_FORBID_REUSE, 1L); /* the next one is minutes away */
    SET(CURLOPT_USERAGENT, "pgherald/" PGHERALD_VERSION);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, download);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, download);
    return OK;
}

static enum result check_ca_file(const char *ca_file, struct err *err)
{
    if (ca_file[0] && access(ca_file, R_OK) != 0)
        return err_set(err, "the authorities in %s cannot be read", ca_file);
    return OK;
}

enum result download_new(uv_loop_t *loop, const struct download_options *options, download_cb *cb,
                         void *arg, struct download **out, struct err *err)
{
    struct download *download;

    *out = NULL;
    if (check_ca_file(options->ca_file, err) != OK)
        return FAILED;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, "libcurl could not be initialised");
    download = mem_alloc(sizeof(*download));
    download->cb = cb;
    download->arg = arg;
    buf_init(&download->body, options->max_bytes);
    download->model = curl_easy_init();
    if (!download->model)
        err_set(err, "libcurl could not make a handle");
    else if (set_what_is_allowed(download->model, options, err) == OK &&
             set_how_it_goes(download->model, download, err) == OK &&
             multi_new(loop, 1, on_done, download, &download->multi, err) == OK)
        *out = download;
    if (!*out)
        download_close(download);
    return *out ? OK : FAILED;
}

enum result download_start(struct download *download, struct err *err)
{
    if (download->easy)
        return OK;
    buf_clear(&download->body);
    download->header_bytes = 0;
    download->curl_error[0] = '\0';
    download->easy = curl_easy_duphandle(download->model);
    if (!download->easy)
        return err_set(err, "libcurl could not make a handle");
    if (multi_add(download->multi, download->easy, err) == OK)
        return OK;
    curl_easy_cleanup(download->easy);
    download->easy = NULL;
    return FAILED;
}

bool download_is_busy(const struct download *download)
{
    return download->easy != NULL;
}

void download_close(struct download *download)
{
    if (!download)
        return;
    if (download->easy)
        multi_remove(download->multi, download->easy);
    curl_easy_cleanup(download->easy);
    curl_easy_cleanup(download->model);
    if (download->multi)
        multi_close(download->multi);
    curl_global_cleanup();
    buf_fini(&download->body);
    free(download);
}
