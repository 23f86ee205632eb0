#include "row/schema_change.h"

#include "base/json.h"

static enum result read_member(struct schema_change *change, struct buf *scratch, struct str key,
                               struct str value, struct str *kind, struct err *err)
{
    struct str xid, *text = NULL;

    if (str_eq(key, STR("change")))
        change->change = value;
    else if (str_eq(key, STR("xid")))
        text = &xid;
    else if (str_eq(key, STR("kind")))
        text = kind;
    else if (str_eq(key, STR("type")))
        text = &change->type;
    else if (str_eq(key, STR("name")))
        text = &change->name;
    if (text && !json_read_string(scratch, value, text))
        return err_set(err, "%.*s is not a string", STR_ARG(key));
    if (text == &xid && !str_to_u64(xid, &change->xid))
        return err_set(err, "xid is no number");
    return OK;
}

enum result schema_change_read(struct str facts, struct buf *scratch, struct schema_change *out,
                               struct err *err)
{
    struct json_cursor cursor;
    struct str key, value, kind = {0};

    *out = (struct schema_change){0};
    buf_clear(scratch);
    if (facts.len > SCHEMA_CHANGE_MAX || !json_is_valid(facts) || !json_is_jsonb(facts) ||
        facts.data[0] != '{')
        return err_set(err, "not a JSON object of at most %zu bytes", SCHEMA_CHANGE_MAX);
    if (!buf_reserve(scratch, facts.len))
        return err_set(err, "no memory for %zu bytes", facts.len);
    cursor = json_enter(facts);
    while (json_next(&cursor, &key, &value))
        if (read_member(out, scratch, key, value, &kind, err) != OK)
            return FAILED;
    if (!str_eq(kind, STR("schema")) || out->type.len == 0 || out->change.len == 0 ||
        out->change.data[0] != '{')
        return err_set(err, "no change of the schema");
    return OK;
}
