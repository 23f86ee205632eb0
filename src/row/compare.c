#include "row/compare.h"

#include <string.h>

#include "base/clock.h"

#define MAX_EXPONENT_DIGITS 9 /* numeric ends at 10^131072: more is no number of PostgreSQL's */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_word(struct str s, bool negative, struct decimal *out)
{
    if (str_eq_nocase(s, STR("nan")))
        out->kind = DECIMAL_NAN;
    else if (str_eq_nocase(s, STR("infinity")) || str_eq_nocase(s, STR("inf")))
        out->kind = negative ? DECIMAL_MINUS_INFINITY : DECIMAL_INFINITY;
    return out->kind != DECIMAL_NONE;
}

/* What stands behind `e`. */
static bool parse_exponent(struct str s, int64_t *out)
{
    uint64_t value;
    bool negative = s.len > 0 && s.data[0] == '-';

    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        s = str_from(s.data + 1, s.len - 1);
    if (s.len > MAX_EXPONENT_DIGITS || !str_to_u64(s, &value))
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

struct decimal decimal_parse(struct str s)
{
    static const struct decimal none = {0};
    struct decimal d = {0};
    size_t point = SIZE_MAX, first = SIZE_MAX, last = 0, at = 0, digits = 0;
    int64_t exponent = 0;

    s = str_trim(s);
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+')) {
        d.negative = s.data[0] == '-';
        s = str_from(s.data + 1, s.len - 1);
    }
    if (parse_word(s, d.negative, &d))
        return d;
    for (; at < s.len && (is_digit(s.data[at]) || s.data[at] == '.'); at++) {
        if (s.data[at] == '.') {
            if (point != SIZE_MAX)
                return none;
            point = at;
            continue;
        }
        digits++;
        if (s.data[at] != '0') {
            last = at;
            if (first == SIZE_MAX)
                first = at;
        }
    }
    if (digits == 0)
        return none;
    if (point == SIZE_MAX)
        point = at;
    if (at < s.len && ((s.data[at] != 'e' && s.data[at] != 'E') ||
                       !parse_exponent(str_from(s.data + at + 1, s.len - at - 1), &exponent)))
        return none;
    d.kind = DECIMAL_FINITE;
    if (first == SIZE_MAX) { /* there is one zero, without a sign */
        d.negative = false;
        return d;
    }
    d.digits = str_from(s.data + first, last - first + 1);
    d.power = exponent + (first < point ? (int64_t)(point - first) - 1 : -(int64_t)(first - point));
    return d;
}

/* The next digit of a number; zeros behind its end. */
static char next_digit(struct str digits, size_t *at)
{
    if (*at < digits.len && digits.data[*at] == '.')
        ++*at;
    return *at < digits.len ? digits.data[(*at)++] : '0';
}

