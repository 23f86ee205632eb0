#include "dispatch/body.h"

#include <string.h>

#include "base/json.h"

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* The end of the value at p, NULL if the text ends before it does. No recursion: depth is counted,
 * and which kind of bracket closes was PostgreSQL's to check. */
static const char *value_end(const char *p, const char *end)
{
    size_t depth = 0;

    for (; p < end; p++) {
        switch (*p) {
        case '"':
            p = json_string_end(p, end);
            if (!p || depth == 0)
                return p;
            p--;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0) /* of the object around a number, true, false or null */
                return p;
            if (--depth == 0)
                return p + 1;
            break;
        case ',':
            if (depth == 0)
                return p;
            break;
        }
    }
    return depth == 0 ? end : NULL;
}

/* Finds the value of `key`, which has no character to escape; the last one wins, as in jsonb. */
static bool find_member(struct str object, struct str key, struct str *value)
{
    const char *end = object.data + object.len;
    const char *p = skip_space(object.data, end);
    bool found = false;

    if (p >= end || *p != '{')
        return false;
    p++;
    for (;;) {
        const char *name = skip_space(p, end);
        const char *name_end = json_string_end(name, end), *start;

        if (!name_end)
            return found;
        p = skip_space(name_end, end);
        if (p >= end || *p != ':')
            return found;
        start = skip_space(p + 1, end);
        p = value_end(start, end);
        if (!p)
            return found;
        if (str_eq(str_from(name + 1, (size_t)(name_end - name) - 2), key)) {
            *value = str_trim(str_from(start, (size_t)(p - start)));
            found = true;
        }
        p = skip_space(p, end);
        if (p >= end || *p != ',')
            return found;
        p++;
    }
}

static struct str unquoted(struct str value)
{
    if (value.len >= 2 && value.data[0] == '"')
        return str_from(value.data + 1, value.len - 2);
    return value;
}

struct body_origin body_origin(struct str payload)
{
    struct body_origin origin = {0};
    struct str data, value;

    if (!find_member(payload, STR("data"), &data))
        return origin;
    if (find_member(data, STR("commit_lsn"), &value) &&
        !lsn_parse(unquoted(value), &origin.commit_lsn))
        origin.commit_lsn = 0;
    if (find_member(data, STR("ordinal"), &value) && !str_to_u64(unquoted(value), &origin.ordinal))
        origin.ordinal = 0;
    return origin;
}

/* Reads up to the next underscore. */
static bool read_hex(struct str *rest, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    struct str number;

    str_split(*rest, '_', &number, rest);
    if (number.len == 0 || number.len > 16)
        return false;
    *out = 0;
    for (size_t i = 0; i < number.len; i++) {
        const char *digit = memchr(digits, number.data[i], sizeof(digits) - 1);

        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

struct body_origin body_origin_of_id(struct str message_id)
{
    struct body_origin origin = {0};
    struct str prefix;

    if (!str_split(message_id, '_', &prefix, &message_id) || !str_eq(prefix, STR("msg")) ||
        !read_hex(&message_id, &origin.commit_lsn) || !read_hex(&message_id, &origin.ordinal))
        return (struct body_origin){0};
    return origin;
}
