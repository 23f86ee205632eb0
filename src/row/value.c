#include "row/value.h"

#include <string.h>

#include "base/json.h"

#define MAX_NESTING 32                    /* arrays of composites of arrays ... */
#define MAX_VALUE_BYTES ((size_t)1 << 30) /* PostgreSQL's own limit of a field */

/* How one value is turned into JSON: the same everywhere below. */
struct context {
    struct buf *out;
    const struct types *types;
    enum value_style style;
    unsigned depth;
};

static void add_typed(struct context *ctx, uint32_t oid, struct str text);

/* `2026-11-23 03:48:41+00` to `2026-11-23T03:48:41+00:00`, as JsonEncodeDateTime does. The
 * session's zone is UTC, so the zone is always +00, before an optional " BC". */
static void add_timestamp(struct context *ctx, struct str text, bool with_zone)
{
    struct str date, rest;
    struct buf *out = ctx->out;
    bool before_christ;

    if (!str_split(text, ' ', &date, &rest)) { /* infinity */
        json_add_string(out, text);
        return;
    }
    before_christ = str_ends(rest, STR(" BC"));
    if (before_christ)
        rest.len -= 3;
    buf_add_char(out, '"');
    json_add_escaped(out, date);
    buf_add_char(out, 'T');
    json_add_escaped(out, rest);
    if (with_zone && rest.len > 3 &&
        (rest.data[rest.len - 3] == '+' || rest.data[rest.len - 3] == '-'))
        buf_add_c(out, ":00");
    if (before_christ)
        buf_add_c(out, " BC");
    buf_add_char(out, '"');
}

/* A quoted part: *p stands behind the opening quote and is moved behind the closing one. Arrays
 * escape with backslashes, composites also double their quotes. */
static bool read_quoted(const char **p, const char *end, struct buf *text)
{
    while (*p < end) {
        char c = *(*p)++;

        if (c == '"' && (*p >= end || **p != '"'))
            return true;
        if ((c == '"' || c == '\\') && *p < end)
            c = *(*p)++;
        buf_add_char(text, c);
    }
    return false;
}

/* Reads one element of an array or composite at *p, up to one of `stops`, and appends its text.
 * *quoted tells whether any of it stood in quotes: NULL and "NULL" differ by that alone. Only one
 * of `stops` or the end is behind it then. */
static bool read_element(const char **p, const char *end, const char *stops, struct buf *text,
                         bool *quoted)
{
    *quoted = false;
    while (*p < end && !strchr(stops, **p)) {
        char c = *(*p)++;

        if (c == '"') {
            *quoted = true;
            if (!read_quoted(p, end, text))
                return false;
            continue;
        }
        if (c == '\\' && *p < end)
            c = *(*p)++;
        buf_add_char(text, c);
    }
    return buf_ok(text);
}

/* `{1,NULL,"a b",{...}}` behind the optional bounds `[0:1]=`. */
static bool add_array_level(struct context *ctx, const struct type *type, const char **p,
                            const char *end, unsigned level)
{
    const char stops[] = {type->delimiter, '}', '\0'};
    struct buf text;
    bool quoted, good = true, first = true;

    if (*p >= end || **p != '{' || level > MAX_NESTING)
        return false;
    (*p)++;
    buf_add_char(ctx->out, '[');
    buf_init(&text, MAX_VALUE_BYTES);
    while (good && *p < end && (**p != '}' || !first)) {
        if (!first)
            buf_add_char(ctx->out, ',');
        first = false;
        if (**p == '{') {
            good = add_array_level(ctx, type, p, end, level + 1);
        } else {
            buf_clear(&text);
            good = read_element(p, end, stops, &text, &quoted) && (quoted || text.len > 0);
            if (good && !quoted && str_eq_nocase(buf_str(&text), STR("NULL")))
                buf_add_c(ctx->out, "null");
            else if (good)
                add_typed(ctx, type->element, buf_str(&text));
        }
        if (!good || *p >= end || **p != type->delimiter)
            break;
        (*p)++;
    }
    buf_fini(&text);
    if (!good || *p >= end || **p != '}')
        return false;
    (*p)++;
    buf_add_char(ctx->out, ']');
    return true;
}

