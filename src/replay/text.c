#include "replay/text.h"

#include <string.h>

#include "base/json.h"

#define MAX_NESTING 32
#define MAX_VALUE_BYTES ((size_t)1 << 30) /* PostgreSQL's own limit of a field */
#define FLOAT4_OID 700
#define FLOAT8_OID 701

static void add(struct buf *out, const struct types *types, uint32_t oid, struct str json);

static bool is_string(struct str json)
{
    return json.len >= 2 && json.data[0] == '"';
}

static struct str inside(struct str json)
{
    return str_from(json.data + 1, json.len - 2);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void add_plain(struct buf *out, struct str json)
{
    size_t before = out->len;

    if (!is_string(json)) {
        buf_add_str(out, json);
    } else if (!json_unescape(out, inside(json))) {
        buf_truncate(out, before);
        buf_add_str(out, inside(json));
    }
}

/* ---------------------------------------------------------------- numbers */

/* Floats have an exponent where numerics, which jsonb's numbers are, have zeros. The digits are the
 * shortest ones already. Source: float_to_shortest_decimal_bufn() and its double in PostgreSQL's
 * f2s.c and d2s.c, whose limits are printf's. */
static void add_float(struct buf *out, struct str number, int first_big)
{
    char digits[400]; /* from the first that is not 0 to the last that is not */
    size_t count = 0, significant = 0, before_point = 0, zeros = 0;
    bool point = false, negative = number.len > 0 && number.data[0] == '-';
    int exponent;

    for (size_t i = negative; i < number.len; i++) {
        char c = number.data[i];

        if (c == '.') {
            point = true;
            continue;
        }
        if (!is_digit(c) || count == sizeof(digits)) {
            buf_add_str(out, number);
            return;
        }
        before_point += !point;
        if (c == '0' && count == 0) {
            zeros++;
            continue;
        }
        digits[count++] = c;
        significant = c == '0' ? significant : count;
    }
    exponent = (int)before_point - 1 - (int)zeros;
    if (significant == 0 || (exponent >= -4 && exponent < first_big)) {
        buf_add_str(out, number);
        return;
    }
    buf_addf(out, "%s%c", negative ? "-" : "", digits[0]);
    if (significant > 1) {
        buf_add_char(out, '.');
        buf_add(out, digits + 1, significant - 1);
    }
    buf_addf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

static void add_number(struct buf *out, uint32_t oid, struct str json)
{
    if (is_string(json)) /* NaN, Infinity */
        add_plain(out, json);
    else if (oid == FLOAT4_OID)
        add_float(out, json, 6);
    else if (oid == FLOAT8_OID)
        add_float(out, json, 15);
    else
        buf_add_str(out, json);
}

/* ---------------------------------------------------------------- timestamps */

/* Where the T stands between date and time; text.len if it is none. */
static size_t find_t(struct str text)
{
    for (size_t i = 1; i + 1 < text.len; i++)
        if (text.data[i] == 'T' && is_digit(text.data[i - 1]) && is_digit(text.data[i + 1]))
            return i;
    return text.len;
}

/* `2026-11-23T03:48:41+00:00` to `2026-11-23 03:48:41+00`, before an optional " BC". */
static void add_timestamp(struct buf *out, struct str text)
{
    size_t at = find_t(text);
    struct str time;
    bool before_christ = str_ends(text, STR(" BC"));

    if (at == text.len) { /* infinity */
        buf_add_str(out, text);
        return;
    }
    time = str_from(text.data + at + 1, text.len - at - 1 - (before_christ ? 3 : 0));
    if (time.len > 6 && str_ends(time, STR(":00")) &&
        (time.data[time.len - 6] == '+' || time.data[time.len - 6] == '-'))
        time.len -= 3;
    buf_add(out, text.data, at);
    buf_add_char(out, ' ');
    buf_add_str(out, time);
    if (before_christ)
        buf_add_c(out, " BC");
}

/* ---------------------------------------------------------------- arrays and composites */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As array_out() quotes: what is empty, says NULL, or has one of `special`. */
static void add_element(struct buf *out, struct str text, char delimiter)
{
    bool quote = text.len == 0 || str_eq_nocase(text, STR("NULL"));

    for (size_t i = 0; i < text.len && !quote; i++) {
        char c = text.data[i];

        quote = c == '"' || c == '\\' || c == '{' || c == '}' || c == delimiter || is_space(c);
    }
    if (!quote) {
        buf_add_str(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '"');
}

/* Whether an array in an array is another dimension: in one of json it is an element. */
static bool has_dimensions(const struct types *types, const struct type *array)
{
    const struct type *element = types_find(types, array->element);

    return !element || element->kind != TYPE_JSON;
}

static void add_array(struct buf *out, const struct types *types, const struct type *type,
                      struct str json)
{
    bool deep = has_dimensions(types, type);
    struct json_cursor cursor = json_enter(json);
    struct str key, value;
    struct buf text;
    bool first = true;

    buf_init(&text, MAX_VALUE_BYTES);
    buf_add_char(out, '{');
    while (json_next(&cursor, &key, &value)) {
        if (!first)
            buf_add_char(out, type->delimiter);
        first = false;
        if (value.data[0] == '[' && deep) {
            add_array(out, types, type, value);
            continue;
        }
        buf_clear(&text);
        add(&text, types, type->element, value);
        if (str_eq(value, STR("null")))
            buf_add_c(out, "NULL");
        else
            add_element(out, buf_str(&text), type->delimiter);
    }
    buf_add_char(out, '}');
    buf_fini(&text);
}

/* As record_out() quotes. */
static void add_field(struct buf *out, struct str text)
{
    bool quote = text.len == 0;

    for (size_t i = 0; i < text.len && !quote; i++)
        quote = strchr("\"\\(),", text.data[i]) || is_space(text.data[i]);
    if (!quote) {
        buf_add_str(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_add_char(out, text.data[i]);
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '"');
}

/* The member of that name; the empty view if there is none. */
static struct str find_member(struct str json, struct str name)
{
    struct json_cursor cursor = json_enter(json);
    struct str key, value, found = {0};
    struct buf plain;

    buf_init(&plain, MAX_VALUE_BYTES);
    while (found.len == 0 && json_next(&cursor, &key, &value)) {
        buf_clear(&plain);
        if (json_unescape(&plain, key) && str_eq(buf_str(&plain), name))
            found = value;
    }
    buf_fini(&plain);
    return found;
}

static void add_composite(struct buf *out, const struct types *types, const struct type *type,
                          struct str json)
{
    struct buf text;

    buf_init(&text, MAX_VALUE_BYTES);
    buf_add_char(out, '(');
    for (size_t i = 0; i < type->field_count; i++) {
        struct str value = find_member(json, type->fields[i].name);

        if (i > 0)
            buf_add_char(out, ',');
        if (value.len == 0 || str_eq(value, STR("null")))
            continue;
        buf_clear(&text);
        add(&text, types, type->fields[i].type, value);
        add_field(out, buf_str(&text));
    }
    buf_add_char(out, ')');
    buf_fini(&text);
}

/* ---------------------------------------------------------------- any value */

static void add_time(struct buf *out, struct str json)
{
    struct buf plain;

    buf_init(&plain, MAX_VALUE_BYTES);
    add_plain(&plain, json);
    add_timestamp(out, buf_str(&plain));
    buf_fini(&plain);
}

/* It fits. */
static void add(struct buf *out, const struct types *types, uint32_t oid, struct str json)
{
    const struct type *type = types_find(types, oid);

    switch (type ? type->kind : TYPE_STRING) {
    case TYPE_STRING:
    case TYPE_BYTEA:
        add_plain(out, json);
        break;
    case TYPE_NUMBER:
        add_number(out, oid, json);
        break;
    case TYPE_BOOL:
        buf_add_char(out, json.data[0]);
        break;
    case TYPE_JSON:
        buf_add_str(out, json);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        add_time(out, json);
        break;
    case TYPE_ARRAY:
        if (json.data[0] == '[')
            add_array(out, types, type, json);
        else
            add_plain(out, json);
        break;
    case TYPE_COMPOSITE:
        if (json.data[0] == '{')
            add_composite(out, types, type, json);
        else
            add_plain(out, json);
        break;
    }
}

void text_add(struct buf *out, const struct types *types, uint32_t type, struct str json)
{
    if (text_fits(types, type, json))
        add(out, types, type, json);
    else
        add_plain(out, json);
}

/* ---------------------------------------------------------------- what fits */

/* infinity, or digits with one T among them. */
static bool is_timestamp(struct str json)
{
    struct str text = inside(json);
    size_t marks = 0;

    if (str_eq(text, STR("infinity")) || str_eq(text, STR("-infinity")))
        return true;
    if (str_ends(text, STR(" BC")))
        text.len -= 3;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]) && (text.data[i] == '\0' || !strchr("T-:.+", text.data[i])))
            return false;
        marks += text.data[i] == 'T';
    }
    return marks == 1 && find_t(text) < text.len;
}

