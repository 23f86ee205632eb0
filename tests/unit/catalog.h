/* The types of an imaginary catalog, for unit tests and fuzz targets. */
#ifndef PGHERALD_TESTS_CATALOG_H
#define PGHERALD_TESTS_CATALOG_H

#include "row/type.h"

/* Types of PostgreSQL have their own oids, those below are made up as CREATE TYPE would make them.
 */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT2VECTOR = 22,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_JSON_ARRAY = 199,
    OID_BOX = 603,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_BOOL_ARRAY = 1000,
    OID_BYTEA_ARRAY = 1001,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_BOX_ARRAY = 1020,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMP_ARRAY = 1115,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC_ARRAY = 1231,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_JSONB = 3802,
    OID_PAIR = 16400,       /* (a int4, b text) */
    OID_PAIR_ARRAY = 16401, /* of it */
    OID_NEST = 16402,       /* (pair pair, list int4[], at timestamptz) */
    OID_EMPTY = 16403,      /* no fields */
    OID_PRICE = 16404,      /* a domain over numeric */
    OID_UNKNOWN = 16999     /* made after the catalog was read */
};

static inline struct types *fixture_types(void)
{
    static const struct type all[] = {
        {.oid = OID_BOOL, .kind = TYPE_BOOL, .name = STR("bool")},
        {.oid = OID_BYTEA, .kind = TYPE_BYTEA, .name = STR("bytea")},
        {.oid = OID_INT8, .kind = TYPE_NUMBER, .name = STR("int8")},
        {.oid = OID_INT2, .kind = TYPE_NUMBER, .name = STR("int2")},
        {.oid = OID_INT4, .kind = TYPE_NUMBER, .name = STR("int4")},
        {.oid = OID_TEXT, .kind = TYPE_STRING, .name = STR("text")},
        {.oid = OID_OID, .kind = TYPE_STRING, .name = STR("oid")},
        {.oid = OID_JSON, .kind = TYPE_JSON, .name = STR("json")},
        {.oid = OID_INT2VECTOR,
         .kind = TYPE_ARRAY,
         .name = STR("int2vector"),
         .element = OID_INT2,
         .delimiter = ','},
        {.oid = OID_BOX, .kind = TYPE_STRING, .name = STR("box")},
        {.oid = OID_FLOAT4, .kind = TYPE_NUMBER, .name = STR("float4")},
        {.oid = OID_FLOAT8, .kind = TYPE_NUMBER, .name = STR("float8")},
        {.oid = OID_DATE, .kind = TYPE_STRING, .name = STR("date")},
        {.oid = OID_TIMESTAMP, .kind = TYPE_TIMESTAMP, .name = STR("timestamp")},
        {.oid = OID_TIMESTAMPTZ, .kind = TYPE_TIMESTAMPTZ, .name = STR("timestamptz")},
        {.oid = OID_NUMERIC, .kind = TYPE_NUMBER, .name = STR("numeric")},
        {.oid = OID_UUID, .kind = TYPE_STRING, .name = STR("uuid")},
        {.oid = OID_JSONB, .kind = TYPE_JSON, .name = STR("jsonb")},
        {.oid = OID_PAIR, .kind = TYPE_COMPOSITE, .name = STR("pair")},
        {.oid = OID_NEST, .kind = TYPE_COMPOSITE, .name = STR("nest")},
        {.oid = OID_EMPTY, .kind = TYPE_COMPOSITE, .name = STR("empty")},
        {.oid = OID_PRICE, .kind = TYPE_NUMBER, .name = STR("price")},
    };
    static const struct {
        uint32_t oid, element;
        char delimiter;
    } arrays[] = {
        {OID_JSON_ARRAY, OID_JSON, ','},           {OID_BOOL_ARRAY, OID_BOOL, ','},
        {OID_BYTEA_ARRAY, OID_BYTEA, ','},         {OID_INT4_ARRAY, OID_INT4, ','},
        {OID_TEXT_ARRAY, OID_TEXT, ','},           {OID_BOX_ARRAY, OID_BOX, ';'},
        {OID_TIMESTAMP_ARRAY, OID_TIMESTAMP, ','}, {OID_NUMERIC_ARRAY, OID_NUMERIC, ','},
        {OID_PAIR_ARRAY, OID_PAIR, ','},
    };
    struct types *types = types_new();

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        types_add(types, &all[i]);
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        const struct type array = {.oid = arrays[i].oid,
                                   .kind = TYPE_ARRAY,
                                   .name = STR("_array"),
                                   .element = arrays[i].element,
                                   .delimiter = arrays[i].delimiter};

        types_add(types, &array);
    }
    types_add_field(types, OID_PAIR, STR("a"), OID_INT4);
    types_add_field(types, OID_PAIR, STR("b"), OID_TEXT);
    types_add_field(types, OID_NEST, STR("pair"), OID_PAIR);
    types_add_field(types, OID_NEST, STR("list"), OID_INT4_ARRAY);
    types_add_field(types, OID_NEST, STR("at"), OID_TIMESTAMPTZ);
    types_seal(types);
    return types;
}

#endif
