#include "row/stored_message.h"

#include "base/encode.h"
#include "row/value.h"

#define SCHEMA STR("realtime")
#define TABLE STR("messages")
#define PARTITION STR("messages_")
#define OID_BYTEA 17
#define OID_JSONB 3802

bool stored_message_fold_table(struct change *change)
{
    if (!str_eq(change->schema, SCHEMA))
        return false;
    if (str_starts(change->table, PARTITION))
        change->table = TABLE;
    return str_eq(change->table, TABLE);
}

/* Where a value begins and ends in the scratch, which may move while it grows. */
struct span {
    size_t at, len;
};

static enum result read_text(const struct change *insert, struct str name, struct buf *scratch,
                             struct span *out, struct err *err)
{
    const struct column *column = columns_find(insert->record, name);

    if (!column || column->form == VALUE_NULL)
        return err_set(err, "column %.*s is null", STR_ARG(name));
    out->at = scratch->len;
    value_add_text(scratch, column);
    out->len = scratch->len - out->at;
    return OK;
}

static bool is_present(const struct column *column, uint32_t type)
{
    return column && column->form != VALUE_NULL && column->type == type;
}

static enum result read_payload(const struct change *insert, struct buf *scratch, bool *is_binary,
                                struct err *err)
{
    const struct column *json = columns_find(insert->record, STR("payload"));
    const struct column *bytes = columns_find(insert->record, STR("binary_payload"));

    *is_binary = is_present(bytes, OID_BYTEA);
    /* wal2json prints bytea as hex, without PostgreSQL's \x */
    if (*is_binary)
        return hex_decode(scratch, bytes->value) ? OK
                                                 : err_set(err, "column binary_payload is no hex");
    if (!is_present(json, OID_JSONB))
        return err_set(err, "there is neither a payload of type jsonb nor a binary_payload");
    value_add_text(scratch, json);
    return OK;
}

static bool is_broadcast(const struct change *insert)
{
    const struct column *extension = columns_find(insert->record, STR("extension"));

    return extension && str_eq(extension->value, STR("broadcast"));
}

static struct str view(const struct buf *scratch, struct span span)
{
    return str_from(scratch->data + span.at, span.len);
}

enum result stored_message_read(const struct change *insert, struct buf *scratch,
                                size_t max_payload, struct stored_message *out, struct err *err)
{
    const struct column *is_private = columns_find(insert->record, STR("private"));
    struct span topic, event, id, payload;

    buf_clear(scratch);
    if (!is_broadcast(insert))
        return err_set(err, "column extension is not broadcast");
    if (!is_private || is_private->form == VALUE_NULL)
        return err_set(err, "column private is null");
    if (read_text(insert, STR("topic"), scratch, &topic, err) != OK ||
        read_text(insert, STR("event"), scratch, &event, err) != OK ||
        read_text(insert, STR("id"), scratch, &id, err) != OK)
        return FAILED;
    payload.at = scratch->len;
    if (read_payload(insert, scratch, &out->is_binary, err) != OK)
        return FAILED;
    payload.len = scratch->len - payload.at;
    if (!buf_ok(scratch) || payload.len > max_payload)
        return err_set(err, "the payload has more than %zu bytes", max_payload);
    out->topic = view(scratch, topic);
    out->event = view(scratch, event);
    out->id = view(scratch, id);
    out->payload = view(scratch, payload);
    out->is_private = str_eq(is_private->value, STR("true"));
    return OK;
}
