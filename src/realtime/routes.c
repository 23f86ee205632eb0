/* Who answers which path. */
#include "realtime/keys_api.h"
#include "realtime/metrics.h"
#include "realtime/rest.h"
#include "realtime/router.h"

#define MAX_METRICS ((size_t)4 << 20)

static void page(const struct request *request, struct answer *out)
{
    answer_empty(out, 200);
    out->type = MEDIA_HTML;
    out->body = frame_ref(request->core->page);
}

static void health(const struct request *request, struct answer *out)
{
    (void)request;
    answer_with(out, 200, MEDIA_TEXT, STR("alive\n"));
}

static void readiness(const struct request *request, struct answer *out)
{
    struct buf text;
    bool ready;

    buf_init(&text, 1024);
    ready = metrics_write_ready(&text, request->core->stats);
    answer_with(out, ready ? 200 : 503, MEDIA_TEXT, buf_str(&text));
    buf_fini(&text);
}

static void numbers(const struct request *request, struct answer *out, const char *type,
                    void (*write)(struct buf *out, const struct stats *stats))
{
    struct buf text;

    buf_init(&text, MAX_METRICS);
    write(&text, request->core->stats);
    answer_with(out, 200, type, buf_str(&text));
    buf_fini(&text);
}

static void metrics(const struct request *request, struct answer *out)
{
    numbers(request, out, "text/plain; version=0.0.4; charset=utf-8", metrics_write);
}

static void status(const struct request *request, struct answer *out)
{
    numbers(request, out, MEDIA_JSON, metrics_write_json);
}

/* Mostly a proxy that was told of the path and not of WebSockets. */
static void no_upgrade(const struct request *request, struct answer *out)
{
    (void)request;
    answer_with(out, 400, MEDIA_TEXT,
                STR("This is a WebSocket, and the request asks for none. A proxy in between has to "
                    "speak HTTP/1.1 and to pass on the headers Upgrade and Connection.\n"));
}

/* Supabase's REST, as the server has it and as a gateway shows it. */
#define REST(under, handler)                                                                       \
    {                                                                                              \
        .path = (under), .methods = METHOD_POST, .needs = SCOPE_BROADCAST, .cors = true,           \
        .max_body = REST_MAX_BODY, .handle = (handler)                                             \
    }

const struct route public_routes[] = {
    {.path = "/", .methods = METHOD_READ, .page = true, .handle = page},
    {.path = "/realtime/v1/websocket", .methods = METHOD_READ, .handle = no_upgrade},
    {.path = "/socket/websocket", .methods = METHOD_READ, .handle = no_upgrade},
    REST("/api/broadcast", rest_broadcast),
    REST("/api/broadcast/**", rest_broadcast_one),
    REST("/realtime/v1/api/broadcast", rest_broadcast),
    REST("/realtime/v1/api/broadcast/**", rest_broadcast_one),
    {.path = "/keys/v1/self",
     .methods = METHOD_READ,
     .needs = SCOPE_KEY,
     .cors = true,
     .handle = keys_api_self},
    {.path = "/keys/v1/token",
     .methods = METHOD_POST,
     .needs = SCOPE_TOKEN,
     .cors = true,
     .max_body = 1024, /* nothing is read of it, but clients like to send {} */
     .handle = keys_api_token},
};
const size_t public_route_count = sizeof(public_routes) / sizeof(*public_routes);

/* With admin_auth off those that need SCOPE_ADMIN ask nobody. */
const struct route admin_routes[] = {
    {.path = "/healthz", .methods = METHOD_READ, .handle = health},
    {.path = "/readyz", .methods = METHOD_READ, .handle = readiness},
    {.path = "/metrics", .methods = METHOD_READ, .needs = SCOPE_ADMIN, .handle = metrics},
    {.path = "/status.json", .methods = METHOD_READ, .needs = SCOPE_ADMIN, .handle = status},
};
const size_t admin_route_count = sizeof(admin_routes) / sizeof(*admin_routes);
