/* An image of the audit trail: a JSON object whose members are columns of a table with a column of
 * every type (`c16` is a boolean: 16 is its oid), or of none. What is made of it is JSON that jsonb
 * takes, and reading that again gives the same. */
#include "fuzz.h"

#include "base/json.h"
#include "catalog.h"
#include "replay/entry.h"
#include "row/value.h"

#define MAX_OUT ((size_t)256 << 20)

static const uint32_t oids[] = {
    OID_BOOL,          OID_BYTEA,       OID_INT8,
    OID_TEXT,          OID_OID,         OID_JSON,
    OID_JSON_ARRAY,    OID_BOX,         OID_FLOAT4,
    OID_FLOAT8,        OID_BOOL_ARRAY,  OID_BYTEA_ARRAY,
    OID_INT4_ARRAY,    OID_TEXT_ARRAY,  OID_BOX_ARRAY,
    OID_TIMESTAMP,     OID_TIMESTAMPTZ, OID_TIMESTAMP_ARRAY,
    OID_NUMERIC_ARRAY, OID_NUMERIC,     OID_UUID,
    OID_JSONB,         OID_PAIR,        OID_PAIR_ARRAY,
    OID_NEST,          OID_EMPTY,       OID_PRICE,
    OID_UNKNOWN,
};
#define COLUMNS (sizeof(oids) / sizeof(oids[0]))

static struct types *types;
static struct entry_column columns[COLUMNS];
static char names[COLUMNS][16];

static void make_table(void)
{
    types = fixture_types();
    for (size_t i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", oids[i]);
        columns[i] = (struct entry_column){str_c(names[i]), oids[i]};
    }
}

/* The image as a body has it; false if it cannot be read. */
static bool read_and_write(struct entry_reader *reader, struct str image, struct buf *out)
{
    static const struct str key[] = {{"c20", 3}};
    const struct entry_table table = {.schema = STR("public"),
                                      .table = STR("t"),
                                      .columns = columns,
                                      .column_count = COLUMNS,
                                      .key = (struct str *)(uintptr_t)key,
                                      .key_count = 1};
    const struct entry entry = {.kind = CHANGE_UPDATE, .old_values = image, .new_values = image};
    struct change change;
    struct err err;

    if (entry_read(reader, &table, types, &entry, &change, &err) != OK)
        return false;
    REQUIRE(change.record.count == change.identity.count, image);
    buf_add_char(out, '{');
    for (size_t i = 0; i < change.record.count; i++) {
        const struct column *column = &change.record.items[i];

        REQUIRE(value_same(column, &change.identity.items[i]), image);
        if (i > 0)
            buf_add_char(out, ',');
        json_add_string(out, column->name);
        buf_add_char(out, ':');
        if (column->form == VALUE_LOST) /* as rules/image.c has it */
            buf_add_c(out, "\"[not in the stream: NaN or Infinity]\"");
        else
            value_add_json(out, types, column, VALUE_AS_JSONB);
    }
    buf_add_char(out, '}');
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str image = input_text(data, size);
    struct entry_reader *reader;
    struct buf first, second;

    if (!types)
        make_table();
    if (!json_is_jsonb(image) || !str_is_utf8(image)) /* the server sends nothing else */
        return 0;
    image = str_trim(image);
    reader = entry_reader_new();
    buf_init(&first, MAX_OUT);
    buf_init(&second, MAX_OUT);
    if (read_and_write(reader, image, &first) && buf_ok(&first)) {
        REQUIRE(json_is_jsonb(buf_str(&first)), buf_str(&first));
        REQUIRE(read_and_write(reader, buf_str(&first), &second), buf_str(&first));
        REQUIRE(str_eq(buf_str(&first), buf_str(&second)), buf_str(&first));
    }
    buf_fini(&second);
    buf_fini(&first);
    entry_reader_free(reader);
    return 0;
}
