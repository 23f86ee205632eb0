#include "realtime/rest.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "realtime/broadcast.h"
#include "realtime/phoenix_binary.h"

#define MAX_ERRORS ((size_t)64 << 20)
#define BLANK "can't be blank"
#define INVALID "is invalid"
#define TOO_LARGE "Payload size exceeds the limit"
#define TOO_LONG "is too long"

/* One message of a request, and what is wrong with each of its parts; NULL: nothing. */
struct message {
    struct str topic, event, payload;
    bool is_private;
    const char *bad_topic, *bad_event, *bad_payload, *bad_private;
};

static bool is_bad(const struct message *m)
{
    return m->bad_topic || m->bad_event || m->bad_payload || m->bad_private;
}

/* A text that has to be there. What has to be unescaped goes into `names`, which has room for all.
 */
static const char *read_text(struct str value, struct buf *names, struct str *out)
{
    size_t start = names->len;

    if (value.len == 0 || str_eq(value, STR("null")) || str_eq(value, STR("\"\"")))
        return BLANK;
    if (value.data[0] != '"')
        return INVALID;
    *out = str_from(value.data + 1, value.len - 2);
    if (!memchr(out->data, '\\', out->len))
        return NULL;
    if (!json_unescape(names, *out))
        return INVALID;
    *out = str_from(names->data + start, names->len - start);
    return NULL;
}

static const char *check_payload(const struct core *core, struct str payload)
{
    if (payload.len == 0 || str_eq(payload, STR("null")))
        return BLANK;
    if (payload.data[0] != '{')
        return INVALID;
    return payload.len > core->config->realtime_max_payload_bytes ? TOO_LARGE : NULL;
}

static const char *read_private(struct str value, bool *out)
{
    *out = str_eq(value, STR("true")) || str_eq(value, STR("\"true\""));
    if (*out || value.len == 0 || str_eq(value, STR("null")) || str_eq(value, STR("false")) ||
        str_eq(value, STR("\"false\"")))
        return NULL;
    return INVALID;
}

static void read_message(const struct core *core, struct str object, struct buf *names,
                         struct message *out)
{
    struct json_cursor cursor = json_enter(object);
    struct str topic = {0}, event = {0}, payload = {0}, is_private = {0}, key, value;

    while (cursor.is_object && json_next(&cursor, &key, &value)) {
        if (str_eq(key, STR("topic")))
            topic = value;
        else if (str_eq(key, STR("event")))
            event = value;
        else if (str_eq(key, STR("payload")))
            payload = value;
        else if (str_eq(key, STR("private")))
            is_private = value;
    }
    out->bad_topic = read_text(topic, names, &out->topic);
    out->bad_event = read_text(event, names, &out->event);
    out->bad_payload = check_payload(core, payload);
    out->bad_private = read_private(is_private, &out->is_private);
    out->payload = payload;
}

static void add_faults(struct buf *out, const struct message *m)
{
    const struct {
        const char *part, *what;
    } faults[] = {{"topic", m->bad_topic},
                  {"event", m->bad_event},
                  {"payload", m->bad_payload},
                  {"private", m->bad_private}};
    const char *before = "";

    buf_add_char(out, '{');
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        if (!faults[i].what)
            continue;
        buf_addf(out, "%s\"%s\":[\"%s\"]", before, faults[i].part, faults[i].what);
        before = ",";
    }
    buf_add_char(out, '}');
}

static void answer_faults(struct answer *out, const struct message *messages, size_t count)
{
    struct buf body;

    buf_init(&body, MAX_ERRORS);
    buf_add_c(&body, "{\"errors\":{\"messages\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(&body, ',');
        add_faults(&body, &messages[i]);
    }
    buf_add_c(&body, "]}}");
    answer_with(out, 422, MEDIA_JSON, buf_str(&body));
    buf_fini(&body);
}

/* Who may send into a private channel is the database's to say, which is not asked here yet: only
 * those who bypass its policies may. */
static bool may_send_private(const struct request *request)
{
    return strcmp(request->caller->token->role, "service_role") == 0;
}

/* By whom he is, not by his token: a new one is no new rate. */
static struct rate *rate_of(const struct request *request)
{
    const struct token *token = request->caller->token;
    struct str who = token->sub ? str_c(token->sub) : str_from(token->claims, token->claims_len);

    return &request->core->rest[hash_more(hash_more(0, str_c(token->role)), who) % CORE_REST_RATES];
}

/* false: answered. */
static bool check_rate(const struct request *request, size_t count, struct answer *out)
{
    struct core *core = request->core;
    unsigned per_second = core->config->realtime_max_messages_per_second;
    const char *why = count > per_second
                          ? "TooManyRequests: Too many messages to broadcast, please "
                            "reduce the batch size"
                          : "TooManyRequests: You have exceeded your rate limit";

    if (rate_take_all(rate_of(request), count, per_second, request->now.ms))
        return true;
    stat_add(&core->stats->messages_limited_total, count);
    answer_error(out, 429, why);
    out->retry_after_s = 1;
    return false;
}

static void send_all(const struct request *request, const struct message *messages, size_t count,
                     enum broadcast_form form)
{
    for (size_t i = 0; i < count; i++) {
        const struct broadcast broadcast = {
            .form = form, .event = messages[i].event, .payload = messages[i].payload};

        broadcast_send(request->core, messages[i].topic, messages[i].is_private, &broadcast);
    }
}

