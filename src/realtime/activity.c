#include "realtime/activity.h"

#include <string.h>

#include "base/json.h"
#include "realtime/broadcast.h"

#define MAX_MESSAGE 8192

static void tell(struct core *core, struct str event, struct str payload)
{
    const struct broadcast broadcast = {.form = BROADCAST_JSON, .event = event, .payload = payload};

    broadcast_send(core, CHANNEL_ACTIVITY, true, &broadcast);
}

static void add_lsn(struct buf *out, lsn_t lsn)
{
    char text[LSN_TEXT];

    buf_addf(out, "{\"commit_lsn\":\"%s\"", lsn_format(lsn, text));
}

static void add_number(struct buf *out, const char *key, uint64_t value)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add_u64(out, value);
}

static void add_text(struct buf *out, const char *key, struct str value)
{
    buf_addf(out, ",\"%s\":", key);
    json_add_string(out, value);
}

void activity_stored(struct core *core, const struct event_stored *stored)
{
    struct buf payload;

    buf_init(&payload, MAX_MESSAGE / 2);
    add_lsn(&payload, stored->commit_lsn);
    add_number(&payload, "audit_rows", stored->audit_rows);
    add_number(&payload, "notifications", stored->notifications);
    add_number(&payload, "deliveries", stored->deliveries);
    buf_add_char(&payload, '}');
    tell(core, STR("stored"), buf_str(&payload));
    buf_fini(&payload);
}

/* Texts that were cut may end within a character; JSON for a browser must be whole UTF-8. */
static struct str whole(const char *text, size_t size)
{
    return str_whole_utf8(str_from(text, strnlen(text, size)));
}

void activity_attempt(struct core *core, const struct event_attempt *attempt)
{
    struct buf payload;

    buf_init(&payload, MAX_MESSAGE / 2);
    add_lsn(&payload, attempt->commit_lsn);
    add_number(&payload, "ordinal", attempt->ordinal);
    add_text(&payload, "message_id", whole(attempt->message_id, sizeof(attempt->message_id)));
    add_text(&payload, "event_type", whole(attempt->event_type, sizeof(attempt->event_type)));
    add_text(&payload, "endpoint", whole(attempt->endpoint, sizeof(attempt->endpoint)));
    add_number(&payload, "attempt", attempt->attempt);
    add_number(&payload, "duration_ms", attempt->duration_ms);
    buf_addf(&payload, ",\"status_code\":%d,\"delivered\":%s}", attempt->status_code,
             attempt->delivered ? "true" : "false");
    tell(core, STR("attempt"), buf_str(&payload));
    buf_fini(&payload);
}
