#include "dispatch/sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/version.h"
#include "dispatch/guard.h"
#include "dispatch/headers.h"
#include "dispatch/trace.h"
#include "http/multi.h"

#define ERROR_MAX 512
#define HOST_MAX 256

/* A kept connection is not used for longer: what a name stands for may have changed. */
#define CONNECTION_LIFE_S 300L

/* One request under way. Its easy handle is used once: with libcurl before 8.1.1 an answer whose
 * first header is folded makes a handle that was used before write to memory that it has freed
 * (curl/curl#11101). Connections are the multi handle's, and are kept. */
struct transfer {
    struct transfer *next, *prev; /* on the list `busy` */
    struct sender *sender;
    CURL *easy;
    void *arg;
    struct curl_slist *headers;
    struct buf body;
    size_t body_bytes, header_bytes;
    unsigned timeout_ms;
    char host[HOST_MAX]; /* as curl reads it out of the URL; empty unless the guard asks for it */
    bool is_refused;     /* by the guard, the address that was tried last */
    struct guard_refused refused;
    bool too_long;       /* its body, which therefore was not read to its end */
    struct trace *trace; /* NULL unless it is to be kept */
    char curl_error[CURL_ERROR_SIZE];
};

struct sender {
    struct multi *multi;
    struct guard *guard;
    struct sender_options options;
    sender_cb *cb;
    void *arg;
    struct transfer *busy;
};

/* Callbacks of curl */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count, room = transfer->sender->options.keep_bytes - transfer->body.len;

    transfer->body_bytes += len;
    buf_add(&transfer->body, data, len < room ? len : room);
    transfer->too_long = transfer->body_bytes > SENDER_BODY_MAX;
    return transfer->too_long ? 0 : len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;

    (void)data;
    transfer->header_bytes += size * count;
    return transfer->header_bytes > SENDER_HEADERS_MAX ? 0 : size * count;
}

/* The last moment before a connection, and the first at which its real address is known. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = arg;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    transfer->is_refused = !guard_allows(transfer->sender->guard, str_c(transfer->host),
                                         &address->addr, address->addrlen, &transfer->refused);
    if (transfer->is_refused)
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  address->protocol);
}

/* Options */

static bool is_set(const char *text)
{
    return text && text[0];
}

static bool is_https_url(const char *url)
{
    const struct str scheme = STR("https:");

    return strlen(url) > scheme.len && str_eq_nocase(str_from(url, scheme.len), scheme);
}

/* By curl's own parser: what another one took for the host may not be what curl connects to. */
static enum result read_host(struct transfer *transfer, const char *url, struct err *err)
{
    CURLU *parts;
    char *host = NULL;

    transfer->host[0] = '\0';
    if (!guard_asks_names(transfer->sender->guard))
        return OK;
    parts = curl_url();
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        curl_url_cleanup(parts);
        return err_set(err, "the URL's host cannot be read");
    }
    if (strlen(host) < sizeof(transfer->host))
        memcpy(transfer->host, host, strlen(host) + 1);
    curl_free(host);
    curl_url_cleanup(parts);
    return OK;
}

#define SET(easy, option, value)                                                                   \
    do {                                                                                           \
        CURLcode code_ = curl_easy_setopt(easy, option, value);                                    \
        if (code_ != CURLE_OK)                                                                     \
            return err_set(err, "libcurl does not take " #option ": %s",                           \
                           curl_easy_strerror(code_));                                             \
    } while (0)

static enum result set_tls(CURL *easy, const struct sender_options *options, struct err *err)
{
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* Debian's default would be trusted besides the own file, and is read anew (some 50 ms) for
     * every connection, while a file alone is cached. */
    SET(easy, CURLOPT_CAPATH, NULL);
    if (is_set(options->ca_file))
        SET(easy, CURLOPT_CAINFO, options->ca_file);
    if (is_set(options->client_cert_file)) {
        SET(easy, CURLOPT_SSLCERT, options->client_cert_file);
        SET(easy, CURLOPT_SSLKEY, options->client_key_file);
    }
    return OK;
}

static enum result set_what_is_allowed(CURL *easy, struct transfer *transfer, struct err *err)
{
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PROXY, ""); /* not even the one from the environment */
    SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(easy, CURLOPT_OPENSOCKETDATA, transfer);
    return set_tls(easy, &transfer->sender->options, err);
}

static enum result set_how_it_goes(CURL *easy, struct transfer *transfer, struct err *err)
{
    SET(easy, CURLOPT_PRIVATE, transfer);
    SET(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_POST, 1L);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(easy, CURLOPT_USERAGENT, "pgherald/" PGHERALD_VERSION);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, transfer);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, transfer);
    /* A name lookup that outlasts its time-out would otherwise be waited for, here on the loop. */
    SET(easy, CURLOPT_QUICK_EXIT, 1L);
    /* One lookup an attempt, and its answers are for that one alone. */
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
    return OK;
}

