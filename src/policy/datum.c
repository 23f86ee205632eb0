#include "policy/datum.h"

#include <string.h>

#define HEX_DIGITS_OF_UUID 32

static const struct datum unsure = {.state = DATUM_UNSURE};

enum datum_class datum_class_of(uint32_t type)
{
    switch (type) {
    case TYPE_OID_BOOL:
        return CLASS_BOOL;
    case TYPE_OID_INT2:
    case TYPE_OID_INT4:
    case TYPE_OID_INT8:
    case TYPE_OID_NUMERIC:
        return CLASS_NUMBER;
    case TYPE_OID_TEXT:
    case TYPE_OID_VARCHAR:
        return CLASS_TEXT;
    case TYPE_OID_UUID:
        return CLASS_UUID;
    case TYPE_OID_DATE:
        return CLASS_DATE;
    case TYPE_OID_TIMESTAMP:
        return CLASS_TIMESTAMP;
    case TYPE_OID_TIMESTAMPTZ:
        return CLASS_TIMESTAMPTZ;
    default: /* oids that are not ours */
        return CLASS_NONE;
    }
}

static struct datum read_bool(struct str text)
{
    if (str_eq(text, STR("true")) || str_eq(text, STR("t")))
        return (struct datum){.boolean = true};
    if (str_eq(text, STR("false")) || str_eq(text, STR("f")))
        return (struct datum){.boolean = false};
    return unsure;
}

static struct datum read_number(struct str text)
{
    struct datum datum = {.number = decimal_parse(text)};

    return datum.number.kind == DECIMAL_NONE ? unsure : datum;
}

static struct datum read_instant(struct str text, bool ignore_zone)
{
    struct datum datum = {.state = DATUM_KNOWN};

    return instant_parse(text, ignore_zone, &datum.instant) ? datum : unsure;
}

static struct datum read_uuid(struct str text)
{
    struct datum datum = {.state = DATUM_KNOWN};

    return str_to_uuid(text, datum.uuid) ? datum : unsure;
}

struct datum datum_read(enum datum_class class, struct str text)
{
    switch (class) {
    case CLASS_BOOL:
        return read_bool(text);
    case CLASS_NUMBER:
        return read_number(text);
    case CLASS_TEXT:
    case CLASS_LABEL:
        return (struct datum){.text = text};
    case CLASS_UUID:
        return read_uuid(text);
    case CLASS_DATE:
    case CLASS_TIMESTAMP:
        return read_instant(text, true);
    case CLASS_TIMESTAMPTZ:
        return read_instant(text, false);
    case CLASS_NONE:
        break;
    }
    return unsure;
}

/* uuid_in() takes 32 hex digits, in braces or not, with hyphens here and there. */
static bool can_be_uuid(struct str text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        if (!is_hex && c != '-' && c != '{' && c != '}')
            return false;
        digits += is_hex;
    }
    return digits == HEX_DIGITS_OF_UUID;
}

static struct datum cast_uuid(struct str text)
{
    if (!can_be_uuid(text))
        return (struct datum){.state = DATUM_RAISES};
    return read_uuid(text);
}

static bool is_plain_number(struct str text, bool whole)
{
    size_t digits = 0, points = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9')
            digits++;
        else if (text.data[i] == '.' && !whole && digits > 0)
            points++;
        else if (text.data[i] != '-' || i > 0)
            return false;
    }
    return digits > 0 && digits < 1000 && points <= 1;
}

static struct datum cast_integer(struct str text, const char *low, const char *high)
{
    struct decimal least = decimal_parse(str_c(low)), most = decimal_parse(str_c(high));
    struct datum datum;

    if (!is_plain_number(text, true))
        return unsure;
    datum = read_number(text);
    if (datum.state == DATUM_KNOWN &&
        (decimal_cmp(&datum.number, &least) < 0 || decimal_cmp(&datum.number, &most) > 0))
        return unsure;
    return datum;
}

struct datum datum_cast(uint32_t type, enum datum_class class, struct str text)
{
    switch (type) {
    case TYPE_OID_INT2:
        return cast_integer(text, "-32768", "32767");
    case TYPE_OID_INT4:
        return cast_integer(text, "-2147483648", "2147483647");
    case TYPE_OID_INT8:
        return cast_integer(text, "-9223372036854775808", "9223372036854775807");
    case TYPE_OID_NUMERIC:
        return is_plain_number(text, false) ? read_number(text) : unsure;
    case TYPE_OID_UUID:
        return cast_uuid(text);
    case TYPE_OID_BOOL:
        return read_bool(text);
    default:
        return class == CLASS_TEXT ? datum_read(class, text) : unsure;
    }
}

int datum_compare(enum datum_class class, const struct datum *a, const struct datum *b)
{
    switch (class) {
    case CLASS_BOOL:
        return a->boolean - b->boolean;
    case CLASS_NUMBER:
        return decimal_cmp(&a->number, &b->number);
    case CLASS_TEXT:
    case CLASS_LABEL:
        return str_cmp(a->text, b->text);
    case CLASS_UUID:
        return memcmp(a->uuid, b->uuid, sizeof(a->uuid));
    case CLASS_DATE:
    case CLASS_TIMESTAMP:
    case CLASS_TIMESTAMPTZ:
        return (a->instant > b->instant) - (a->instant < b->instant);
    case CLASS_NONE:
        break;
    }
    return 0;
}

uint64_t datum_key(enum datum_class class, const struct datum *datum)
{
    switch (class) {
    case CLASS_BOOL:
        return datum->boolean;
    case CLASS_NUMBER:
        return decimal_hash(&datum->number);
    case CLASS_TEXT:
    case CLASS_LABEL:
        return str_hash(datum->text);
    case CLASS_UUID:
        return str_hash(str_from((const char *)datum->uuid, sizeof(datum->uuid)));
    case CLASS_DATE:
    case CLASS_TIMESTAMP:
    case CLASS_TIMESTAMPTZ:
        return (uint64_t)datum->instant;
    case CLASS_NONE:
        break;
    }
    return 0;
}