static bool string_fits(enum type_kind kind, struct str json)
{
    switch (kind) {
    case TYPE_BOOL:
        return false;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return is_timestamp(json);
    case TYPE_BYTEA:
        return str_starts(json, STR("\"\\\\x"));
    case TYPE_STRING:
    case TYPE_NUMBER:
    case TYPE_JSON:
    case TYPE_ARRAY: /* and composites: texts that could not be read became strings */
    case TYPE_COMPOSITE:
        return true;
    }
    return true;
}

static bool fits(const struct types *types, uint32_t oid, struct str json, unsigned depth);

static bool elements_fit(const struct types *types, const struct type *type, struct str json,
                         unsigned depth)
{
    struct json_cursor cursor = json_enter(json);
    bool deep = has_dimensions(types, type);
    struct str key, value;

    if (depth > MAX_NESTING)
        return false;
    while (json_next(&cursor, &key, &value)) {
        bool good = value.data[0] == '[' && deep ? elements_fit(types, type, value, depth + 1)
                                                 : fits(types, type->element, value, depth + 1);

        if (!good)
            return false;
    }
    return true;
}

/* Every field is there, and nothing else: else the type was another one. */
static bool fields_fit(const struct types *types, const struct type *type, struct str json,
                       unsigned depth)
{
    struct json_cursor cursor = json_enter(json);
    struct str key, value;
    size_t members = 0;

    while (json_next(&cursor, &key, &value))
        members++;
    if (depth > MAX_NESTING || members != type->field_count)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        value = find_member(json, type->fields[i].name);
        if (value.len == 0 || !fits(types, type->fields[i].type, value, depth + 1))
            return false;
    }
    return true;
}

static bool fits(const struct types *types, uint32_t oid, struct str json, unsigned depth)
{
    const struct type *type = types_find(types, oid);
    enum type_kind kind = type ? type->kind : TYPE_STRING;

    if (kind == TYPE_JSON || json.len == 0 || str_eq(json, STR("null")))
        return true;
    switch (json.data[0]) {
    case '"':
        return string_fits(kind, json);
    case '[':
        return kind == TYPE_ARRAY && elements_fit(types, type, json, depth);
    case '{':
        return kind == TYPE_COMPOSITE && fields_fit(types, type, json, depth);
    case 't':
    case 'f':
        return kind == TYPE_BOOL;
    }
    return kind == TYPE_NUMBER;
}

bool text_fits(const struct types *types, uint32_t type, struct str json)
{
    return fits(types, type, json, 0);
}
