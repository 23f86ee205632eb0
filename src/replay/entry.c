#include "replay/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "replay/text.h"

#define MAX_COLUMNS 1664 /* of a row of PostgreSQL: MaxTupleAttributeNumber, htup_details.h */
#define MAX_SCRATCH ((size_t)2 << 30)
#define KEEP_SCRATCH ((size_t)1 << 20)
#define MAX_NAME 65536
#define NOWHERE SIZE_MAX
#define LOST_VALUE "\"[not in the stream: NaN or Infinity]\"" /* see rules/image.h */

/* What a column is called when the catalog does not know it any more. */
enum { OID_BOOL = 16, OID_TEXT = 25, OID_NUMERIC = 1700, OID_JSONB = 3802 };

/* One image. Texts that had to be made stand in the reader's scratch memory, which may move while
 * it grows, so that until the end there is only their place in it. */
struct image {
    struct column items[MAX_COLUMNS];
    size_t name_at[MAX_COLUMNS], value_at[MAX_COLUMNS]; /* in scratch, or NOWHERE */
    size_t count;
};

struct entry_reader {
    struct image record, identity;
    struct str values[MAX_COLUMNS]; /* of the members that are columns, by place in the table */
    size_t guess[MAX_COLUMNS];      /* which column the n-th member was last time */
    struct buf scratch;
};

struct entry_reader *entry_reader_new(void)
{
    struct entry_reader *reader = mem_alloc(sizeof(*reader));

    buf_init(&reader->scratch, MAX_SCRATCH);
    return reader;
}

void entry_reader_free(struct entry_reader *reader)
{
    if (!reader)
        return;
    buf_fini(&reader->scratch);
    free(reader);
}

/* ---------------------------------------------------------------- a value */

static uint32_t type_of(struct str json)
{
    switch (json.data[0]) {
    case '"':
        return OID_TEXT;
    case '{':
    case '[':
        return OID_JSONB;
    case 't':
    case 'f':
        return OID_BOOL;
    }
    return OID_NUMERIC;
}

static bool is_plain_kind(enum type_kind kind, struct str json)
{
    switch (kind) {
    case TYPE_STRING:
    case TYPE_BYTEA:
        return true;
    case TYPE_NUMBER:
    case TYPE_ARRAY:
    case TYPE_COMPOSITE:
        return json.data[0] == '"';
    case TYPE_BOOL:
    case TYPE_JSON:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return false;
    }
    return false;
}

/* The text as the stream would have it. The inside of a JSON string is escaped as that is. */
static void set_value(struct entry_reader *reader, const struct types *types, struct image *image,
                      struct str json)
{
    struct column *column = &image->items[image->count];
    const struct type *type = types_find(types, column->type);
    enum type_kind kind = type ? type->kind : TYPE_STRING;

    if (str_eq(json, STR("null"))) {
        column->form = VALUE_NULL;
    } else if (kind == TYPE_NUMBER && str_eq(json, STR(LOST_VALUE))) {
        column->form = VALUE_LOST;
    } else if (kind == TYPE_BOOL) {
        column->form = VALUE_LITERAL;
        column->value = json;
    } else if (is_plain_kind(kind, json) && json.data[0] == '"') {
        column->form = VALUE_ESCAPED;
        column->value = str_from(json.data + 1, json.len - 2);
    } else {
        column->form = kind == TYPE_NUMBER ? VALUE_LITERAL : VALUE_TEXT;
        image->value_at[image->count] = reader->scratch.len;
        text_add(&reader->scratch, types, column->type, json);
        column->value.len = reader->scratch.len - image->value_at[image->count];
    }
}

static enum result add_column(struct entry_reader *reader, const struct types *types,
                              struct image *image, struct str name, uint32_t type, struct str json,
                              struct err *err)
{
    if (image->count == MAX_COLUMNS)
        return err_set(err, "an image has more than %d columns", MAX_COLUMNS);
    if (!text_fits(types, type, json))
        type = type_of(json); /* redacted, or the column's type was changed since */
    image->items[image->count] = (struct column){.name = name, .type = type};
    image->name_at[image->count] = image->value_at[image->count] = NOWHERE;
    set_value(reader, types, image, json);
    image->count++;
    return OK;
}

/* ---------------------------------------------------------------- an image */

static bool is_column(const struct entry_table *table, size_t at, struct str name)
{
    return at < table->column_count && str_eq(table->columns[at].name, name);
}

/* jsonb has its members in an order of its own, but always in the same. */
static size_t find_column(struct entry_reader *reader, const struct entry_table *table,
                          size_t member, struct str name)
{
    if (member < MAX_COLUMNS && is_column(table, reader->guess[member], name))
        return reader->guess[member];
    for (size_t i = 0; i < table->column_count; i++) {
        if (!is_column(table, i, name))
            continue;
        if (member < MAX_COLUMNS)
            reader->guess[member] = i;
        return i;
    }
    return NOWHERE;
}

/* The key of a member without its escapes, in `plain` if it has any. */
static struct str name_of(struct str key, struct buf *plain)
{
    if (key.len == 0 || !memchr(key.data, '\\', key.len))
        return key;
    buf_clear(plain);
    return json_unescape(plain, key) ? buf_str(plain) : key;
}

