#include "base/json.h"

#include <string.h>

/* numeric holds 131,072 digits before the point and 16,383 behind it; see numeric.c. A number of so
 * many bytes with such an exponent is within both if its exponent is not negative. */
#define MAX_NUMBER_TEXT 16000
#define MAX_EXPONENT 10000
#define MAX_SCALE 16383

/* For each byte: 0 passes as it is, else the letter after the backslash ('u' for \u00XX). */
static const char escape_of[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
    [0x06] = 'u', [0x07] = 'u', [0x08] = 'b', [0x09] = 't',  [0x0a] = 'n', [0x0b] = 'u',
    [0x0c] = 'f', [0x0d] = 'r', [0x0e] = 'u', [0x0f] = 'u',  [0x10] = 'u', [0x11] = 'u',
    [0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
    [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',  [0x1c] = 'u', [0x1d] = 'u',
    [0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

void json_add_escaped(struct buf *out, struct str s)
{
    size_t clean = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        char letter = escape_of[c];

        if (!letter)
            continue;
        buf_add(out, s.data + clean, i - clean);
        clean = i + 1;
        if (letter == 'u') {
            buf_addf(out, "\\u%04x", c);
        } else {
            buf_add_char(out, '\\');
            buf_add_char(out, letter);
        }
    }
    if (clean < s.len)
        buf_add(out, s.data + clean, s.len - clean);
}

void json_add_string(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    json_add_escaped(out, s);
    buf_add_char(out, '"');
}

static bool hex4(const char *p, unsigned *out)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v << 4 | (unsigned)((c | 32) - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

static void add_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_add_char(out, (char)code);
    } else if (code < 0x800) {
        buf_add_char(out, (char)(0xc0 | code >> 6));
        buf_add_char(out, (char)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        buf_add_char(out, (char)(0xe0 | code >> 12));
        buf_add_char(out, (char)(0x80 | (code >> 6 & 63)));
        buf_add_char(out, (char)(0x80 | (code & 63)));
    } else {
        buf_add_char(out, (char)(0xf0 | code >> 18));
        buf_add_char(out, (char)(0x80 | (code >> 12 & 63)));
        buf_add_char(out, (char)(0x80 | (code >> 6 & 63)));
        buf_add_char(out, (char)(0x80 | (code & 63)));
    }
}

/* *p stands behind `\u`; moves it behind the digits (of both halves of a pair). */
static bool read_unicode(const char **p, const char *end, unsigned *code)
{
    unsigned low;

    if (end - *p < 4 || !hex4(*p, code))
        return false;
    *p += 4;
    if (*code == 0 || (*code >= 0xdc00 && *code <= 0xdfff))
        return false;
    if (*code < 0xd800 || *code > 0xdbff)
        return true;
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex4(*p + 2, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return false;
    *p += 6;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* The byte that a one-letter escape stands for; 0 if there is none. */
static char unescape_letter(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

bool json_unescape(struct buf *out, struct str inside)
{
    const char *p = inside.data;
    const char *end = inside.len ? p + inside.len : p;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        unsigned code;
        char letter;

        if (!slash) {
            buf_add(out, p, (size_t)(end - p));
            return true;
        }
        buf_add(out, p, (size_t)(slash - p));
        if (end - slash < 2)
            return false;
        letter = slash[1];
        p = slash + 2;
        if (letter == 'u') {
            if (!read_unicode(&p, end, &code))
                return false;
            add_utf8(out, code);
        } else {
            if (!unescape_letter(letter))
                return false;
            buf_add_char(out, unescape_letter(letter));
        }
    }
    return true;
}

bool json_read_string(struct buf *room, struct str value, struct str *out)
{
    size_t before = room->len;

    if (value.len < 2 || value.data[0] != '"' ||
        !json_unescape(room, str_from(value.data + 1, value.len - 2)))
        return false;
    *out = str_from(room->data + before, room->len - before);
    return true;
}

const char *json_string_end(const char *p, const char *end)
{
    if (p >= end || *p != '"')
        return NULL;
    p++;
    while (p < end) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        const char *back = quote;

        if (!quote)
            return NULL;
        while (back > p && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote + 1;
        p = quote + 1;
    }
    return NULL;
}

static size_t count_digits(struct str s, size_t at)
{
    size_t count = 0;

    while (at + count < s.len && s.data[at + count] >= '0' && s.data[at + count] <= '9')
        count++;
    return count;
}

bool json_is_number(struct str s)
{
    size_t at = 0, count;

    if (at < s.len && s.data[at] == '-')
        at++;
    count = count_digits(s, at);
    if (count == 0 || (count > 1 && s.data[at] == '0'))
        return false;
    at += count;
    if (at < s.len && s.data[at] == '.') {
        count = count_digits(s, ++at);
        if (count == 0)
            return false;
        at += count;
    }
    if (at < s.len && (s.data[at] | 32) == 'e') {
        at++;
        if (at < s.len && (s.data[at] == '+' || s.data[at] == '-'))
            at++;
        count = count_digits(s, at);
        if (count == 0)
            return false;
        at += count;
    }
    return at == s.len;
}

/* A walk over json text, only to find out whether it is well-formed, and jsonb would take it. */
struct walk {
    const char *p;
    const char *end;
    bool for_jsonb;
    char open[JSON_MAX_DEPTH]; /* '{' or '[' of each level */
    size_t depth;
};

static void skip_space(struct walk *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

/* *p stands behind the backslash; moves it behind the escape. */
static bool walk_escape(const struct walk *w, const char **p, const char *end)
{
    unsigned code;

    if (*(*p)++ != 'u')
        return unescape_letter((*p)[-1]) != 0;
    if (w->for_jsonb)
        return read_unicode(p, end, &code);
    if (end - *p < 4 || !hex4(*p, &code))
        return false;
    *p += 4;
    return true;
}

static bool walk_string(struct walk *w)
{
    const char *close = json_string_end(w->p, w->end);
    const char *p;

    if (!close)
        return false;
    p = w->p + 1;
    while (p < close - 1) {
        if ((unsigned char)*p < 0x20)
            return false;
        if (*p++ == '\\' && !walk_escape(w, &p, close - 1))
            return false;
    }
    w->p = close;
    return true;
}

/* Digits behind the point of what stands before the exponent. */
static size_t fraction_digits(struct str mantissa)
{
    struct str whole, fraction;

    return str_split(mantissa, '.', &whole, &fraction) ? fraction.len : 0;
}

static bool number_fits_numeric(struct str s)
{
    struct str mantissa, digits;
    uint64_t exponent;
    bool negative;

    if (s.len > MAX_NUMBER_TEXT)
        return false;
    if (!str_split(s, 'e', &mantissa, &digits) && !str_split(s, 'E', &mantissa, &digits))
        return true;
    negative = digits.data[0] == '-';
    if (negative || digits.data[0] == '+')
        digits = str_from(digits.data + 1, digits.len - 1);
    if (!str_to_u64(digits, &exponent) || exponent > MAX_EXPONENT)
        return false;
    return !negative || fraction_digits(mantissa) + exponent <= MAX_SCALE;
}

static bool walk_number(struct walk *w)
{
    const char *start = w->p;
    struct str text;

    while (w->p < w->end && (strchr("+-.eE", *w->p) || (*w->p >= '0' && *w->p <= '9')) && *w->p)
        w->p++;
    text = str_from(start, (size_t)(w->p - start));
    return json_is_number(text) && (!w->for_jsonb || number_fits_numeric(text));
}

static bool walk_word(struct walk *w, struct str word)
{
    if (!str_starts(str_from(w->p, (size_t)(w->end - w->p)), word))
        return false;
    w->p += word.len;
    return true;
}

static bool walk_scalar(struct walk *w)
{
    switch (*w->p) {
    case '"':
        return walk_string(w);
    case 't':
        return walk_word(w, STR("true"));
    case 'f':
        return walk_word(w, STR("false"));
    case 'n':
        return walk_word(w, STR("null"));
    default:
        return walk_number(w);
    }
}

static bool walk_key(struct walk *w)
{
    skip_space(w);
    if (!walk_string(w))
        return false;
    skip_space(w);
    if (w->p >= w->end || *w->p != ':')
        return false;
    w->p++;
    return true;
}

/* Behind a value: closes what ends here; *more says that another element follows a comma. */
static bool walk_after_value(struct walk *w, bool *more)
{
    *more = false;
    for (;;) {
        skip_space(w);
        if (w->depth == 0)
            return w->p == w->end;
        if (w->p >= w->end)
            return false;
        if (*w->p == ',') {
            w->p++;
            *more = true;
            return w->open[w->depth - 1] == '[' || walk_key(w);
        }
        if (*w->p != (w->open[w->depth - 1] == '{' ? '}' : ']'))
            return false;
        w->p++;
        w->depth--;
    }
}

/* `p` stands where a value begins. An array or object is opened, and closed again if it is empty.
 */
static bool walk_value(struct walk *w, bool *more)
{
    char open = *w->p;

    if (open != '{' && open != '[')
        return walk_scalar(w) && walk_after_value(w, more);
    if (w->depth == JSON_MAX_DEPTH)
        return false;
    w->p++;
    w->open[w->depth++] = open;
    skip_space(w);
    if (w->p < w->end && *w->p == (open == '{' ? '}' : ']'))
        return walk_after_value(w, more);
    *more = true;
    return open == '[' || walk_key(w);
}

static bool walk_all(struct walk *w)
{
    bool more = true;

    while (more) {
        skip_space(w);
        if (w->p >= w->end || !walk_value(w, &more))
            return false;
    }
    return true;
}

bool json_is_jsonb(struct str text)
{
    struct walk w = {.p = text.data, .end = text.data + text.len, .for_jsonb = true};

    return walk_all(&w);
}

bool json_is_valid(struct str text)
{
    struct walk w = {.p = text.data, .end = text.data + text.len};

    return text.len > 0 && walk_all(&w) && str_is_utf8(text);
}

/* One past the value that begins at `p`, in well-formed text. */
static const char *value_end(const char *p, const char *end)
{
    size_t depth = 0;
    const char *close;

    for (; p < end; p++) {
        if (*p == '"') {
            close = json_string_end(p, end);
            if (!close)
                return end;
            p = close - 1;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0)
                return p;
            depth--;
        } else if (depth == 0 && strchr(", \t\r\n", *p)) {
            return p;
        }
        if (depth == 0 && strchr("\"}]", *p))
            return p + 1;
    }
    return end;
}

static const char *past(const char *p, const char *end, const char *skipped)
{
    while (p < end && strchr(skipped, *p))
        p++;
    return p;
}

#define SPACE " \t\r\n"

struct json_cursor json_enter(struct str text)
{
    const char *end = text.data + text.len;
    const char *p = past(text.data, end, SPACE);
    struct json_cursor cursor = {.p = end, .end = end};

    if (p < end && (*p == '{' || *p == '['))
        cursor = (struct json_cursor){.p = p + 1, .end = end, .is_object = *p == '{'};
    return cursor;
}

bool json_next(struct json_cursor *cursor, struct str *key, struct str *value)
{
    const char *p = past(cursor->p, cursor->end, SPACE ",");
    const char *close;

    *key = STR("");
    if (p >= cursor->end || *p == '}' || *p == ']')
        return false;
    if (cursor->is_object) {
        close = json_string_end(p, cursor->end);
        *key = str_from(p + 1, (size_t)(close - p) - 2);
        p = past(close, cursor->end, SPACE ":");
    }
    cursor->p = value_end(p, cursor->end);
    *value = str_from(p, (size_t)(cursor->p - p));
    return true;
}
