/* What PostgreSQL's types are to us: how the text of a value becomes JSON, and what it is called.
 *
 * A map is filled once from pg_type (sql/queries/catalog_types.sql) and then only read; it is
 * ref-counted and immutable after types_seal(), so that every loop may hold it. */
#ifndef PGHERALD_ROW_TYPE_H
#define PGHERALD_ROW_TYPE_H

#include "base/str.h"

enum type_kind {
    TYPE_STRING, /* everything without a rule of its own: a JSON string of the text */
    TYPE_NUMBER, /* int2 int4 int8 float4 float8 numeric */
    TYPE_BOOL,
    TYPE_JSON,        /* json and jsonb: the text is the value */
    TYPE_TIMESTAMP,   /* `T` between date and time */
    TYPE_TIMESTAMPTZ, /* and minutes in the zone */
    TYPE_BYTEA,
    TYPE_ARRAY,
    TYPE_COMPOSITE
};

/* As sql/queries/catalog_types.sql calls it; TYPE_STRING for what it does not. */
enum type_kind type_kind_parse(struct str name);

struct type_field {
    struct str name;
    uint32_t type;
};

struct type {
    uint32_t oid;
    enum type_kind kind;             /* of the base type, for a domain */
    struct str name;                 /* pg_type.typname */
    uint32_t element;                /* TYPE_ARRAY */
    char delimiter;                  /* TYPE_ARRAY: between elements, `,` but for box */
    const struct type_field *fields; /* TYPE_COMPOSITE */
    size_t field_count;
};

struct types;

struct types *types_new(void); /* one reference */
struct types *types_ref(struct types *types);
void types_unref(struct types *types);

/* Copies what it is given. A composite's fields follow by types_add_field(), in order. */
void types_add(struct types *types, const struct type *type);
void types_add_field(struct types *types, uint32_t composite, struct str name, uint32_t type);
void types_seal(struct types *types);

/* The type of an oid, or NULL: a type made after the map was loaded. */
const struct type *types_find(const struct types *types, uint32_t oid);

#endif
