#include "cli/exchange.h"

#include <string.h>

#include "dispatch/headers.h"
#include "dispatch/schedule.h"

#define MAX_TEXT ((size_t)64 << 20)

/* ---------------------------------------------------------------- what is hidden */

bool exchange_is_credential(struct str name)
{
    static const char *const patterns[] = {"*auth*",     "*token*",  "*secret*",    "*key*",
                                           "*password*", "*cookie*", "*credential*"};
    char lower[128];
    size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);

    if (str_starts(name, STR("webhook-")))
        return false; /* signatures are there to be shown */
    for (size_t i = 0; i < len; i++)
        lower[i] =
            name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20) : name.data[i];
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
        if (str_glob(str_c(patterns[i]), str_from(lower, len)))
            return true;
    return false;
}

void exchange_add_url(struct buf *out, struct str url)
{
    struct str scheme, rest, user, behind;
    size_t host = 0, end = 0;

    if (!str_split(url, ':', &scheme, &rest) || !str_starts(rest, STR("//")))
        return;
    rest = str_from(rest.data + 2, rest.len - 2);
    while (host < rest.len && !strchr("/?#", rest.data[host]))
        host++;
    while (end < rest.len && rest.data[end] != '?' && rest.data[end] != '#')
        end++;
    buf_add_str(out, scheme);
    buf_add_c(out, "://");
    if (str_split(str_from(rest.data, host), '@', &user, &behind))
        buf_add_str(out, behind);
    else
        buf_add_str(out, user);
    buf_add(out, rest.data + host, end - host);
    if (end < rest.len)
        buf_add_c(out, "?...");
}

/* ---------------------------------------------------------------- to JSON */

/* Bytes from outside as text: UTF-8, or with a "?" for every byte that is not ASCII. */
static json_t *text(struct str s)
{
    struct buf plain;
    json_t *made;

    s = str_whole_utf8(s);
    if (str_is_utf8(s))
        return json_stringn(s.data, s.len);
    buf_init(&plain, MAX_TEXT);
    for (size_t i = 0; i < s.len; i++)
        buf_add_char(&plain, (unsigned char)s.data[i] < 0x80 ? s.data[i] : '?');
    made = json_stringn(plain.data ? plain.data : "", plain.len);
    buf_fini(&plain);
    return made;
}

static void add_header(json_t *headers, struct str line, bool show_all)
{
    struct str name, value;
    json_t *header = json_object();

    if (!str_split(line, ':', &name, &value))
        (void)str_split(line, ';', &name, &value); /* curl's form of an empty one */
    json_object_set_new(header, "name", text(name));
    json_object_set_new(header, "value",
                        !show_all && exchange_is_credential(name) ? json_string("[hidden]")
                                                                  : text(str_trim(value)));
    json_array_append_new(headers, header);
}

/* `POST /hook?token=x HTTP/1.1` without what may be a credential. */
static json_t *request_line(struct str line, bool show_all)
{
    const char *mark = memchr(line.data, '?', line.len);
    const char *end = mark ? memchr(mark, ' ', (size_t)(line.data + line.len - mark)) : NULL;
    struct buf out;
    json_t *made;

    if (show_all || !end)
        return text(line);
    buf_init(&out, MAX_TEXT);
    buf_add(&out, line.data, (size_t)(mark - line.data));
    buf_add_c(&out, "?...");
    buf_add(&out, end, (size_t)(line.data + line.len - end));
    made = text(buf_str(&out));
    buf_fini(&out);
    return made;
}

/* The lines of a head as they came: the first one, and the headers behind it. Of several heads
 * behind each other (interim responses) the last. */
static void add_head(json_t *to, struct str head, const char *first, bool show_all)
{
    json_t *headers = json_array();
    struct str line;
    bool begun = false;

    while (head.len > 0) {
        (void)str_split(head, '\n', &line, &head);
        line = str_trim(line);
        if (line.len == 0) {
            begun = false;
        } else if (!begun) {
            begun = true;
            json_array_clear(headers);
            json_object_set_new(to, first, request_line(line, show_all));
        } else {
            add_header(headers, line, show_all);
        }
    }
    json_object_set_new(to, "headers", headers);
}

