#include "dispatch/headers.h"

#include <jansson.h>
#include <string.h>

/* Those that the signature, the framing or the connection depend on. */
static const char *const reserved[] = {
    "host",       "content-length", "transfer-encoding", "content-encoding",
    "connection", "expect",         "upgrade",           "keep-alive",
    "te",         "trailer",        "proxy-*",           "webhook-*",
};

static bool is_reserved(struct str name)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        struct str pattern = str_c(reserved[i]);
        bool prefix = pattern.data[pattern.len - 1] == '*';
        size_t len = pattern.len - prefix;

        if ((prefix ? name.len >= len : name.len == len) &&
            str_eq_nocase(str_from(name.data, len), str_from(pattern.data, len)))
            return true;
    }
    return false;
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct str name)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '\0' || !strchr(allowed, name.data[i]))
            return false;
    return name.len > 0;
}

static bool is_field_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* curl takes `Name:` for a header to leave out, and `Name;` for an empty one. */
static void add_line(struct buf *block, struct str name, struct str value)
{
    value = str_trim(value);
    buf_add_str(block, name);
    if (value.len == 0) {
        buf_add_char(block, ';');
    } else {
        buf_add_c(block, ": ");
        buf_add_str(block, value);
    }
    buf_add_char(block, '\0');
}

void headers_add(struct buf *block, const char *name, struct str value)
{
    add_line(block, str_c(name), value);
}

static enum result add_member(struct buf *block, struct str name, const json_t *value,
                              struct err *err)
{
    struct str text;

    if (!is_token(name))
        return err_set(err, "a name in headers is not a header's name");
    if (is_reserved(name))
        return err_set(err, "headers must not set %.*s", STR_ARG(name));
    if (!json_is_string(value))
        return err_set(err, "the value of header %.*s is not a string", STR_ARG(name));
    text = str_from(json_string_value(value), json_string_length(value));
    if (!is_field_value(text))
        return err_set(err, "the value of header %.*s has a control character", STR_ARG(name));
    add_line(block, name, text);
    return OK;
}

enum result headers_add_json(struct buf *block, struct str json, struct err *err)
{
    json_t *object, *value;
    const char *name;
    enum result result = OK;

    /* Numbers that fit no type are somebody's mistake, to be told by the header's name. */
    object = json_loadb(json.data, json.len, JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(object))
        result = err_set(err, "headers is not a json object");
    else if (json_object_size(object) > HEADERS_MAX)
        result = err_set(err, "headers has more than %d members", HEADERS_MAX);
    else
        json_object_foreach(object, name, value)
        {
            result = add_member(block, str_c(name), value, err);
            if (result != OK)
                break;
        }
    json_decref(object);
    if (result == OK && !buf_ok(block))
        return err_set(err, "headers has more than %d bytes", HEADERS_BYTES_MAX);
    return result;
}

const char *headers_next(struct str block, size_t *at)
{
    const char *line = block.data + *at;

    if (*at >= block.len)
        return NULL;
    *at += strlen(line) + 1;
    return line;
}

bool headers_have(struct str block, struct str name)
{
    const char *line;
    size_t at = 0;

    while ((line = headers_next(block, &at))) {
        struct str start = str_from(line, strcspn(line, ":;"));

        if (str_eq_nocase(start, name))
            return true;
    }
    return false;
}
