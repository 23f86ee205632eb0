/* Plain HTTP on libwebsockets: reads a request, sees who asks, lets a route answer it.
 *
 * Everything but the body is there at once, so a request is judged before its body is read; a body
 * of a request that is refused is dropped as it comes, so that the answer is not lost in a reset. A
 * body that is too large, or whose end was not announced, is not waited for: the connection ends
 * with the answer. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "internal.h"

#define BODY_WAIT_MS 10000
#define ANSWER_WAIT_S 15 /* for a handler that answers later; it has a limit of its own */
#define MAX_QUERY 4096
#define CREDENTIALS_BYTES (TOKEN_MAX_BYTES + 64)

static enum method read_method(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        enum method method;
    } known[] = {{WSI_TOKEN_GET_URI, METHOD_GET},
                 {WSI_TOKEN_HEAD_URI, METHOD_HEAD},
                 {WSI_TOKEN_POST_URI, METHOD_POST},
                 {WSI_TOKEN_OPTIONS_URI, METHOD_OPTIONS}};

    for (size_t i = 0; i < LWS_ARRAY_SIZE(known); i++)
        if (lws_hdr_total_length(wsi, known[i].token) > 0)
            return known[i].method;
    return METHOD_OTHER;
}

/* libwebsockets has taken the pairs apart. */
static void read_query(struct lws *wsi, struct buf *out)
{
    char pair[MAX_QUERY];
    int len;

    for (int i = 0;
         (len = lws_hdr_copy_fragment(wsi, pair, sizeof(pair), WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0;
         i++) {
        if (out->len > 0)
            buf_add_char(out, '&');
        buf_add(out, pair, (size_t)len);
    }
}

static struct str read_custom(struct lws *wsi, const char *name, char *room, int size)
{
    int len = lws_hdr_custom_copy(wsi, room, size, name, (int)strlen(name));

    return len > 0 ? str_trim(str_from(room, (size_t)len)) : STR("");
}

/* `Authorization: Bearer`, else what Supabase's clients and gateways send. Supabase's gateway takes
 * the key from the query, too; the operator's listener does not. */
static struct str read_credentials(struct lws *wsi, bool admin, char *room, int size)
{
    int len = lws_hdr_copy(wsi, room, size, WSI_TOKEN_HTTP_AUTHORIZATION);
    struct str scheme, text;

    if (len > 0 && str_split(str_trim(str_from(room, (size_t)len)), ' ', &scheme, &text) &&
        str_eq_nocase(scheme, STR("Bearer")))
        return str_trim(text);
    text = read_custom(wsi, "apikey:", room, size);
    if (text.len == 0)
        text = read_custom(wsi, "x-api-key:", room, size);
    if (text.len == 0 && !admin)
        text = str_c(lws_get_urlarg_by_name(wsi, "apikey=", room, size));
    return text;
}

static bool is_announced(struct lws *wsi, struct exchange *exchange)
{
    char text[32];
    int len;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0)
        return true;
    len = lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH);
    return len > 0 && str_to_u64(str_trim(str_from(text, (size_t)len)), &exchange->expected);
}

/* Refuses a body that cannot be taken. */
static void check_body(struct lws *wsi, struct exchange *exchange)
{
    const struct route *route = exchange->route;
    struct answer *answer = &exchange->answer;
    bool announced = is_announced(wsi, exchange);

    if (!announced)
        answer_error(answer, 400, "BadRequest: Content-Length is not a number");
    else if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        answer_error(answer, 411, "LengthRequired: Send the body with its Content-Length");
    else if (exchange->expected > route->max_body)
        answer_error(answer, 413, "PayloadTooLarge: The body is too large");
    /* libwebsockets waits for the body of a POST even if none is announced */
    exchange->last =
        answer->status != 0 || (exchange->method == METHOD_POST &&
                                lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0);
    if (answer->status == 0 && exchange->expected > 0 &&
        !route_accepts(route, str_c(exchange->content_type)))
        answer_error(answer, 415, "UnsupportedMediaType: The body has to be application/json");
}

static enum scope needs(const struct exchange *exchange)
{
    const struct config *config = exchange->core->config;

    if (exchange->admin && !config->admin_auth)
        return SCOPE_NONE;
    return exchange->route->needs;
}

static void check_caller(struct lws *wsi, struct exchange *exchange)
{
    char room[CREDENTIALS_BYTES];
    struct str text;
    enum access access;
    struct err err;

    if (needs(exchange) == SCOPE_NONE)
        return;
    text = read_credentials(wsi, exchange->admin, room, sizeof(room));
    if (text.len == 0) {
        answer_error(&exchange->answer, 401,
                     "Unauthorized: Send an API key or a token as Authorization: Bearer");
        return;
    }
    access = authority_admit(&exchange->core->authority, text, needs(exchange), moment_now(),
                             &exchange->caller, &err);
    if (access == ACCESS_GRANTED)
        return;
    answer_error(&exchange->answer, access_status(access), err.message);
    exchange->answer.retry_after_s = exchange->caller.retry_after_s;
}

