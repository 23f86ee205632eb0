/* A message of the stream: whatever it is, reading it is safe; and if it is taken, no value in it
 * can break a batch: every one becomes JSON that jsonb takes. */
#include "fuzz.h"

#include "base/json.h"
#include "catalog.h"
#include "decode/decoder.h"
#include "row/event.h"
#include "row/value.h"

#define MAX_OUT ((size_t)64 << 20)

static void check_column(const struct types *types, const struct column *column)
{
    struct buf out;

    buf_init(&out, MAX_OUT);
    value_add_json(&out, types, column, VALUE_AS_JSONB);
    REQUIRE(!buf_ok(&out) || json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    value_add_json(&out, types, column, VALUE_AS_REALTIME);
    REQUIRE(!buf_ok(&out) || json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    json_add_string(&out, column->name);
    REQUIRE(json_is_jsonb(buf_str(&out)), buf_str(&out));
    buf_clear(&out);
    value_add_text(&out, column);
    REQUIRE(out.len <= column->value.len, column->value);
    REQUIRE(value_same(column, column), column->value);
    buf_fini(&out);
}

static void check_columns(const struct types *types, struct columns columns)
{
    for (size_t i = 0; i < columns.count; i++)
        check_column(types, &columns.items[i]);
}

/* The deep copy says what the original says. */
static void check_copy(const struct change *change, struct types *types)
{
    struct event *event = event_new_row(change, 1, 1, 1, types);
    const struct change *copy = &event->row.change;

    REQUIRE(str_eq(copy->schema, change->schema), change->schema);
    REQUIRE(str_eq(copy->table, change->table), change->table);
    for (size_t i = 0; i < change->record.count; i++)
        REQUIRE(str_eq(copy->record.items[i].value, change->record.items[i].value),
                change->record.items[i].value);
    for (size_t i = 0; i < change->key_count; i++)
        REQUIRE(str_eq(copy->key[i], change->key[i]), change->key[i]);
    msg_unref(&event->msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder *decoder;
    static struct types *types;
    struct change change;
    struct err err;

    if (!decoder) {
        decoder = decoder_new_wal2json();
        types = fixture_types();
    }
    if (decoder_read(decoder, input_text(data, size), &err) != OK ||
        !decoder_next(decoder, &change))
        return 0;
    check_columns(types, change.record);
    check_columns(types, change.identity);
    check_copy(&change, types);
    return 0;
}
