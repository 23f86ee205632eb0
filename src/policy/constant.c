#include "policy/constant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES ((size_t)64 << 10)
#define MAX_ELEMENTS 4096
#define US_TO_2000 INT64_C(946684800000000) /* from 1970 */
#define US_A_DAY INT64_C(86400000000)
#define VARLENA_HEADER 4

struct bytes {
    const unsigned char *data;
    size_t len;
};

/* From "-96 0 0 0": signed, since outDatum() prints chars. */
static bool read_bytes(struct arena *arena, struct str numbers, struct bytes *out)
{
    unsigned char *data = arena_alloc(arena, numbers.len + 1);
    struct str word, rest = numbers;
    uint64_t value;

    *out = (struct bytes){data, 0};
    if (numbers.len > MAX_BYTES * 2)
        return false;
    while (rest.len > 0) {
        bool negative;

        str_split(rest, ' ', &word, &rest);
        negative = str_starts(word, STR("-"));
        if (negative)
            word = str_from(word.data + 1, word.len - 1);
        if (!str_to_u64(word, &value) || value > (negative ? 128 : 255))
            return false;
        data[out->len++] = (unsigned char)(negative ? 256 - value : value);
    }
    return true;
}

static uint64_t little_endian(const unsigned char *data, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

static unsigned u16_at(struct bytes bytes, size_t at)
{
    return (unsigned)little_endian(bytes.data + at, 2);
}

static int32_t i32_at(struct bytes bytes, size_t at)
{
    return (int32_t)(uint32_t)little_endian(bytes.data + at, 4);
}

/* What stands behind a header of four bytes, uncompressed; *total is where the next value may
 * begin.
 */
static bool read_varlena(struct bytes bytes, struct bytes *out, size_t *total)
{
    uint64_t header;

    if (bytes.len < VARLENA_HEADER)
        return false;
    header = little_endian(bytes.data, VARLENA_HEADER);
    *total = (size_t)(header >> 2);
    if ((header & 3) != 0 || *total < VARLENA_HEADER || *total > bytes.len)
        return false;
    *out = (struct bytes){bytes.data + VARLENA_HEADER, *total - VARLENA_HEADER};
    return true;
}

static struct datum number_of(struct arena *arena, const char *text)
{
    return datum_read(CLASS_NUMBER, arena_str(arena, str_c(text)));
}

static bool read_integer(struct arena *arena, struct bytes bytes, size_t size, struct datum *out)
{
    unsigned shift = (unsigned)(8 - size) * 8;
    char text[32];

    if (bytes.len < size)
        return false;
    snprintf(text, sizeof(text), "%" PRId64,
             (int64_t)(little_endian(bytes.data, size) << shift) >> shift);
    *out = number_of(arena, text);
    return true;
}

/* Digits of four decimals each; the first counts 10000^weight. */
static void write_numeric(char *out, bool negative, struct bytes digits, int weight)
{
    char *at = out;

    if (negative)
        *at++ = '-';
    *at++ = '0';
    for (size_t i = 0; i + 1 < digits.len; i += 2)
        at += sprintf(at, "%04u", u16_at(digits, i) % 10000);
    sprintf(at, "e%d", (weight + 1 - (int)(digits.len / 2)) * 4);
}

#define NUMERIC_SIGN_MASK 0xC000u
#define NUMERIC_NEG 0x4000u
#define NUMERIC_SHORT 0x8000u
#define NUMERIC_SPECIAL 0xC000u

static bool read_numeric(struct arena *arena, struct bytes bytes, struct datum *out)
{
    struct bytes body, digits;
    size_t total;
    unsigned head;
    char *text;
    int weight;

    if (!read_varlena(bytes, &body, &total) || body.len < 2)
        return false;
    head = u16_at(body, 0);
    if ((head & NUMERIC_SIGN_MASK) ==
        NUMERIC_SPECIAL) { /* 0xC000 NaN, 0xD000 and 0xF000 infinity */
        *out = number_of(arena, head == 0xC000 ? "NaN" : head == 0xD000 ? "Infinity" : "-Infinity");
        return true;
    }
    if (head & NUMERIC_SHORT) {
        weight = (int)(head & 0x3f) - (head & 0x40 ? 0x40 : 0);
        digits = (struct bytes){body.data + 2, body.len - 2};
        head = head & 0x2000 ? NUMERIC_NEG : 0;
    } else {
        if (body.len < 4)
            return false;
        weight = (int16_t)u16_at(body, 2);
        digits = (struct bytes){body.data + 4, body.len - 4};
    }
    text = arena_alloc(arena, digits.len * 2 + 32);
    write_numeric(text, (head & NUMERIC_SIGN_MASK) == NUMERIC_NEG, digits, weight);
    *out = datum_read(CLASS_NUMBER, str_c(text));
    return out->state == DATUM_KNOWN;
}

static bool read_text(struct arena *arena, struct bytes bytes, struct datum *out)
{
    struct bytes body;
    size_t total;

    if (!read_varlena(bytes, &body, &total))
        return false;
    *out = (struct datum){.text = arena_str(arena, str_from((const char *)body.data, body.len))};
    return true;
}

static bool read_timestamp(struct bytes bytes, struct datum *out)
{
    int64_t us;

    if (bytes.len < 8)
        return false;
    us = (int64_t)little_endian(bytes.data, 8);
    *out = (struct datum){.instant = us};
    return us == INT64_MAX || us == INT64_MIN ||
           !__builtin_add_overflow(us, US_TO_2000, &out->instant);
}

static bool read_date(struct bytes bytes, struct datum *out)
{
    int32_t days;

    if (bytes.len < 4)
        return false;
    days = i32_at(bytes, 0);
    *out = (struct datum){.instant = days == INT32_MAX ? INT64_MAX : INT64_MIN};
    return days == INT32_MAX || days == INT32_MIN ||
           (!__builtin_mul_overflow(days, US_A_DAY, &out->instant) &&
            !__builtin_add_overflow(out->instant, US_TO_2000, &out->instant));
}

static bool read_label(struct arena *arena, const struct policy_facts *facts, struct bytes bytes,
                       struct datum *out)
{
    const struct policy_label *label =
        bytes.len < 4 ? NULL : facts_label(facts, little_endian(bytes.data, 4));

    if (label)
        *out = (struct datum){.text = arena_str(arena, label->text)};
    return label != NULL;
}

static bool read_scalar(struct arena *arena, const struct policy_facts *facts, uint32_t type,
                        struct bytes bytes, struct datum *out)
{
    switch (type) {
    case TYPE_OID_BOOL:
        *out = (struct datum){.boolean = bytes.len > 0 && bytes.data[0]};
        return bytes.len > 0;
    case TYPE_OID_INT2:
        return read_integer(arena, bytes, 2, out);
    case TYPE_OID_INT4:
        return read_integer(arena, bytes, 4, out);
    case TYPE_OID_INT8:
        return read_integer(arena, bytes, 8, out);
    case TYPE_OID_NUMERIC:
        return read_numeric(arena, bytes, out);
    case TYPE_OID_TEXT:
    case TYPE_OID_VARCHAR:
        return read_text(arena, bytes, out);
    case TYPE_OID_UUID:
        *out = (struct datum){.state = DATUM_KNOWN};
        memcpy(out->uuid, bytes.data, bytes.len < 16 ? bytes.len : 16);
        return bytes.len >= 16;
    case TYPE_OID_DATE:
        return read_date(bytes, out);
    case TYPE_OID_TIMESTAMP:
    case TYPE_OID_TIMESTAMPTZ:
        return read_timestamp(bytes, out);
    default:
        return facts_is_enum(facts, type) && read_label(arena, facts, bytes, out);
    }
}

/* The array type of each type that is ours, and how its elements lie in memory. Arrays of enums
 * have oids that are not known here. */
static const struct {
    uint32_t array, element;
    size_t size; /* 0: varlena */
    size_t alignment;
} arrays[] = {
    {1000, TYPE_OID_BOOL, 1, 1},        {1005, TYPE_OID_INT2, 2, 2},
    {1007, TYPE_OID_INT4, 4, 4},        {1016, TYPE_OID_INT8, 8, 8},
    {1231, TYPE_OID_NUMERIC, 0, 4},     {1009, TYPE_OID_TEXT, 0, 4},
    {1015, TYPE_OID_VARCHAR, 0, 4},     {2951, TYPE_OID_UUID, 16, 1},
    {1182, TYPE_OID_DATE, 4, 4},        {1115, TYPE_OID_TIMESTAMP, 8, 8},
    {1185, TYPE_OID_TIMESTAMPTZ, 8, 8},
};

/* struct ArrayType: dimensions, where the data begin (0 without a map of NULLs), the elements'
 * type; then for each dimension its length and its lower bound. Offsets count from the varlena
 * header. */
static bool read_elements(struct arena *arena, struct bytes bytes, size_t kind,
                          struct constant *out)
{
    int32_t dimensions = i32_at(bytes, 4), offset = i32_at(bytes, 8), count;
    size_t at, total = 0;

    if (dimensions == 0)
        return true;
    if (dimensions != 1 || bytes.len < 24 || (uint32_t)i32_at(bytes, 12) != arrays[kind].element)
        return false;
    count = i32_at(bytes, 16);
    at = offset ? (size_t)offset : 24;
    if (count < 0 || count > MAX_ELEMENTS || (offset && offset < 24 + (count + 7) / 8))
        return false;
    out->elements = arena_array(arena, (size_t)count, sizeof(*out->elements));
    for (; out->element_count < (size_t)count; out->element_count++) {
        size_t i = out->element_count;
        struct bytes element;

        if (offset && 24 + i / 8 < bytes.len && !(bytes.data[24 + i / 8] & 1u << i % 8)) {
            out->elements[i].state = DATUM_NULL;
            continue;
        }
        at = (at + arrays[kind].alignment - 1) / arrays[kind].alignment * arrays[kind].alignment;
        if (at > bytes.len)
            return false;
        element = (struct bytes){bytes.data + at, bytes.len - at};
        total = arrays[kind].size;
        if (total == 0 && !read_varlena(element, &(struct bytes){0}, &total))
            return false;
        if (!read_scalar(arena, NULL, arrays[kind].element, element, &out->elements[i]))
            return false;
        at += total;
    }
    return true;
}

static bool read_array(struct arena *arena, struct bytes bytes, struct constant *out)
{
    struct bytes body;
    size_t total;

    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        if (arrays[i].array != out->type)
            continue;
        out->is_array = true;
        out->class = datum_class_of(arrays[i].element);
        return out->is_null || (read_varlena(bytes, &body, &total) && total >= 16 &&
                                read_elements(arena, (struct bytes){bytes.data, total}, i, out));
    }
    return false;
}

bool constant_read(struct arena *arena, const struct policy_facts *facts, const struct tree *node,
                   struct constant *out)
{
    const struct tree *value = tree_field(node, "constvalue");
    struct bytes bytes = {NULL, 0};
    int64_t type;

    memset(out, 0, sizeof(*out));
    if (!tree_is(node, "CONST") || !value || !tree_number(tree_field(node, "consttype"), &type) ||
        type <= 0 || type > UINT32_MAX)
        return false;
    out->type = (uint32_t)type;
    out->is_null = tree_word_is(tree_field(node, "constisnull"), "true");
    if (!out->is_null && (!facts->little_endian || value->kind != TREE_BYTES ||
                          !read_bytes(arena, value->text, &bytes)))
        return false;
    out->class = facts_is_enum(facts, out->type) ? CLASS_LABEL : datum_class_of(out->type);
    if (out->class == CLASS_NONE)
        return read_array(arena, bytes, out);
    out->value.state = DATUM_NULL;
    return out->is_null || read_scalar(arena, facts, out->type, bytes, &out->value);
}
