#include "cli/fetch.h"

#include <curl/curl.h>
#include <string.h>

#define TIMEOUT_MS 2000L
#define MAX_HEADER 20000

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct buf *body = arg;

    buf_add(body, data, size * count);
    return buf_ok(body) ? size * count : 0;
}

static void make_url(const struct config_address *address, const char *path, struct buf *url)
{
    struct config_address asked = *address;
    char text[128];

    if (asked.host[0] == '\0' || strcmp(asked.host, "0.0.0.0") == 0)
        asked.host = (char[]){"127.0.0.1"};
    else if (strcmp(asked.host, "::") == 0)
        asked.host = (char[]){"::1"};
    buf_addf(url, "http://%s%s", config_address_text(&asked, text), path);
}

/* The list to be freed, NULL if there is nothing to say. */
static struct curl_slist *make_headers(struct str token)
{
    struct curl_slist *headers = NULL;
    struct buf line;

    if (token.len == 0)
        return NULL;
    buf_init(&line, MAX_HEADER);
    buf_add_c(&line, "Authorization: Bearer ");
    buf_add_str(&line, token);
    if (buf_ok(&line))
        headers = curl_slist_append(NULL, buf_str(&line).data);
    buf_fini(&line);
    return headers;
}

enum result fetch(const struct config_address *address, const char *path, struct str token,
                  long *status, struct buf *body, struct err *err)
{
    CURL *curl = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    struct curl_slist *headers = make_headers(token);
    struct buf url;

    buf_init(&url, 1024);
    make_url(address, path, &url);
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_URL, buf_str(&url).data);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
        curl_easy_cleanup(curl);
    }
    if (code != CURLE_OK)
        err_set(err, "no answer from %s: %s", buf_str(&url).data, curl_easy_strerror(code));
    curl_slist_free_all(headers);
    buf_fini(&url);
    return code == CURLE_OK ? OK : FAILED;
}