static json_t *unsent_request(const struct exchange *exchange)
{
    json_t *request = json_object(), *headers = json_array();
    struct buf url;
    const char *line;
    size_t at = 0;

    buf_init(&url, MAX_TEXT);
    buf_add_c(&url, "POST ");
    if (exchange->show_all)
        buf_add_c(&url, exchange->url);
    else
        exchange_add_url(&url, str_c(exchange->url));
    json_object_set_new(request, "line", text(buf_str(&url)));
    while ((line = headers_next(exchange->headers, &at)))
        add_header(headers, str_c(line), exchange->show_all);
    json_object_set_new(request, "headers", headers);
    buf_fini(&url);
    return request;
}

static json_t *request_json(const struct exchange *exchange)
{
    const struct sender_trace *trace = exchange->answer ? exchange->answer->trace : NULL;
    json_t *request;

    if (trace && trace->request.len > 0) {
        request = json_object();
        add_head(request, trace->request, "line", exchange->show_all);
    } else { /* it did not come to that */
        request = unsent_request(exchange);
    }
    json_object_set_new(request, "body", text(exchange->body));
    return request;
}

static json_t *connection_json(const struct sender_answer *answer)
{
    const struct sender_trace *trace = answer->trace;
    json_t *connection = json_object();

    if (trace->address.len > 0) {
        json_object_set_new(connection, "address", text(trace->address));
        json_object_set_new(connection, "port", json_integer(trace->port));
    }
    if (trace->http_version[0])
        json_object_set_new(connection, "http_version", json_string(trace->http_version));
    if (trace->tls_version.len > 0) {
        json_object_set_new(connection, "tls_version", text(trace->tls_version));
        json_object_set_new(connection, "certificate",
                            json_string(trace->tls_us > 0 ? "verified" : "refused"));
        json_object_set_new(connection, "certificate_subject", text(trace->subject));
        json_object_set_new(connection, "certificate_issuer", text(trace->issuer));
        json_object_set_new(connection, "certificate_expires", text(trace->expires));
    }
    return connection;
}

/* The end of the phase before is the start of the next. */
static void add_time(json_t *timings, const char *name, uint64_t end_us, uint64_t *before_us)
{
    if (end_us == 0)
        return;
    json_object_set_new(timings, name,
                        json_real(end_us > *before_us ? (double)(end_us - *before_us) / 1000 : 0));
    *before_us = end_us;
}

static json_t *timings_json(const struct sender_trace *trace)
{
    json_t *timings = json_object();
    uint64_t before_us = 0;

    add_time(timings, "dns", trace->dns_us, &before_us);
    add_time(timings, "connect", trace->connect_us, &before_us);
    add_time(timings, "tls", trace->tls_us, &before_us);
    add_time(timings, "first_byte", trace->first_byte_us, &before_us);
    json_object_set_new(timings, "total", json_real((double)trace->total_us / 1000));
    return timings;
}

static json_t *response_json(const struct exchange *exchange)
{
    const struct sender_answer *answer = exchange->answer;
    json_t *response = json_object();

    json_object_set_new(response, "status", json_integer(answer->status_code));
    add_head(response, answer->trace->response, "line", exchange->show_all);
    json_object_set_new(response, "body", text(answer->body));
    json_object_set_new(response, "body_is_cut",
                        json_boolean(answer->body.len >= exchange->keep_bytes));
    return response;
}

static void add_answer(json_t *to, const struct exchange *exchange)
{
    const struct sender_answer *answer = exchange->answer;
    bool ok = answer->complete && schedule_is_success(answer->status_code);

    json_object_set_new(to, "connection", connection_json(answer));
    json_object_set_new(to, "timings_ms", timings_json(answer->trace));
    if (answer->status_code != 0)
        json_object_set_new(to, "response", response_json(exchange));
    json_object_set_new(to, "ok", json_boolean(ok));
    json_object_set_new(to, "error", answer->error ? text(str_c(answer->error)) : json_null());
}

