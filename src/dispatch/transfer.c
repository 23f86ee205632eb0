#include "dispatch/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/version.h"
#include "dispatch/headers.h"
#include "dispatch/trace.h"

/* A kept connection is not used for longer: what a name stands for may have changed. */
#define CONNECTION_LIFE_S 300L

/* Callbacks of curl */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count, room = transfer->options->keep_bytes - transfer->body.len;

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
    transfer->is_refused = !guard_allows(transfer->guard, str_c(transfer->host), &address->addr,
                                         address->addrlen, &transfer->refused);
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
    if (!guard_asks_names(transfer->guard))
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
    return set_tls(easy, transfer->options, err);
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

void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    trace_free(transfer->trace);
    buf_fini(&transfer->body);
    free(transfer);
}

struct transfer *transfer_new(const struct sender_options *options, struct guard *guard,
                              struct err *err)
{
    struct transfer *transfer = mem_alloc(sizeof(*transfer));

    transfer->options = options;
    transfer->guard = guard;
    buf_init(&transfer->body, options->keep_bytes);
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        err_set(err, "libcurl could not make a handle");
    else if (set_what_is_allowed(transfer->easy, transfer, err) == OK &&
             set_how_it_goes(transfer->easy, transfer, err) == OK &&
             (!options->trace || trace_attach(transfer->easy, &transfer->trace, err) == OK))
        return transfer;
    transfer_free(transfer);
    return NULL;
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

enum result transfer_ask(struct transfer *transfer, const struct sender_request *request,
                         struct err *err)
{
    transfer->timeout_ms = request->timeout_ms;
    if (!copy_headers(transfer, request->headers))
        return err_set(err, "no memory for the headers");
    if (read_host(transfer, request->url, err) != OK)
        return FAILED;
    return set_request(transfer, request, err);
}