static int compare_magnitudes(const struct decimal *a, const struct decimal *b)
{
    size_t i = 0, j = 0;

    if (a->digits.len == 0 || b->digits.len == 0)
        return (a->digits.len > 0) - (b->digits.len > 0);
    if (a->power != b->power)
        return a->power < b->power ? -1 : 1;
    while (i < a->digits.len || j < b->digits.len) {
        char x = next_digit(a->digits, &i), y = next_digit(b->digits, &j);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

int decimal_cmp(const struct decimal *a, const struct decimal *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind != DECIMAL_FINITE)
        return 0;
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

uint64_t decimal_hash(const struct decimal *number)
{
    struct str digits = number->digits;
    bool negative = number->kind == DECIMAL_FINITE && number->negative;
    uint64_t hash = (uint64_t)number->kind << 1 | negative;

    hash = (hash ^ (uint64_t)number->power) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < digits.len; i++)
        if (digits.data[i] != '.')
            hash = (hash ^ (unsigned char)digits.data[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

bool bool_parse(struct str s, bool *out)
{
    static const struct {
        struct str word;
        size_t shortest;
        bool value;
    } words[] = {{STR("true"), 1, true}, {STR("yes"), 1, true},    {STR("on"), 2, true},
                 {STR("1"), 1, true},    {STR("false"), 1, false}, {STR("no"), 1, false},
                 {STR("off"), 2, false}, {STR("0"), 1, false}};

    s = str_trim(s);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (s.len >= words[i].shortest && s.len <= words[i].word.len &&
            str_eq_nocase(str_from(words[i].word.data, s.len), s)) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

bool instant_parse(struct str s, bool ignore_zone, int64_t *us)
{
    static const char *const rest[] = {"", "Z", "T00:00:00Z"};
    char text[64];

    s = str_trim(s);
    if (str_eq_nocase(s, STR("infinity")) || str_eq_nocase(s, STR("-infinity"))) {
        *us = s.data[0] == '-' ? INT64_MIN : INT64_MAX;
        return true;
    }
    for (size_t i = 10; ignore_zone && i < s.len; i++)
        if (s.data[i] == '+' || s.data[i] == '-' || s.data[i] == 'Z')
            s.len = i;
    if (s.len > sizeof(text) - sizeof("T00:00:00Z"))
        return false;
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        if (s.len > 0)
            memcpy(text, s.data, s.len);
        memcpy(text + s.len, rest[i], strlen(rest[i]) + 1);
        if (clock_parse(str_c(text), us))
            return true;
    }
    return false;
}

void operand_init(struct operand *operand, struct str text)
{
    *operand = (struct operand){.text = text, .number = decimal_parse(text)};
    operand->is_bool = bool_parse(text, &operand->boolean);
    operand->is_instant = instant_parse(text, false, &operand->instant);
    operand->is_local = instant_parse(text, true, &operand->local);
    operand->is_uuid = str_to_uuid(str_trim(text), operand->uuid);
}

static bool compare_numbers(struct str text, const struct operand *operand, int *order)
{
    struct decimal value = decimal_parse(text);

    if (value.kind == DECIMAL_NONE || operand->number.kind == DECIMAL_NONE)
        return false;
    *order = decimal_cmp(&value, &operand->number);
    return true;
}

static bool compare_bools(struct str text, const struct operand *operand, int *order)
{
    bool value;

    if (!operand->is_bool || !bool_parse(text, &value))
        return false;
    *order = value - operand->boolean;
    return true;
}

/* Years beyond 9999 and BC are compared as text: right for equality, which is all that is likely.
 */
static void compare_instants(struct str text, bool local, const struct operand *operand, int *order)
{
    int64_t value, other = local ? operand->local : operand->instant;

    if ((local ? operand->is_local : operand->is_instant) && instant_parse(text, local, &value))
        *order = (value > other) - (value < other);
    else
        *order = str_cmp(text, operand->text);
}

static struct str without_blanks_behind(struct str s)
{
    while (s.len > 0 && s.data[s.len - 1] == ' ')
        s.len--;
    return s;
}

static void compare_strings(struct str text, const struct type *type, const struct operand *operand,
                            int *order)
{
    struct str other = operand->text;
    uint8_t uuid[16];

    if (type && operand->is_uuid && str_eq(type->name, STR("uuid")) && str_to_uuid(text, uuid)) {
        *order = memcmp(uuid, operand->uuid, sizeof(uuid));
        return;
    }
    if (type && str_eq(type->name, STR("bpchar"))) {
        text = without_blanks_behind(text);
        other = without_blanks_behind(other);
    }
    *order = str_cmp(text, other);
}

/* A type made after the map was loaded: a literal is a boolean or a number. */
static bool compare_untyped(struct str text, bool literal, const struct operand *operand,
                            int *order)
{
    if (literal && (str_eq(text, STR("true")) || str_eq(text, STR("false"))))
        return compare_bools(text, operand, order);
    if (literal)
        return compare_numbers(text, operand, order);
    compare_strings(text, NULL, operand, order);
    return true;
}

static bool has_digit(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_digit(s.data[i]))
            return true;
    return false;
}

bool operand_fits(const struct operand *operand, const struct type *type)
{
    switch (type->kind) {
    case TYPE_NUMBER:
        return operand->number.kind != DECIMAL_NONE;
    case TYPE_BOOL:
        return operand->is_bool;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ: /* what is far away is compared as text */
        return operand->is_local || has_digit(operand->text);
    case TYPE_STRING:
        return !str_eq(type->name, STR("uuid")) || operand->is_uuid;
    case TYPE_JSON:
    case TYPE_BYTEA:
    case TYPE_ARRAY:
    case TYPE_COMPOSITE:
        return true;
    }
    return true;
}

bool operand_compare(struct str text, bool literal, const struct type *type,
                     const struct operand *operand, int *order)
{
    if (!type)
        return compare_untyped(text, literal, operand, order);
    if (!operand_fits(operand, type))
        return false;
    switch (type->kind) {
    case TYPE_NUMBER:
        return compare_numbers(text, operand, order);
    case TYPE_BOOL:
        return compare_bools(text, operand, order);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        compare_instants(text, type->kind == TYPE_TIMESTAMP, operand, order);
        return true;
    case TYPE_STRING:
    case TYPE_JSON:
    case TYPE_BYTEA:
    case TYPE_ARRAY:
    case TYPE_COMPOSITE:
        compare_strings(text, type, operand, order);
        return true;
    }
    return false;
}