static enum result set_request(struct transfer *transfer, const struct sender_request *request,
                               struct err *err)
{
    CURL *easy = transfer->easy;

    SET(easy, CURLOPT_URL, request->url);
    /* Whether requests may share a connection shows in its TLS handshake; better to wait for that
     * than to open one each. Without TLS they may not. */
    SET(easy, CURLOPT_PIPEWAIT, (long)is_https_url(request->url));
    SET(easy, CURLOPT_HTTPHEADER, transfer->headers);
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    SET(easy, CURLOPT_POSTFIELDS, request->body.data);
    SET(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    return OK;
}

/* Transfers */

static void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    trace_free(transfer->trace);
    buf_fini(&transfer->body);
    free(transfer);
}

static struct transfer *transfer_new(struct sender *sender, struct err *err)
{
    struct transfer *transfer = mem_alloc(sizeof(*transfer));

    transfer->sender = sender;
    buf_init(&transfer->body, sender->options.keep_bytes);
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        err_set(err, "libcurl could not make a handle");
    else if (set_what_is_allowed(transfer->easy, transfer, err) == OK &&
             set_how_it_goes(transfer->easy, transfer, err) == OK &&
             (!sender->options.trace || trace_attach(transfer->easy, &transfer->trace, err) == OK))
        return transfer;
    transfer_free(transfer);
    return NULL;
}

static void join_busy(struct transfer *transfer)
{
    struct sender *sender = transfer->sender;

    transfer->prev = NULL;
    transfer->next = sender->busy;
    if (transfer->next)
        transfer->next->prev = transfer;
    sender->busy = transfer;
}

static void leave_busy(struct transfer *transfer)
{
    if (transfer->prev)
        transfer->prev->next = transfer->next;
    else
        transfer->sender->busy = transfer->next;
    if (transfer->next)
        transfer->next->prev = transfer->prev;
}

/* What came of it */

static curl_off_t time_of(const struct transfer *transfer, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(transfer->easy, info, &us);
    return us;
}

static long number_of(const struct transfer *transfer, CURLINFO info)
{
    long number = 0;

    curl_easy_getinfo(transfer->easy, info, &number);
    return number;
}

static bool is_https(const struct transfer *transfer)
{
    const char *scheme = NULL;

    curl_easy_getinfo(transfer->easy, CURLINFO_SCHEME, &scheme);
    return scheme && (*scheme == 'h' || *scheme == 'H') && strlen(scheme) == 5;
}

/* How far it came. On a connection that was used before, all of the first three are past. */
static const char *phase_of(const struct transfer *transfer)
{
    if (number_of(transfer, CURLINFO_RESPONSE_CODE) != 0)
        return "reading the response";
    if (time_of(transfer, CURLINFO_PRETRANSFER_TIME_T) > 0)
        return "waiting for the response";
    if (is_https(transfer) && number_of(transfer, CURLINFO_LOCAL_PORT) > 0)
        return "TLS handshake";
    if (time_of(transfer, CURLINFO_NAMELOOKUP_TIME_T) > 0)
        return "connecting";
    return "DNS lookup";
}

static void describe_refusal(const struct guard_refused *refused, char out[ERROR_MAX])
{
    if (refused->range)
        snprintf(out, ERROR_MAX, "connecting: refused, %s (%s)", refused->why, refused->range);
    else
        snprintf(out, ERROR_MAX, "connecting: refused, %s", refused->why);
}

static const char *describe(const struct transfer *transfer, CURLcode result, char out[ERROR_MAX])
{
    const char *reason =
        transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(result);

    if (transfer->is_refused && result == CURLE_COULDNT_CONNECT)
        describe_refusal(&transfer->refused, out);
    else if (result == CURLE_OPERATION_TIMEDOUT)
        snprintf(out, ERROR_MAX, "%s: timed out after %u ms", phase_of(transfer),
                 transfer->timeout_ms);
    else if (transfer->header_bytes > SENDER_HEADERS_MAX)
        snprintf(out, ERROR_MAX, "reading the response: more than %zu bytes of headers",
                 SENDER_HEADERS_MAX);
    else if (result == CURLE_OUT_OF_MEMORY && number_of(transfer, CURLINFO_RESPONSE_CODE) != 0)
        /* also what curl says of a line beyond its own bound, 100 kB */
        snprintf(out, ERROR_MAX, "reading the response: a header too long to hold");
    else if (result == CURLE_OK) /* curl takes "HTTP/2" and an end of line for a status line */
        snprintf(out, ERROR_MAX, "reading the response: it has no status");
    else
        snprintf(out, ERROR_MAX, "%s: %s", phase_of(transfer), reason);
    return out;
}

