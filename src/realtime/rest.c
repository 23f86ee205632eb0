#include "realtime/rest.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "realtime/phoenix_binary.h"
#include "realtime/rest_batch.h"

#define MAX_ERRORS ((size_t)64 << 20)
#define BLANK "can't be blank"
#define INVALID "is invalid"
#define TOO_LARGE "Payload size exceeds the limit"
#define TOO_LONG "is too long"

static bool is_bad(const struct rest_message *m)
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
                         struct rest_message *out)
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

static void add_faults(struct buf *out, const struct rest_message *m)
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

static void answer_faults(struct answer *out, const struct rest_message *messages, size_t count)
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

/* All of them, or none. Takes over the batch. */
static void judge(const struct request *request, struct rest_batch *batch, struct answer *out)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!is_bad(&batch->messages[i]))
            continue;
        answer_faults(out, batch->messages, batch->count);
        rest_batch_free(batch);
        return;
    }
    rest_batch_send(request, batch, out);
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
    struct rest_batch *batch;
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
        rest_take_rate(request, count, out);
        return;
    }
    batch = rest_batch_new(count, BROADCAST_JSON, request->body.len);
    buf_reserve(&batch->names, request->body.len);
    for (cursor = json_enter(list); json_next(&cursor, &key, &value); i++)
        read_message(request->core, value, &batch->names, &batch->messages[i]);
    judge(request, batch, out);
}

/* `{topic}/events/{event}`, at the last `/events/`: slashes in names are sent as %2F, and have been
 * decoded. */
static bool split_path(struct str path, struct rest_message *out)
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
    struct rest_message m = {.payload = request->body};
    struct rest_batch *batch;
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
    batch = rest_batch_new(1, form, 1);
    batch->messages[0] = m;
    judge(request, batch, out);
}