/* Notes which column has which value; returns how many members are no column of the table. */
static size_t note_values(struct entry_reader *reader, const struct entry_table *table,
                          struct str json)
{
    struct json_cursor cursor = json_enter(json);
    struct str key, value;
    struct buf plain;
    size_t unknown = 0;

    for (size_t i = 0; i < table->column_count; i++)
        reader->values[i] = (struct str){0};
    buf_init(&plain, MAX_NAME);
    for (size_t member = 0; json_next(&cursor, &key, &value); member++) {
        size_t at = find_column(reader, table, member, name_of(key, &plain));

        if (at == NOWHERE)
            unknown++;
        else
            reader->values[at] = value;
    }
    buf_fini(&plain);
    return unknown;
}

/* Columns that the table has no more: behind the others, of types that their values may have. */
static enum result add_unknown(struct entry_reader *reader, const struct entry_table *table,
                               const struct types *types, struct image *image, struct str json,
                               struct err *err)
{
    struct json_cursor cursor = json_enter(json);
    enum result result = OK;
    struct str key, value;
    struct buf plain;

    buf_init(&plain, MAX_NAME);
    while (result == OK && json_next(&cursor, &key, &value)) {
        struct str name = name_of(key, &plain);
        size_t at = reader->scratch.len;

        if (find_column(reader, table, SIZE_MAX, name) != NOWHERE)
            continue;
        buf_add_str(&reader->scratch, name);
        result = add_column(reader, types, image, name, type_of(value), value, err);
        if (result == OK)
            image->name_at[image->count - 1] = at;
    }
    buf_fini(&plain);
    return result;
}

/* Columns in the order of the table, as the stream has them. */
static enum result read_image(struct entry_reader *reader, const struct entry_table *table,
                              const struct types *types, struct image *image, struct str json,
                              struct err *err)
{
    size_t unknown;

    image->count = 0;
    if (json.len == 0)
        return OK;
    if (json.data[0] != '{')
        return err_set(err, "an image is no JSON object");
    unknown = note_values(reader, table, json);
    for (size_t i = 0; i < table->column_count; i++)
        if (reader->values[i].len > 0 &&
            add_column(reader, types, image, table->columns[i].name, table->columns[i].type,
                       reader->values[i], err) != OK)
            return FAILED;
    return unknown > 0 ? add_unknown(reader, table, types, image, json, err) : OK;
}

/* From places in the scratch memory to views of it, now that it grows no more. */
static struct columns settle(const struct entry_reader *reader, struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        if (image->name_at[i] != NOWHERE)
            image->items[i].name.data = reader->scratch.data + image->name_at[i];
        if (image->value_at[i] != NOWHERE)
            image->items[i].value.data = reader->scratch.data + image->value_at[i];
    }
    return (struct columns){image->items, image->count};
}

/* ---------------------------------------------------------------- an entry */

enum result entry_read(struct entry_reader *reader, const struct entry_table *table,
                       const struct types *types, const struct entry *entry, struct change *change,
                       struct err *err)
{
    buf_shrink(&reader->scratch, KEEP_SCRATCH);
    if (table->column_count > MAX_COLUMNS)
        return err_set(err, "the table has more than %d columns", MAX_COLUMNS);
    if (read_image(reader, table, types, &reader->identity, entry->old_values, err) != OK ||
        read_image(reader, table, types, &reader->record, entry->new_values, err) != OK)
        return FAILED;
    if (!buf_ok(&reader->scratch))
        return err_set(err, "the values of an entry have more than %zu bytes", MAX_SCRATCH);
    *change = (struct change){
        .kind = entry->kind,
        .xid = entry->position.xid,
        .commit_time = entry->position.commit_time,
        .commit_lsn = entry->position.commit_lsn,
        .schema = table->schema,
        .table = table->table,
        .record = settle(reader, &reader->record),
        .identity = settle(reader, &reader->identity),
        .key = table->key,
        .key_count = table->key_count,
    };
    return OK;
}

bool entry_is_redacted(const struct column *column)
{
    return column->form == VALUE_ESCAPED && str_eq(column->value, STR("[redacted]"));
}

bool entry_is_digest(const struct column *column)
{
    const size_t prefix = sizeof("sha256:") - 1;

    if (column->form != VALUE_ESCAPED || column->value.len != prefix + 64 ||
        !str_starts(column->value, STR("sha256:")))
        return false;
    for (size_t i = prefix; i < column->value.len; i++)
        if (column->value.data[i] == '\0' || !strchr("0123456789abcdef", column->value.data[i]))
            return false;
    return true;
}

static void redact(struct image *image, bool (*hide)(void *arg, const struct column *column),
                   void *arg)
{
    for (size_t i = 0; i < image->count; i++) {
        struct column *column = &image->items[i];

        if (column->form == VALUE_NULL || !hide(arg, column))
            continue;
        column->type = OID_TEXT;
        column->form = VALUE_ESCAPED;
        column->value = STR("[redacted]");
    }
}

void entry_redact(struct entry_reader *reader, bool (*hide)(void *arg, const struct column *column),
                  void *arg)
{
    redact(&reader->record, hide, arg);
    redact(&reader->identity, hide, arg);
}

bool entry_is_left_out(const struct column *column)
{
    return column->form == VALUE_ESCAPED && str_starts(column->value, STR("[left out: ")) &&
           str_ends(column->value, STR(" bytes]"));
}