json_t *exchange_json(const struct exchange *exchange)
{
    json_t *root = json_object();

    json_object_set_new(root, "webhook", json_string(exchange->webhook_id));
    json_object_set_new(root, "name", text(str_c(exchange->webhook_name)));
    json_object_set_new(root, "request", request_json(exchange));
    if (exchange->answer)
        add_answer(root, exchange);
    return root;
}

/* ---------------------------------------------------------------- to lines of text */

static struct str member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? str_from(json_string_value(value), json_string_length(value))
                                 : STR("");
}

/* Each line behind a mark. Nothing in it can command the terminal. */
static void add_lines(struct buf *out, char mark, struct str lines)
{
    while (lines.len > 0) {
        struct str line;

        (void)str_split(lines, '\n', &line, &lines);
        buf_add_char(out, mark);
        buf_add_char(out, ' ');
        for (size_t i = 0; i < line.len; i++) {
            unsigned char c = (unsigned char)line.data[i];

            buf_add_char(out, (c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c);
        }
        buf_add_char(out, '\n');
    }
}

static void add_message(struct buf *out, char mark, const json_t *message)
{
    const json_t *header;
    size_t i;

    add_lines(out, mark, member(message, "line"));
    json_array_foreach(json_object_get(message, "headers"), i, header)
    {
        struct buf line;

        buf_init(&line, MAX_TEXT);
        buf_add_str(&line, member(header, "name"));
        buf_add_c(&line, ": ");
        buf_add_str(&line, member(header, "value"));
        add_lines(out, mark, buf_str(&line));
        buf_fini(&line);
    }
    buf_addf(out, "%c\n", mark);
    add_lines(out, mark, member(message, "body"));
    if (json_is_true(json_object_get(message, "body_is_cut")))
        buf_add_c(out, "  (the rest of the body is not kept)\n");
    buf_add_char(out, '\n');
}

static void add_connection(struct buf *out, const json_t *connection)
{
    struct buf line;

    if (!json_object_get(connection, "address"))
        return;
    buf_init(&line, MAX_TEXT);
    buf_addf(&line, "connected to %.*s port %lld", STR_ARG(member(connection, "address")),
             (long long)json_integer_value(json_object_get(connection, "port")));
    if (member(connection, "http_version").len > 0)
        buf_addf(&line, ", HTTP/%.*s", STR_ARG(member(connection, "http_version")));
    if (member(connection, "tls_version").len > 0)
        buf_addf(&line, "\n%.*s, certificate %.*s", STR_ARG(member(connection, "tls_version")),
                 STR_ARG(member(connection, "certificate")));
    if (member(connection, "certificate_subject").len > 0)
        buf_addf(&line, ": %.*s, issued by %.*s, until %.*s",
                 STR_ARG(member(connection, "certificate_subject")),
                 STR_ARG(member(connection, "certificate_issuer")),
                 STR_ARG(member(connection, "certificate_expires")));
    add_lines(out, '*', buf_str(&line));
    buf_fini(&line);
}

static void add_timings(struct buf *out, const json_t *timings)
{
    const char *name;
    json_t *ms;
    bool first = true;

    buf_add_c(out, "* ");
    json_object_foreach((json_t *)(uintptr_t)timings, name, ms)
    {
        buf_addf(out, "%s%s %.1f ms", first ? "" : ", ", name, json_real_value(ms));
        first = false;
    }
    buf_add_c(out, "\n\n");
}

static void add_verdict(struct buf *out, const json_t *root)
{
    struct str error = member(root, "error");
    long long status =
        (long long)json_integer_value(json_object_get(json_object_get(root, "response"), "status"));

    if (error.len > 0)
        add_lines(out, '!', error);
    else
        buf_addf(out, "%s: HTTP %lld\n",
                 json_is_true(json_object_get(root, "ok")) ? "ok" : "failed", status);
}

void exchange_write(struct buf *out, const struct exchange *exchange)
{
    json_t *root = exchange_json(exchange);
    const json_t *response = json_object_get(root, "response");

    add_message(out, '>', json_object_get(root, "request"));
    if (exchange->answer) {
        add_connection(out, json_object_get(root, "connection"));
        add_timings(out, json_object_get(root, "timings_ms"));
        if (response)
            add_message(out, '<', response);
        add_verdict(out, root);
    }
    json_decref(root);
}