/* All of them, or none. */
static void judge(const struct request *request, const struct message *messages, size_t count,
                  enum broadcast_form form, struct answer *out)
{
    bool bad = false, forbidden = false;

    for (size_t i = 0; i < count; i++) {
        bad = bad || is_bad(&messages[i]);
        forbidden = forbidden || (messages[i].is_private && !may_send_private(request));
    }
    if (bad) {
        answer_faults(out, messages, count);
    } else if (forbidden) {
        answer_error(out, 403,
                     "Unauthorized: You do not have permissions to write to a private Channel");
    } else if (check_rate(request, count, out)) {
        send_all(request, messages, count, form);
        answer_empty(out, 202);
    }
}

static struct str find_messages(struct str body)
{
    struct json_cursor cursor = json_enter(body);
    struct str key, value, found = {0};

    while (cursor.is_object && json_next(&cursor, &key, &value))
        if (str_eq(key, STR("messages")))
            found = value;
    return found;
}

static size_t count_elements(struct str array)
{
    struct json_cursor cursor = json_enter(array);
    struct str key, value;
    size_t count = 0;

    while (json_next(&cursor, &key, &value))
        count++;
    return count;
}

static void answer_list(struct answer *out, const char *what)
{
    struct buf body;

    buf_init(&body, 256);
    buf_addf(&body, "{\"errors\":{\"messages\":[\"%s\"]}}", what);
    answer_with(out, 422, MEDIA_JSON, buf_str(&body));
    buf_fini(&body);
}

void rest_broadcast(const struct request *request, struct answer *out)
{
    struct str list, key, value;
    struct json_cursor cursor;
    struct message *messages;
    struct buf names;
    size_t count, i = 0;

    if (!json_is_valid(request->body)) {
        answer_error(out, 400, "BadRequest: The body is not JSON");
        return;
    }
    list = find_messages(request->body);
    if (list.len == 0 || list.data[0] != '[') {
        answer_list(out, list.len == 0 || str_eq(list, STR("null")) ? BLANK : INVALID);
        return;
    }
    count = count_elements(list);
    if (count > request->core->config->realtime_max_messages_per_second) {
        check_rate(request, count, out);
        return;
    }
    messages = mem_array(count, sizeof(*messages));
    buf_init(&names, request->body.len);
    buf_reserve(&names, request->body.len);
    for (cursor = json_enter(list); json_next(&cursor, &key, &value); i++)
        read_message(request->core, value, &names, &messages[i]);
    judge(request, messages, count, BROADCAST_JSON, out);
    buf_fini(&names);
    free(messages);
}

/* `{topic}/events/{event}`, at the last `/events/`: slashes in names are sent as %2F, and have been
 * decoded. */
static bool split_path(struct str path, struct message *out)
{
    static const char middle[] = "/events/";
    size_t len = sizeof(middle) - 1;

    for (size_t at = path.len; at-- > 1;) {
        if (path.len - at <= len || memcmp(path.data + at, middle, len) != 0)
            continue;
        out->topic = str_from(path.data, at);
        out->event = str_from(path.data + at + len, path.len - at - len);
        return true;
    }
    return false;
}

static bool form_of(const struct request *request, enum broadcast_form *out)
{
    struct str type, parameters;

    str_split(request->content_type, ';', &type, &parameters);
    type = str_trim(type);
    *out = str_eq_nocase(type, STR("application/octet-stream")) ? BROADCAST_BINARY_BYTES
                                                                : BROADCAST_JSON;
    return *out == BROADCAST_BINARY_BYTES || type.len == 0 || str_eq_nocase(type, STR(MEDIA_JSON));
}

static const char *check_one_payload(const struct core *core, struct str payload,
                                     enum broadcast_form form)
{
    if (form == BROADCAST_JSON && !json_is_valid(payload))
        return INVALID;
    return payload.len > core->config->realtime_max_payload_bytes ? TOO_LARGE : NULL;
}

static const char *check_name(struct str name, size_t max)
{
    if (!str_is_utf8(name))
        return INVALID;
    return name.len > max ? TOO_LONG : NULL;
}

void rest_broadcast_one(const struct request *request, struct answer *out)
{
    struct message m = {.payload = request->body};
    enum broadcast_form form;
    struct str is_private;

    if (!split_path(request->parts[0], &m)) {
        answer_error(out, 404, "NotFound: POST .../api/broadcast/{topic}/events/{event}");
        return;
    }
    if (!form_of(request, &form)) {
        answer_error(out, 415,
                     "Unsupported Media Type. Use application/json or "
                     "application/octet-stream");
        return;
    }
    if (form == BROADCAST_JSON && m.payload.len == 0)
        m.payload = STR("{}");
    m.bad_topic = check_name(m.topic, PHOENIX_MAX_BINARY_TEXT - CHANNEL_PREFIX.len);
    m.bad_event = check_name(m.event, PHOENIX_MAX_BINARY_TEXT);
    m.bad_payload = check_one_payload(request->core, m.payload, form);
    m.is_private =
        query_get(request->query, STR("private"), &is_private) && str_eq(is_private, STR("true"));
    judge(request, &m, 1, form, out);
}