static struct sender_answer answer_of(const struct transfer *transfer, CURLcode result)
{
    int status_code = (int)number_of(transfer, CURLINFO_RESPONSE_CODE);
    curl_off_t retry_after = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    return (struct sender_answer){
        .status_code = status_code,
        /* The status is what counts, and nobody is made to send its megabytes again and again. */
        .complete = status_code != 0 && (result == CURLE_OK || transfer->too_long),
        .blocked = transfer->is_refused && result == CURLE_COULDNT_CONNECT,
        .duration_ms = (unsigned)(time_of(transfer, CURLINFO_TOTAL_TIME_T) / 1000),
        .retry_after_s = retry_after,
        .body = buf_str(&transfer->body),
    };
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct sender *sender = arg;
    struct sender_answer answer;
    struct transfer *transfer;
    char error[ERROR_MAX];
    void *private;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    transfer = private;
    answer = answer_of(transfer, result);
    if (!answer.complete)
        answer.error = describe(transfer, result, error);
    if (transfer->trace)
        answer.trace = trace_read(transfer->trace, easy);
    leave_busy(transfer);
    sender->cb(sender->arg, transfer->arg, &answer);
    transfer_free(transfer);
}

/* The sender */

static enum result check_file(const char *setting, const char *file, struct err *err)
{
    if (is_set(file) && access(file, R_OK) != 0)
        return err_set(err, "%s %s cannot be read", setting, file);
    return OK;
}

static enum result check_options(const struct sender_options *options, struct guard **guard,
                                 struct err *err)
{
    const struct guard_settings settings = {options->allow_private, options->allow, options->only};

    if (check_file("webhook_ca_file", options->ca_file, err) != OK ||
        check_file("webhook_client_cert_file", options->client_cert_file, err) != OK ||
        check_file("webhook_client_key_file", options->client_key_file, err) != OK)
        return FAILED;
    return guard_new(&settings, guard, err);
}

struct sender_options sender_options_of(const struct config *config)
{
    return (struct sender_options){
        .max_requests = config->webhook_concurrency,
        .allow_private = config->webhook_allow_private,
        .allow = &config->webhook_allow,
        .only = &config->webhook_only,
        .keep_bytes = config->webhook_response_bytes,
        .ca_file = config->webhook_ca_file,
        .client_cert_file = config->webhook_client_cert_file,
        .client_key_file = config->webhook_client_key_file,
    };
}

enum result sender_new(uv_loop_t *loop, const struct sender_options *options, sender_cb *cb,
                       void *arg, struct sender **out, struct err *err)
{
    struct sender *sender = mem_alloc(sizeof(*sender));

    *out = NULL;
    *sender = (struct sender){.options = *options, .cb = cb, .arg = arg};
    if (check_options(options, &sender->guard, err) != OK)
        goto fail;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, "libcurl could not be initialised");
        goto fail;
    }
    if (multi_new(loop, (long)options->max_requests, on_done, sender, &sender->multi, err) != OK) {
        curl_global_cleanup();
        goto fail;
    }
    *out = sender;
    return OK;
fail:
    guard_free(sender->guard);
    free(sender);
    return FAILED;
}

void sender_break_off(struct sender *sender)
{
    while (sender->busy) {
        struct transfer *transfer = sender->busy;
        const struct sender_answer answer = {.broken_off = true, .error = "broken off"};

        multi_remove(sender->multi, transfer->easy);
        leave_busy(transfer);
        sender->cb(sender->arg, transfer->arg, &answer);
        transfer_free(transfer);
    }
}

void sender_close(struct sender *sender)
{
    if (!sender)
        return;
    while (sender->busy) {
        struct transfer *transfer = sender->busy;

        multi_remove(sender->multi, transfer->easy);
        leave_busy(transfer);
        transfer_free(transfer);
    }
    multi_close(sender->multi);
    guard_free(sender->guard);
    curl_global_cleanup();
    free(sender);
}

static bool add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);

    if (longer)
        transfer->headers = longer;
    return longer != NULL;
}

static bool copy_headers(struct transfer *transfer, struct str block)
{
    const char *line;
    size_t at = 0;

    while ((line = headers_next(block, &at)))
        if (!add_header(transfer, line))
            return false;
    /* No pause in front of long bodies to ask for leave, which curl would make. */
    return add_header(transfer, "Expect:");
}

enum result sender_send(struct sender *sender, const struct sender_request *request,
                        void *request_arg, struct err *err)
{
    struct transfer *transfer = transfer_new(sender, err);

    if (!transfer)
        return FAILED;
    transfer->arg = request_arg;
    transfer->timeout_ms = request->timeout_ms;
    if (!copy_headers(transfer, request->headers))
        err_set(err, "no memory for the headers");
    else if (read_host(transfer, request->url, err) == OK &&
             set_request(transfer, request, err) == OK &&
             multi_add(sender->multi, transfer->easy, err) == OK) {
        join_busy(transfer);
        return OK;
    }
    transfer_free(transfer);
    return FAILED;
}
