#include "realtime/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define MAX_ERROR 8192

/* Segment by segment; `parts` gets what stands for a `*`, which is never empty. */
static bool fits(struct str pattern, struct str path, struct str parts[ROUTE_PARTS])
{
    size_t count = 0;
    bool more;

    do {
        struct str want, have, rest, left = path;
        bool more_path = str_split(path, '/', &have, &rest);

        path = rest;
        more = str_split(pattern, '/', &want, &rest);
        pattern = rest;
        if (str_eq(want, STR("**")) && count < ROUTE_PARTS) {
            parts[count] = left;
            return left.len > 0;
        }
        if (more != more_path)
            return false;
        if (!str_eq(want, STR("*"))) {
            if (!str_eq(want, have))
                return false;
        } else if (have.len == 0 || count == ROUTE_PARTS) {
            return false;
        } else {
            parts[count++] = have;
        }
    } while (more);
    return true;
}

static void write_methods(unsigned methods, char out[ALLOW_TEXT])
{
    static const struct {
        unsigned method;
        const char *name;
    } names[] = {{METHOD_GET, "GET"},
                 {METHOD_HEAD, "HEAD"},
                 {METHOD_POST, "POST"},
                 {METHOD_OPTIONS, "OPTIONS"}};
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (methods & names[i].method)
            len += (size_t)snprintf(out + len, ALLOW_TEXT - len, "%s%s", len ? ", " : "",
                                    names[i].name);
    }
}

const struct route *router_find(const struct route *routes, size_t count, enum method method,
                                struct str path, struct str parts[ROUTE_PARTS], unsigned *status,
                                char allow[ALLOW_TEXT])
{
    const struct route *found = NULL;
    unsigned methods = 0;

    memset(parts, 0, sizeof(*parts) * ROUTE_PARTS);
    for (size_t i = 0; i < count && !found; i++) {
        struct str here[ROUTE_PARTS] = {{0}};

        if (!fits(str_c(routes[i].path), path, here))
            continue;
        methods |= routes[i].methods | (routes[i].cors ? METHOD_OPTIONS : 0);
        if (routes[i].methods & method) {
            found = &routes[i];
            memcpy(parts, here, sizeof(here));
        }
    }
    write_methods(methods, allow);
    *status = methods == 0 ? 404 : (methods & METHOD_OPTIONS & method) ? 204 : 405;
    return found;
}

bool route_accepts(const struct route *route, struct str content_type)
{
    struct str type, parameters;

    if (!route->accepts)
        return true;
    str_split(content_type, ';', &type, &parameters);
    return str_eq_nocase(str_trim(type), str_c(route->accepts));
}

bool query_get(struct str query, struct str name, struct str *value)
{
    bool more = query.len > 0;

    while (more) {
        struct str pair, key;

        more = str_split(query, '&', &pair, &query);
        str_split(pair, '=', &key, value);
        if (str_eq(key, name))
            return true;
    }
    *value = STR("");
    return false;
}

struct later *request_defer(const struct request *request, struct answer *answer)
{
    struct later *later = mem_alloc(sizeof(*later));

    later->answer = answer;
    later->slot = request->later;
    *later->slot = later;
    return later;
}

void later_end(struct later *later)
{
    if (later->slot)
        *later->slot = NULL;
    if (later->slot && later->wake)
        later->wake(later->arg);
    free(later);
}

void later_hang_up(struct later *later)
{
    if (!later)
        return;
    later->answer = NULL;
    later->slot = NULL;
}

void answer_fini(struct answer *answer)
{
    frame_unref(answer->body);
    memset(answer, 0, sizeof(*answer));
}

void answer_empty(struct answer *out, unsigned status)
{
    answer_fini(out);
    out->status = status;
}

void answer_with(struct answer *out, unsigned status, const char *type, struct str body)
{
    answer_empty(out, status);
    out->type = type;
    out->body = frame_new(body);
}

void answer_error(struct answer *out, unsigned status, const char *message)
{
    struct str code, text;
    struct buf body;

    if (!str_split(str_c(message), ':', &code, &text)) {
        text = code;
        code = STR("Error");
    }
    buf_init(&body, MAX_ERROR);
    buf_add_c(&body, "{\"error\":");
    json_add_string(&body, code);
    buf_add_c(&body, ",\"message\":");
    json_add_string(&body, str_trim(text));
    buf_add_char(&body, '}');
    answer_with(out, status, MEDIA_JSON, buf_str(&body));
    buf_fini(&body);
}