static struct exchange *exchange_new(struct lws *wsi, struct peer *peer, const char *path,
                                     size_t len, bool admin)
{
    struct exchange *exchange = mem_alloc(sizeof(*exchange));

    exchange_free(peer->exchange);
    peer->exchange = exchange;
    exchange->core = server_of(wsi)->core;
    exchange->admin = admin;
    exchange->method = read_method(wsi);
    exchange->path = str_dup(str_from(path, len));
    exchange->began_ms = clock_monotonic_ms();
    lws_hdr_copy(wsi, exchange->content_type, sizeof(exchange->content_type),
                 WSI_TOKEN_HTTP_CONTENT_TYPE);
    buf_init(&exchange->query, MAX_QUERY);
    read_query(wsi, &exchange->query);
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return;
    later_hang_up(exchange->later);
    /* Somebody who hung up was there all the same. */
    authority_settle(&exchange->core->authority, &exchange->caller, moment_now(), true);
    answer_fini(&exchange->answer);
    buf_fini(&exchange->query);
    buf_fini(&exchange->body);
    free(exchange->path);
    free(exchange);
}

static int send_answer(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;

    exchange->allowance = exchange->caller.allowance;
    authority_settle(&exchange->core->authority, &exchange->caller, moment_now(),
                     exchange->answer.status >= 400);
    return http_send(wsi, peer);
}

static void on_later(void *arg)
{
    lws_rx_flow_control(arg, 1);
    lws_callback_on_writable(arg);
}

/* The connection ends with the answer: what the client sends behind its request meanwhile would
 * confuse libwebsockets. It is not read either until the answer is there, since what is read and
 * not taken makes libwebsockets turn without a pause; with reading off it does not say when it can
 * write, so on_later() turns it on first. */
static int wait_for_answer(struct lws *wsi, struct exchange *exchange)
{
    exchange->later->wake = on_later;
    exchange->later->arg = wsi;
    exchange->last = true;
    lws_rx_flow_control(wsi, 0);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, ANSWER_WAIT_S);
    return 0;
}

static int finish(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;

    if (exchange->answer.status == 0) {
        struct request request = {.core = exchange->core,
                                  .method = exchange->method,
                                  .query = buf_str(&exchange->query),
                                  .body = buf_str(&exchange->body),
                                  .content_type = str_c(exchange->content_type),
                                  .caller = &exchange->caller,
                                  .now = moment_now(),
                                  .later = &exchange->later};

        memcpy(request.parts, exchange->parts, sizeof(request.parts));
        exchange->route->handle(&request, &exchange->answer);
    }
    return exchange->later ? wait_for_answer(wsi, exchange) : send_answer(wsi, peer);
}

/* The answer has come, or the head is out. */
static int go_on(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;

    if (!exchange || exchange->later || exchange->answer.status == 0)
        return 0;
    return exchange->sending ? http_send_body(wsi, peer) : send_answer(wsi, peer);
}

static int begin(struct lws *wsi, struct peer *peer, const char *path, size_t len, bool admin)
{
    struct exchange *exchange = exchange_new(wsi, peer, path, len, admin);
    unsigned status;

    exchange->route = router_find(admin ? admin_routes : public_routes,
                                  admin ? admin_route_count : public_route_count, exchange->method,
                                  str_c(exchange->path), exchange->parts, &status, exchange->allow);
    if (!exchange->route) {
        exchange->last = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
                         exchange->method == METHOD_POST || exchange->method == METHOD_OTHER;
        if (status == 204)
            answer_empty(&exchange->answer, status);
        else
            answer_with(&exchange->answer, status, MEDIA_TEXT,
                        status == 404 ? STR("not found\n") : STR("method not allowed\n"));
        return http_send(wsi, peer);
    }
    check_body(wsi, exchange);
    if (exchange->answer.status == 0)
        check_caller(wsi, exchange);
    if (exchange->expected == 0 || exchange->last)
        return finish(wsi, peer);
    buf_init(&exchange->body, exchange->expected);
    return 0;
}

static int take_body(struct peer *peer, const void *data, size_t len)
{
    struct exchange *exchange = peer->exchange;

    if (!exchange || exchange->sending || exchange->later)
        return 0;
    if (clock_monotonic_ms() - exchange->began_ms > BODY_WAIT_MS)
        return -1;
    if (exchange->answer.status == 0)
        buf_add(&exchange->body, data, len);
    return buf_ok(&exchange->body) ? 0 : -1;
}

static int end_body(struct lws *wsi, struct peer *peer)
{
    struct exchange *exchange = peer->exchange;

    return exchange && !exchange->sending && !exchange->later ? finish(wsi, peer) : 0;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, struct peer *peer, void *in,
                  size_t len, bool admin)
{
    if (reason == LWS_CALLBACK_HTTP)
        return begin(wsi, peer, in, len, admin);
    if (reason == LWS_CALLBACK_RAW_ADOPT) /* CONNECT: we are no proxy */
        return -1;
    if (reason == LWS_CALLBACK_HTTP_BODY)
        return take_body(peer, in, len);
    if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
        return end_body(wsi, peer);
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return go_on(wsi, peer);
    if (reason == LWS_CALLBACK_CLOSED_HTTP && peer) {
        exchange_free(peer->exchange);
        peer->exchange = NULL;
    }
    return 0;
}
