#include "daemon/auth_event.h"

#include "base/json.h"
#include "pg/copy.h"
#include "row/value.h"

#define MAX_ROW ((size_t)1 << 20) /* a larger one is no entry of the auth service's */
#define MAX_ACTION 128

struct auth_event {
    struct str payload; /* JSON text that jsonb takes */
    struct str action;
    struct str actor;
    struct str address;
    struct str id;
};

/* The column's plain text; empty if there is none. The scratch has room for the whole row. */
static struct str text_of(const struct change *insert, struct str name, struct buf *scratch)
{
    const struct column *column = columns_find(insert->record, name);
    size_t before = scratch->len;

    if (!column || column->form == VALUE_NULL)
        return STR("");
    value_add_text(scratch, column);
    return str_from(scratch->data + before, scratch->len - before);
}

static struct str member_of(struct str object, struct str name, struct buf *scratch)
{
    struct json_cursor cursor = json_enter(object);
    struct str key, value, text;

    while (json_next(&cursor, &key, &value))
        if (str_eq(key, name) && json_read_string(scratch, value, &text))
            return text;
    return STR("");
}

/* false: it says nothing that can be an entry. */
static bool read_event(const struct change *insert, struct buf *scratch, struct auth_event *event)
{
    *event = (struct auth_event){.payload = text_of(insert, STR("payload"), scratch)};
    if (event->payload.len == 0 || event->payload.data[0] != '{' || !json_is_jsonb(event->payload))
        return false;
    event->action = member_of(event->payload, STR("action"), scratch);
    event->actor = member_of(event->payload, STR("actor_id"), scratch);
    event->address = text_of(insert, STR("ip_address"), scratch);
    event->id = text_of(insert, STR("id"), scratch);
    return buf_ok(scratch) && event->action.len > 0 && event->action.len <= MAX_ACTION;
}

/* As daemon/attribution.c renders them for rows. */
static void render(struct buf *out, const struct auth_event *event)
{
    uint8_t actor[16];
    size_t begun;

    if (str_to_uuid(event->actor, actor))
        copy_add_uuid(out, actor);
    else
        copy_add_null(out);
    if (!copy_add_inet(out, event->address))
        copy_add_null(out);
    copy_add_null(out); /* session_id */
    copy_add_null(out); /* user_agent */
    begun = copy_begin_jsonb(out);
    buf_add_c(out, "{\"source\":\"auth\",\"id\":");
    json_add_string(out, event->id);
    buf_add_c(out, ",\"event\":");
    buf_add_str(out, event->payload);
    buf_add_char(out, '}');
    copy_end_field(out, begun);
}

static size_t row_bytes(const struct change *insert)
{
    size_t bytes = 0;

    for (size_t i = 0; i < insert->record.count; i++)
        bytes += insert->record.items[i].value.len;
    return bytes;
}

enum result auth_event_add(struct batch *batch, const struct change *insert,
                           const struct position *position, struct err *err)
{
    enum result result = OK;
    struct auth_event event;
    struct buf scratch, who;

    if (row_bytes(insert) > MAX_ROW)
        return OK;
    buf_init(&scratch, MAX_ROW * 2);
    buf_init(&who, MAX_ROW * 2);
    /* texts and what is unescaped of them: never longer, and the views must not move */
    if (buf_reserve(&scratch, row_bytes(insert) * 2) && read_event(insert, &scratch, &event)) {
        render(&who, &event);
        if (buf_ok(&who))
            result =
                batch_add_event(batch, event.action, STR("auth"), position, buf_str(&who), err);
    }
    buf_fini(&scratch);
    buf_fini(&who);
    return result;
}