/* int2vector and oidvector are arrays written as `1 2 3`. */
static bool add_vector(struct context *ctx, const struct type *type, struct str text)
{
    struct str element, rest = text;

    buf_add_char(ctx->out, '[');
    while (rest.len > 0) {
        str_split(rest, ' ', &element, &rest);
        if (element.data != text.data)
            buf_add_char(ctx->out, ',');
        add_typed(ctx, type->element, element);
    }
    buf_add_char(ctx->out, ']');
    return true;
}

static bool add_array(struct context *ctx, const struct type *type, struct str text)
{
    const char *p = text.data;
    const char *end = p + text.len;

    if (str_eq(type->name, STR("int2vector")) || str_eq(type->name, STR("oidvector")))
        return add_vector(ctx, type, text);
    if (text.len > 0 && *p == '[') { /* bounds other than 1 are not shown by to_jsonb either */
        p = memchr(p, '=', text.len);
        if (!p)
            return false;
        p++;
    }
    return add_array_level(ctx, type, &p, end, 0) && p == end;
}

/* `(1,"a b",)`; an empty field that was not quoted is NULL. */
static bool add_composite(struct context *ctx, const struct type *type, struct str text)
{
    const char *p = text.data + 1;
    const char *end = text.data + text.len;
    struct buf field;
    bool quoted, good = true;

    if (text.len < 2 || text.data[0] != '(' || end[-1] != ')')
        return false;
    buf_init(&field, MAX_VALUE_BYTES);
    buf_add_char(ctx->out, '{');
    if (type->field_count == 0)
        good = *p++ == ')';
    for (size_t i = 0; good && i < type->field_count; i++) {
        buf_clear(&field);
        good = read_element(&p, end, ",)", &field, &quoted) && p < end &&
               *p == (i + 1 < type->field_count ? ',' : ')');
        if (i > 0)
            buf_add_char(ctx->out, ',');
        json_add_string(ctx->out, type->fields[i].name);
        buf_add_char(ctx->out, ':');
        if (field.len == 0 && !quoted)
            buf_add_c(ctx->out, "null");
        else
            add_typed(ctx, type->fields[i].type, buf_str(&field));
        p++;
    }
    buf_add_char(ctx->out, '}');
    buf_fini(&field);
    return good && p == end;
}

static void add_nested(struct context *ctx, const struct type *type, struct str text)
{
    size_t before = ctx->out->len;
    bool good;

    if (++ctx->depth > MAX_NESTING)
        good = false;
    else if (type->kind == TYPE_ARRAY)
        good = add_array(ctx, type, text);
    else
        good = add_composite(ctx, type, text);
    ctx->depth--;
    if (!good) { /* a type that changed under us: the text is still the truth */
        buf_truncate(ctx->out, before);
        json_add_string(ctx->out, text);
    }
}

static void add_bytea(struct context *ctx, struct str text)
{
    bool prefixed = str_starts(text, STR("\\x"));

    buf_add_char(ctx->out, '"');
    if (ctx->style == VALUE_AS_JSONB)
        buf_add_c(ctx->out, "\\\\x");
    json_add_escaped(ctx->out, prefixed ? str_from(text.data + 2, text.len - 2) : text);
    buf_add_char(ctx->out, '"');
}

/* PostgreSQL's own numbers always fit into jsonb; only an exponent could say one that does not. */
static bool is_number(struct str text)
{
    if (!json_is_number(text))
        return false;
    return (!memchr(text.data, 'e', text.len) && !memchr(text.data, 'E', text.len)) ||
           json_is_jsonb(text);
}

static void add_bool(struct buf *out, struct str text)
{
    bool yes = text.len > 0 && (text.data[0] == 't' || text.data[0] == 'T');

    buf_add_c(out, yes ? "true" : "false");
}

static void add_typed(struct context *ctx, uint32_t oid, struct str text)
{
    const struct type *type = types_find(ctx->types, oid);

    switch (type ? type->kind : TYPE_STRING) {
    case TYPE_STRING:
        json_add_string(ctx->out, text);
        break;
    case TYPE_NUMBER: /* NaN and Infinity are strings in jsonb */
        if (is_number(text))
            buf_add_str(ctx->out, text);
        else
            json_add_string(ctx->out, text);
        break;
    case TYPE_BOOL:
        add_bool(ctx->out, text);
        break;
    case TYPE_JSON:
        if (json_is_jsonb(text))
            buf_add_str(ctx->out, text);
        else
            json_add_string(ctx->out, text);
        break;
    case TYPE_TIMESTAMP:
        add_timestamp(ctx, text, false);
        break;
    case TYPE_TIMESTAMPTZ:
        add_timestamp(ctx, text, true);
        break;
    case TYPE_BYTEA:
        add_bytea(ctx, text);
        break;
    case TYPE_ARRAY:
    case TYPE_COMPOSITE:
        add_nested(ctx, type, text);
        break;
    }
}

