#include "dispatch/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TLS_MAX 256

struct trace {
    struct buf request, response, tls;
    struct sender_trace view;
};

static struct str until_space(struct str text)
{
    const char *end = memchr(text.data, ' ', text.len);

    return end ? str_from(text.data, (size_t)(end - text.data)) : text;
}

/* curl says the version and the cipher in its log alone, unless one takes the SSL object from it.
 */
static void note_tls(struct trace *trace, struct str line)
{
    const struct str mark = STR("SSL connection using ");

    if (str_starts(line, mark)) {
        buf_clear(&trace->tls);
        buf_add_str(&trace->tls, until_space(str_from(line.data + mark.len, line.len - mark.len)));
    }
}

static int on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *arg)
{
    struct trace *trace = arg;

    (void)easy;
    if (type == CURLINFO_HEADER_OUT)
        buf_add(&trace->request, data, len);
    else if (type == CURLINFO_HEADER_IN)
        buf_add(&trace->response, data, len);
    else if (type == CURLINFO_TEXT)
        note_tls(trace, str_trim(str_from(data, len)));
    return 0;
}

enum result trace_attach(CURL *easy, struct trace **out, struct err *err)
{
    struct trace *trace = mem_alloc(sizeof(*trace));

    buf_init(&trace->request, SENDER_HEADERS_MAX);
    buf_init(&trace->response, SENDER_HEADERS_MAX);
    buf_init(&trace->tls, TLS_MAX);
    *out = trace;
    if (curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_DEBUGDATA, trace) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L) != CURLE_OK)
        return err_set(err, "libcurl does not tell of its exchanges");
    return OK;
}

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    buf_fini(&trace->request);
    buf_fini(&trace->response);
    buf_fini(&trace->tls);
    free(trace);
}

static struct str text_of(CURL *easy, CURLINFO info)
{
    const char *text = NULL;

    curl_easy_getinfo(easy, info, &text);
    return str_c(text);
}

static unsigned number_of(CURL *easy, CURLINFO info)
{
    long number = 0;

    curl_easy_getinfo(easy, info, &number);
    return (unsigned)number;
}

static uint64_t time_of(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;

    curl_easy_getinfo(easy, info, &us);
    return (uint64_t)us;
}

static const char *version_name(unsigned version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_1_1:
        return "1.1";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    }
    return "";
}

/* A field of the receiver's own certificate, the first of the chain. */
static struct str certificate_field(const struct curl_certinfo *chain, struct str name)
{
    const struct curl_slist *line = chain && chain->num_of_certs > 0 ? chain->certinfo[0] : NULL;
    struct str key, value;

    for (; line; line = line->next)
        if (str_split(str_c(line->data), ':', &key, &value) && str_eq(key, name))
            return value;
    return STR("");
}

static void read_certificate(struct sender_trace *view, CURL *easy)
{
    struct curl_certinfo *chain = NULL;

    curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain);
    view->subject = certificate_field(chain, STR("Subject"));
    view->issuer = certificate_field(chain, STR("Issuer"));
    view->expires = certificate_field(chain, STR("Expire date"));
}

const struct sender_trace *trace_read(struct trace *trace, CURL *easy)
{
    trace->view = (struct sender_trace){
        .request = buf_str(&trace->request),
        .response = buf_str(&trace->response),
        .address = text_of(easy, CURLINFO_PRIMARY_IP),
        .port = number_of(easy, CURLINFO_PRIMARY_PORT),
        .http_version = version_name(number_of(easy, CURLINFO_HTTP_VERSION)),
        .tls_version = buf_str(&trace->tls),
        .dns_us = time_of(easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_us = time_of(easy, CURLINFO_CONNECT_TIME_T),
        .tls_us = time_of(easy, CURLINFO_APPCONNECT_TIME_T),
        .first_byte_us = time_of(easy, CURLINFO_STARTTRANSFER_TIME_T),
        .total_us = time_of(easy, CURLINFO_TOTAL_TIME_T),
    };
    read_certificate(&trace->view, easy);
    return &trace->view;
}
