/* A single value as policies compare it: from a row, a token's claims, or a constant.
 *
 * A class is a set of types that compare with each other by what is kept here, exactly as
 * PostgreSQL's operators do. Text is compared by bytes, so it has no order here, only equality
 * (under deterministic collations); nor have the labels of enums. */
#ifndef PGHERALD_POLICY_DATUM_H
#define PGHERALD_POLICY_DATUM_H

#include "row/compare.h"

enum datum_class {
    CLASS_NONE, /* a type that is not ours to compare */
    CLASS_BOOL,
    CLASS_NUMBER, /* smallint, integer, bigint, numeric */
    CLASS_TEXT,   /* text, varchar */
    CLASS_UUID,
    CLASS_LABEL, /* an enum's value */
    CLASS_DATE,
    CLASS_TIMESTAMP,
    CLASS_TIMESTAMPTZ
};

/* Types of PostgreSQL, by oid (pg_type.dat): these never change. */
enum {
    TYPE_OID_BOOL = 16,
    TYPE_OID_INT8 = 20,
    TYPE_OID_INT2 = 21,
    TYPE_OID_INT4 = 23,
    TYPE_OID_TEXT = 25,
    TYPE_OID_JSON = 114,
    TYPE_OID_FLOAT4 = 700,
    TYPE_OID_FLOAT8 = 701,
    TYPE_OID_VARCHAR = 1043,
    TYPE_OID_DATE = 1082,
    TYPE_OID_TIMESTAMP = 1114,
    TYPE_OID_TIMESTAMPTZ = 1184,
    TYPE_OID_NUMERIC = 1700,
    TYPE_OID_UUID = 2950,
    TYPE_OID_JSONB = 3802,
};

enum datum_state {
    DATUM_KNOWN,
    DATUM_NULL,
    DATUM_UNSURE, /* PostgreSQL would know it, we do not */
    DATUM_ODD,    /* NULL, NaN or an infinity: the stream has null for all of them */
    DATUM_RAISES  /* PostgreSQL raises an error instead */
};

/* Text and the digits of a number are borrowed. */
struct datum {
    enum datum_state state;
    union {
        bool boolean;
        struct decimal number;
        struct str text; /* of a label, too */
        uint8_t uuid[16];
        int64_t instant; /* microseconds since 1970, infinity is the largest int64_t */
    };
};

/* The class of a type that came with the server; enums are the catalog's to know. */
enum datum_class datum_class_of(uint32_t type);

/* From the text that PostgreSQL's output function gives; what does not look like that is UNSURE. */
struct datum datum_read(enum datum_class class, struct str text);

/* From text that somebody casts to the type. Stricter than the input function, which takes more
 * forms than one: what is refused here is UNSURE, but for a uuid that can be none. */
struct datum datum_cast(uint32_t type, enum datum_class class, struct str text);

/* Both KNOWN. <0, 0, >0; of text and labels only whether it is 0 means something. */
int datum_compare(enum datum_class class, const struct datum *a, const struct datum *b);

/* Equal values have equal keys. KNOWN only. */
uint64_t datum_key(enum datum_class class, const struct datum *datum);

#endif
