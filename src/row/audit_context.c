#include "row/audit_context.h"

#include "base/json.h"

#define FIELD(name)                                                                                \
    {                                                                                              \
        STR(#name), offsetof(struct audit_context, name)                                           \
    }

static const struct {
    struct str name;
    size_t offset;
} fields[] = {
    FIELD(actor),      FIELD(declared),         FIELD(session_user),
    FIELD(role),       FIELD(session_id),       FIELD(aal),
    FIELD(address),    FIELD(x_forwarded_for),  FIELD(x_real_ip),
    FIELD(user_agent), FIELD(cf_connecting_ip), FIELD(method),
    FIELD(path),       FIELD(application_name), FIELD(application),
    FIELD(flaws),
};

static struct str *field_of(struct audit_context *context, struct str name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (str_eq(name, fields[i].name))
            return (struct str *)(void *)((char *)context + fields[i].offset);
    return NULL;
}

static enum result read_member(struct audit_context *context, struct buf *scratch, struct str key,
                               struct str value, struct err *err)
{
    struct str *field = field_of(context, key);
    struct str text;

    if (str_eq(key, STR("read"))) {
        context->is_read = str_eq(value, STR("true"));
        return OK;
    }
    if (str_eq(key, STR("xid")))
        field = &text;
    if (field && !json_read_string(scratch, value, field))
        return err_set(err, "%.*s is not a string", STR_ARG(key));
    if (field == &text && !str_to_u64(text, &context->xid))
        return err_set(err, "xid is no number");
    return OK;
}

enum result audit_context_read(struct str facts, struct buf *scratch, struct audit_context *out,
                               struct err *err)
{
    struct json_cursor cursor;
    struct str key, value;

    *out = (struct audit_context){0};
    buf_clear(scratch);
    if (facts.len > AUDIT_CONTEXT_MAX || !json_is_valid(facts) || !json_is_jsonb(facts) ||
        facts.data[0] != '{')
        return err_set(err, "not a JSON object of at most %zu bytes", AUDIT_CONTEXT_MAX);
    if (!buf_reserve(scratch, facts.len))
        return err_set(err, "no memory for %zu bytes", facts.len);
    cursor = json_enter(facts);
    while (json_next(&cursor, &key, &value))
        if (read_member(out, scratch, key, value, err) != OK)
            return FAILED;
    return OK;
}
