#include "dispatch/report.h"

#include <string.h>

#include "base/json.h"
#include "dispatch/body.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of the well-formed UTF-8 sequence at the start of s, 0 if there is none. Unicode 15,
 * table 3-7. */
static size_t sequence_len(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.data;
    uint8_t low = 0x80, high = 0xbf;
    size_t len;

    if (p[0] < 0x80)
        return p[0] != 0;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (s.len < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return len;
}

void report_add_text(struct buf *out, struct str text)
{
    size_t clean = 0, at = 0;

    while (at < text.len) {
        size_t len = sequence_len(str_from(text.data + at, text.len - at));

        if (len > 0) {
            at += len;
            continue;
        }
        buf_add(out, text.data + clean, at - clean);
        buf_add_c(out, REPLACEMENT);
        clean = ++at;
    }
    buf_add(out, text.data + clean, at - clean);
}

static void add_text_member(struct buf *out, const char *name, struct str text)
{
    struct buf clean;

    buf_addf(out, ",\"%s\":", name);
    if (text.len == 0) {
        buf_add_c(out, "null");
        return;
    }
    buf_init(&clean, text.len * strlen(REPLACEMENT));
    report_add_text(&clean, text);
    json_add_string(out, buf_str(&clean));
    buf_fini(&clean);
}

static const char *status_name(enum schedule_verdict verdict)
{
    switch (verdict) {
    case SCHEDULE_DELIVERED:
        return "delivered";
    case SCHEDULE_RETRY:
        return "pending";
    case SCHEDULE_EXHAUSTED:
    case SCHEDULE_GONE:
        return "failed";
    }
    return "failed";
}

void report_add_json(struct buf *out, const struct delivery *delivery, uint64_t now_ms)
{
    const struct attempt *attempt = &delivery->attempt;
    struct schedule_decision decision = attempt->decision;

    buf_add_char(out, out->len ? ',' : '[');
    buf_addf(out, "{\"id\":%s,\"attempt\":%u,\"status\":\"%s\",\"age_ms\":%llu,\"duration_ms\":%u",
             delivery->field[DELIVERY_ID].data, delivery->attempts + 1,
             status_name(decision.verdict),
             (unsigned long long)(now_ms > attempt->started_ms ? now_ms - attempt->started_ms : 0),
             attempt->duration_ms);
    buf_addf(out, ",\"delay_ms\":%llu", (unsigned long long)decision.delay_ms);
    if (attempt->status_code)
        buf_addf(out, ",\"status_code\":%d", attempt->status_code);
    add_text_member(out, "error", str_c(attempt->error.message));
    add_text_member(out, "response", buf_str(&attempt->response));
    if (decision.verdict == SCHEDULE_GONE) {
        add_text_member(out, "gone", delivery->field[DELIVERY_WEBHOOK_ID]);
        add_text_member(out, "version", delivery->field[DELIVERY_VERSION]);
    }
    if (attempt->moved_breaker) {
        buf_addf(out, ",\"breaker\":\"%s\",\"breaker_opened\":%u",
                 breaker_state_name(attempt->breaker), attempt->breaker_opened);
        if (attempt->breaker != BREAKER_CLOSED)
            buf_addf(out, ",\"breaker_ms\":%llu", (unsigned long long)attempt->breaker_pause_ms);
    }
    buf_add_char(out, '}');
}

/* Cuts at a character, not within one. */
static void copy_cut(char *out, size_t size, struct str text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;

    if (len < text.len)
        while (len > 0 && ((uint8_t)text.data[len] & 0xc0) == 0x80)
            len--;
    memcpy(out, text.data, len);
    out[len] = '\0';
}

static struct body_origin origin_of(const struct delivery *delivery)
{
    struct body_origin origin = body_origin(delivery->field[DELIVERY_PAYLOAD]);

    return origin.commit_lsn ? origin : body_origin_of_id(delivery->field[DELIVERY_MESSAGE_ID]);
}

struct event_attempt report_event(const struct delivery *delivery)
{
    struct body_origin origin = origin_of(delivery);
    struct event_attempt event = {
        .commit_lsn = origin.commit_lsn,
        .ordinal = origin.ordinal,
        .attempt = delivery->attempts + 1,
        .duration_ms = delivery->attempt.duration_ms,
        .status_code = delivery->attempt.status_code,
        .delivered = delivery->attempt.decision.verdict == SCHEDULE_DELIVERED,
    };

    copy_cut(event.message_id, sizeof(event.message_id), delivery->field[DELIVERY_MESSAGE_ID]);
    copy_cut(event.event_type, sizeof(event.event_type), delivery->field[DELIVERY_EVENT_TYPE]);
    copy_cut(event.endpoint, sizeof(event.endpoint), delivery->field[DELIVERY_ENDPOINT_NAME]);
    return event;
}
