#include "row/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void free_event(struct msg *msg)
{
    struct event *event = event_of(msg);

    if (event->kind == EVENT_ROW)
        types_unref(event->row.types);
    free(event);
}

static struct event *new_event(enum event_kind kind, size_t extra)
{
    struct event *event = mem_alloc(sizeof(*event) + extra);

    msg_init(&event->msg, sizeof(*event) + extra, free_event);
    event->kind = kind;
    return event;
}

static size_t columns_bytes(struct columns columns)
{
    size_t bytes = columns.count * sizeof(struct column);

    for (size_t i = 0; i < columns.count; i++)
        bytes += columns.items[i].name.len + columns.items[i].value.len;
    return bytes;
}

/* Carves copies out of one block: arrays first, as they need alignment, then text. */
struct carver {
    char *arrays;
    char *text;
};

static struct str carve_str(struct carver *carver, struct str s)
{
    struct str copy = str_from(carver->text, s.len);

    if (s.len)
        memcpy(carver->text, s.data, s.len);
    carver->text += s.len;
    return copy;
}

static struct columns carve_columns(struct carver *carver, struct columns from)
{
    struct column *items = (struct column *)(void *)carver->arrays;

    carver->arrays += from.count * sizeof(*items);
    for (size_t i = 0; i < from.count; i++) {
        items[i] = from.items[i];
        items[i].name = carve_str(carver, from.items[i].name);
        items[i].value = carve_str(carver, from.items[i].value);
    }
    return (struct columns){items, from.count};
}

static const struct str *carve_key(struct carver *carver, const struct change *from)
{
    struct str *key = (struct str *)(void *)carver->arrays;

    carver->arrays += from->key_count * sizeof(*key);
    for (size_t i = 0; i < from->key_count; i++)
        key[i] = carve_str(carver, from->key[i]);
    return key;
}

struct event *event_new_row(const struct change *change, lsn_t commit_lsn, uint64_t ordinal,
                            size_t source_bytes, struct types *types)
{
    size_t arrays = (change->record.count + change->identity.count) * sizeof(struct column) +
                    change->key_count * sizeof(struct str);
    size_t total = columns_bytes(change->record) + columns_bytes(change->identity) +
                   change->key_count * sizeof(struct str) + change->schema.len + change->table.len;
    struct event *event;
    struct carver carver;
    struct change *copy;

    for (size_t i = 0; i < change->key_count; i++)
        total += change->key[i].len;
    event = new_event(EVENT_ROW, total);
    carver = (struct carver){(char *)(event + 1), (char *)(event + 1) + arrays};
    copy = &event->row.change;
    *copy = *change;
    copy->record = carve_columns(&carver, change->record);
    copy->identity = carve_columns(&carver, change->identity);
    copy->key = carve_key(&carver, change);
    copy->schema = carve_str(&carver, change->schema);
    copy->table = carve_str(&carver, change->table);
    copy->prefix = copy->content = (struct str){0};
    event->row.commit_lsn = commit_lsn;
    event->row.ordinal = ordinal;
    event->row.source_bytes = source_bytes;
    event->row.types = types_ref(types);
    return event;
}

struct event *event_new_message(const struct stored_message *message,
                                const struct position *position)
{
    size_t total = message->topic.len + message->event.len + message->payload.len + message->id.len;
    struct event *event = new_event(EVENT_MESSAGE, total);
    struct carver carver = {NULL, (char *)(event + 1)};
    struct stored_message *copy = &event->message.message;

    *copy = *message;
    copy->topic = carve_str(&carver, message->topic);
    copy->event = carve_str(&carver, message->event);
    copy->payload = carve_str(&carver, message->payload);
    copy->id = carve_str(&carver, message->id);
    event->message.commit_lsn = position->commit_lsn;
    event->message.ordinal = position->ordinal;
    event->message.xid = position->xid;
    return event;
}

struct event *event_new_stored(const struct event_stored *stored)
{
    struct event *event = new_event(EVENT_STORED, 0);

    event->stored = *stored;
    return event;
}

struct event *event_new_attempt(const struct event_attempt *attempt)
{
    struct event *event = new_event(EVENT_ATTEMPT, 0);

    event->attempt = *attempt;
    return event;
}

struct event *event_new_gap(const struct event_gap *gap)
{
    struct event *event = new_event(EVENT_GAP, 0);

    event->gap = *gap;
    return event;
}