/* Where the escaped text is already the JSON: no need to undo the escapes and make them again. */
static bool is_string_kind(const struct types *types, uint32_t oid)
{
    const struct type *type = types_find(types, oid);

    return !type || type->kind == TYPE_STRING;
}

/* Whether there is no backslash and no control character, eight bytes at a time: every string value
 * of the stream comes by here. Source of the trick: "Bit Twiddling Hacks", hasless() and haszero().
 */
static bool is_plain(struct str s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    size_t at = 0;

    for (; s.len - at >= 8; at += 8) {
        uint64_t word, slash;

        memcpy(&word, s.data + at, 8);
        slash = word ^ ones * '\\';
        if (((word - ones * 0x20) & ~word & tops) || ((slash - ones) & ~slash & tops))
            return false;
    }
    for (; at < s.len; at++)
        if (s.data[at] == '\\' || (unsigned char)s.data[at] < 0x20)
            return false;
    return true;
}

/* The escapes of the stream are those of JSON, so they pass as they are. PostgreSQL never sends one
 * that jsonb refuses; if one came all the same, it must not break a batch. */
static void add_escaped_string(struct buf *out, struct str value)
{
    size_t before = out->len;
    struct str made;

    buf_add_char(out, '"');
    buf_add_str(out, value);
    buf_add_char(out, '"');
    if (is_plain(value) || !buf_ok(out))
        return;
    made = str_from(out->data + before, out->len - before);
    if (!json_is_jsonb(made)) {
        buf_truncate(out, before);
        json_add_string(out, value);
    }
}

static void add_escaped(struct context *ctx, const struct column *column)
{
    struct buf plain;

    if (is_string_kind(ctx->types, column->type)) {
        add_escaped_string(ctx->out, column->value);
        return;
    }
    if (!memchr(column->value.data, '\\', column->value.len)) {
        add_typed(ctx, column->type, column->value);
        return;
    }
    buf_init(&plain, MAX_VALUE_BYTES);
    if (json_unescape(&plain, column->value))
        add_typed(ctx, column->type, buf_str(&plain));
    else
        json_add_string(ctx->out, column->value);
    buf_fini(&plain);
}

static bool is_bool(struct str text)
{
    return str_eq(text, STR("true")) || str_eq(text, STR("false"));
}

void value_add_json(struct buf *out, const struct types *types, const struct column *column,
                    enum value_style style)
{
    struct context ctx = {out, types, style, 0};

    switch (column->form) {
    case VALUE_NULL:
    case VALUE_LOST:
        buf_add_c(out, "null");
        break;
    case VALUE_LITERAL:
        /* oid and its like come bare from wal2json, but jsonb knows no such number */
        if (!(types_find(types, column->type) && is_string_kind(types, column->type)) &&
            (is_bool(column->value) || is_number(column->value)))
            buf_add_str(out, column->value);
        else
            json_add_string(out, column->value);
        break;
    case VALUE_ESCAPED:
        add_escaped(&ctx, column);
        break;
    case VALUE_TEXT:
        add_typed(&ctx, column->type, column->value);
        break;
    }
}

void value_add_text(struct buf *out, const struct column *column)
{
    size_t before = out->len;

    switch (column->form) {
    case VALUE_NULL:
    case VALUE_LOST:
        break;
    case VALUE_LITERAL:
    case VALUE_TEXT:
        buf_add_str(out, column->value);
        break;
    case VALUE_ESCAPED:
        if (memchr(column->value.data, '\\', column->value.len)) {
            if (json_unescape(out, column->value))
                break;
            buf_truncate(out, before); /* what was undone before the bad escape */
        }
        buf_add_str(out, column->value);
        break;
    }
}

bool value_same(const struct column *a, const struct column *b)
{
    if (a->form == VALUE_NULL || b->form == VALUE_NULL)
        return a->form == b->form;
    return a->form == b->form && str_eq(a->value, b->value);
}
