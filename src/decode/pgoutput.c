/* pgoutput, protocol version 1, values as text: the plugin that every PostgreSQL has. A row says
 * only the oid of its table and its values; names and types come from what was said of the table
 * before. A transaction that was streamed comes as in protocol 1 too, see decode/streamed.h.
 * Source: the manual's "Logical Replication Message Formats"; proto.c, pgoutput.c. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "decode/relation.h"
#include "decode/streamed.h"

#define MAX_RELATION_BYTES ((size_t)256 << 20)
/* The years 1 to 9999, in microseconds since 1970. */
#define FIRST_TIME_US INT64_C(-62135596800000000)
#define LAST_TIME_US INT64_C(253402300799999999)

struct pgoutput {
    struct decoder base;
    const struct config *config;
    struct relations relations;
    struct table_keys *keys; /* NULL: not yet asked for */

    /* the transaction that is passing; its LSN is 0 between two */
    bool was_streamed;
    struct relations streamed; /* what was said in it, if it was streamed: all that counts for it */
    lsn_t commit_lsn;
    int64_t commit_time;
    uint32_t xid;

    /* the message at hand */
    struct change change;
    bool unread;
    bool lacks_key;
    struct str truncated; /* the oids of what is left of a TRUNCATE */
    struct column record[MAX_COLUMNS];
    struct column identity[MAX_COLUMNS];
};

static struct pgoutput *of(struct decoder *base)
{
    return (struct pgoutput *)(void *)base;
}

/* Transactions */

static enum result read_time(struct wire *wire, int64_t *out)
{
    uint64_t since_2000;

    if (wire_u64(wire, &since_2000) != OK)
        return FAILED;
    *out = (int64_t)(since_2000 + (uint64_t)CLOCK_PG_EPOCH_US);
    if ((int64_t)since_2000 > LAST_TIME_US || *out < FIRST_TIME_US || *out > LAST_TIME_US)
        return wire_fail(wire, "a time before this");
    return OK;
}

/* The pipeline gives a row its place: the LSN is that of BEGIN and COMMIT alone. */
static void hand_out(struct pgoutput *decoder, enum change_kind kind)
{
    decoder->change =
        (struct change){.kind = kind, .xid = decoder->xid, .commit_time = decoder->commit_time};
    decoder->unread = true;
}

static enum result read_begin(struct pgoutput *decoder, struct wire *wire, bool was_streamed)
{
    decoder->was_streamed = was_streamed;
    relations_clear(&decoder->streamed);
    if (wire_u64(wire, &decoder->commit_lsn) != OK ||
        read_time(wire, &decoder->commit_time) != OK || wire_u32(wire, &decoder->xid) != OK)
        return FAILED;
    if (decoder->commit_lsn == 0)
        return wire_fail(wire, "the LSN of the commit before this");
    hand_out(decoder, CHANGE_BEGIN);
    decoder->change.commit_lsn = decoder->commit_lsn;
    return wire_end(wire);
}

static enum result read_commit(struct pgoutput *decoder, struct wire *wire)
{
    uint8_t flags;
    lsn_t commit_lsn, end_lsn;
    int64_t time;

    if (wire_u8(wire, &flags) != OK || wire_u64(wire, &commit_lsn) != OK ||
        wire_u64(wire, &end_lsn) != OK || read_time(wire, &time) != OK)
        return FAILED;
    if (commit_lsn != decoder->commit_lsn || commit_lsn == 0 || end_lsn == 0)
        return wire_fail(wire, "the commit of the transaction that began");
    hand_out(decoder, CHANGE_COMMIT);
    decoder->change.commit_lsn = commit_lsn;
    decoder->change.end_lsn = end_lsn;
    decoder->commit_lsn = 0;
    decoder->was_streamed = false;
    if (relations_adopt(&decoder->relations, &decoder->streamed, wire->err) != OK)
        return FAILED;
    return wire_end(wire);
}

/* Tables */

static struct relations *current_relations(struct pgoutput *decoder)
{
    return decoder->was_streamed ? &decoder->streamed : &decoder->relations;
}

static enum result read_relation(struct pgoutput *decoder, struct wire *wire)
{
    return relations_read(current_relations(decoder), wire, 0, decoder->config);
}

static enum result read_numbered_relation(struct pgoutput *decoder, struct wire *wire)
{
    uint64_t number;

    if (wire_u64(wire, &number) != OK)
        return FAILED;
    return relations_read(current_relations(decoder), wire, number, decoder->config);
}

/* Values */

static void set_value(struct column *column, enum column_reading reading, struct str text)
{
    column->form = VALUE_TEXT;
    column->value = text;
    switch (reading) {
    case READ_TEXT:
        return;
    case READ_NUMBER: /* NaN and the infinities are none of JSON's */
        if (json_is_number(text))
            column->form = VALUE_LITERAL;
        return;
    case READ_BOOL:
        column->form = VALUE_LITERAL;
        column->value = text.len == 1 && text.data[0] == 't' ? STR("true") : STR("false");
        return;
    case READ_BYTEA:
        if (str_starts(text, STR("\\x")))
            column->value = str_from(text.data + 2, text.len - 2);
        return;
    }
}

/* *present is false for a TOASTed value that did not change: it is not sent. */
static enum result read_value(struct wire *wire, enum column_reading reading, struct column *column,
                              bool *present)
{
    struct str text;
    uint8_t how;

    if (wire_u8(wire, &how) != OK)
        return FAILED;
    *present = how != 'u';
    column->form = VALUE_NULL;
    column->value = (struct str){0};
    if (how == 'n' || how == 'u')
        return OK;
    if (how != 't')
        return wire_fail(wire, "a value as text, null, or not changed, before this");
    if (wire_counted(wire, &text) != OK)
        return FAILED;
    if (text.len > 0 && memchr(text.data, '\0', text.len)) /* as in no text of PostgreSQL */
        return wire_fail(wire, "no NUL in the value before this");
    set_value(column, reading, text);
    return OK;
}

/* Of a row that is there for its replica identity alone (`only_key`) the other columns say nothing:
 * they come as nulls. */
static enum result read_tuple(struct wire *wire, const struct relation *relation, bool only_key,
                              struct column *columns, struct columns *out)
{
    size_t count = 0;
    uint16_t sent;

    if (wire_u16(wire, &sent) != OK)
        return FAILED;
    if (sent != relation->count)
        return wire_fail(wire, "as many values as the table has columns");
    for (size_t i = 0; i < sent; i++) {
        const struct relation_column *of = &relation->columns[i];
        struct column *column = &columns[count];
        bool present;

        if (read_value(wire, of->reading, column, &present) != OK)
            return FAILED;
        if (!present || (only_key && !of->identifies))
            continue;
        column->name = of->name;
        column->type = of->type;
        count++;
    }
    *out = (struct columns){columns, count};
    return OK;
}

/* Rows */

/* The old row: with the replica identity alone (K), or whole (O). */
static enum result read_old(struct pgoutput *decoder, struct wire *wire,
                            const struct relation *relation, uint8_t mark)
{
    return read_tuple(wire, relation, mark == 'K', decoder->identity, &decoder->change.identity);
}

/* An UPDATE that left the replica identity as it was sends no old row: it is that of the new. */
static void derive_identity(struct pgoutput *decoder, const struct relation *relation)
{
    struct columns record = decoder->change.record;
    size_t count = 0, at = 0;

    for (size_t i = 0; i < relation->count && at < record.count; i++) {
        if (record.items[at].name.data != relation->columns[i].name.data)
            continue; /* not sent */
        if (relation->columns[i].identifies)
            decoder->identity[count++] = record.items[at];
        at++;
    }
    decoder->change.identity = (struct columns){decoder->identity, count};
}

static enum result read_rows(struct pgoutput *decoder, struct wire *wire,
                             const struct relation *relation)
{
    enum change_kind kind = decoder->change.kind;
    bool has_old = false;
    uint8_t mark;

    if (wire_u8(wire, &mark) != OK)
        return FAILED;
    if (kind != CHANGE_INSERT && (mark == 'K' || mark == 'O')) {
        has_old = true;
        if (read_old(decoder, wire, relation, mark) != OK)
            return FAILED;
        if (kind == CHANGE_DELETE)
            return wire_end(wire);
        if (wire_u8(wire, &mark) != OK)
            return FAILED;
    }
    if (kind == CHANGE_DELETE || mark != 'N')
        return wire_fail(wire, "a row before this");
    if (read_tuple(wire, relation, false, decoder->record, &decoder->change.record) != OK)
        return FAILED;
    if (kind == CHANGE_UPDATE && !has_old)
        derive_identity(decoder, relation);
    return wire_end(wire);
}

static enum result find_relation(struct pgoutput *decoder, struct wire *wire,
                                 struct relation **relation)
{
    uint32_t oid;

    if (wire_u32(wire, &oid) != OK)
        return FAILED;
    *relation = relations_find(current_relations(decoder), oid);
    return *relation ? OK : wire_fail(wire, "a table that was described, before this");
}

static void set_table(struct change *change, const struct relation *relation)
{
    change->schema = relation->schema;
    change->table = relation->table;
    if (change->kind == CHANGE_TRUNCATE)
        return; /* nobody needs its key, and so it is not looked up */
    change->key = relation->key;
    change->key_count = relation->key_count;
}

/* The catalog must have been asked when the transaction was over for everybody: what it says then
 * is at least as new as the table's description. */
static void find_key(struct pgoutput *decoder, struct relation *relation)
{
    if (relation->key_known)
        return;
    if (decoder->keys && table_keys_see(decoder->keys, decoder->xid))
        relation_set_key(relation, decoder->keys);
    else
        decoder->lacks_key = true;
}

static enum result check_open(const struct pgoutput *decoder, const struct wire *wire)
{
    return decoder->commit_lsn ? OK : wire_fail(wire, "a transaction around this");
}

static enum result read_row(struct pgoutput *decoder, struct wire *wire, enum change_kind kind)
{
    struct relation *relation;

    if (check_open(decoder, wire) != OK || find_relation(decoder, wire, &relation) != OK)
        return FAILED;
    hand_out(decoder, kind);
    if (relation->followed)
        find_key(decoder, relation);
    set_table(&decoder->change, relation);
    if (read_rows(decoder, wire, relation) != OK)
        return FAILED;
    decoder->unread = relation->followed;
    return OK;
}

/* The oids are looked at before the first of them is handed out: a message is taken as a whole. */
static enum result read_truncate(struct pgoutput *decoder, struct wire *wire)
{
    struct relation *relation;
    uint32_t count;
    uint8_t options;

    if (check_open(decoder, wire) != OK || wire_u32(wire, &count) != OK ||
        wire_u8(wire, &options) != OK)
        return FAILED;
    if ((uint64_t)(wire->end - wire->p) != (uint64_t)count * sizeof(relation->oid))
        return wire_fail(wire, "as many tables as the number before this says");
    decoder->truncated = str_from(wire->p, (size_t)(wire->end - wire->p));
    while (wire->p < wire->end)
        if (find_relation(decoder, wire, &relation) != OK)
            return FAILED;
    return OK;
}

/* read_truncate() has been over it, so nothing in it fails. */
static bool next_truncated(struct pgoutput *decoder)
{
    struct str *left = &decoder->truncated;
    struct err err;

    while (left->len > 0) {
        struct wire wire = {.p = left->data, .end = left->data + left->len, .err = &err};
        struct relation *relation;

        if (find_relation(decoder, &wire, &relation) != OK)
            return false;
        *left = str_from(wire.p, (size_t)(wire.end - wire.p));
        if (!relation->followed)
            continue;
        hand_out(decoder, CHANGE_TRUNCATE);
        set_table(&decoder->change, relation);
        return true;
    }
    return false;
}

/* Messages */

/* The content ends at its first NUL, as wal2json has it: what a message means must not depend on
 * the plugin. */
static enum result read_message(struct pgoutput *decoder, struct wire *wire)
{
    struct str prefix, content;
    const char *nul;
    uint8_t flags;
    lsn_t lsn;

    if (wire_u8(wire, &flags) != OK || wire_u64(wire, &lsn) != OK ||
        wire_text(wire, &prefix) != OK || wire_counted(wire, &content) != OK)
        return FAILED;
    nul = content.len ? memchr(content.data, '\0', content.len) : NULL;
    hand_out(decoder, CHANGE_MESSAGE);
    decoder->change.prefix = prefix;
    decoder->change.content = nul ? str_from(content.data, (size_t)(nul - content.data)) : content;
    return wire_end(wire);
}

/* What is said for others to know: where a transaction came from, what a type is called. */
static enum result skip_origin(struct wire *wire)
{
    struct str name;
    lsn_t lsn;

    if (wire_u64(wire, &lsn) != OK || wire_text(wire, &name) != OK)
        return FAILED;
    return wire_end(wire);
}

static enum result skip_type(struct wire *wire)
{
    struct str schema, name;
    uint32_t oid;

    if (wire_u32(wire, &oid) != OK || wire_text(wire, &schema) != OK ||
        wire_text(wire, &name) != OK)
        return FAILED;
    return wire_end(wire);
}

static enum result read_any(struct pgoutput *decoder, struct wire *wire)
{
    uint8_t type;

    if (wire_u8(wire, &type) != OK)
        return FAILED;
    switch (type) {
    case 'B':
        return read_begin(decoder, wire, false);
    case STREAMED_BEGIN:
        return read_begin(decoder, wire, true);
    case 'C':
        return read_commit(decoder, wire);
    case 'I':
        return read_row(decoder, wire, CHANGE_INSERT);
    case 'U':
        return read_row(decoder, wire, CHANGE_UPDATE);
    case 'D':
        return read_row(decoder, wire, CHANGE_DELETE);
    case 'T':
        return read_truncate(decoder, wire);
    case 'M':
        return read_message(decoder, wire);
    case 'R':
        return read_relation(decoder, wire);
    case STREAMED_RELATION:
        return read_numbered_relation(decoder, wire);
    case 'O':
        return skip_origin(wire);
    case 'Y':
        return skip_type(wire);
    default:
        return wire_fail(wire, "one of B C I U D T M R O Y before this");
    }
}

/* The decoder */

static enum result read_whole(struct decoder *base, struct str message, struct err *err)
{
    struct pgoutput *decoder = of(base);
    struct wire wire = {message.data, message.data, message.data + message.len, err};

    decoder->unread = decoder->lacks_key = false;
    decoder->truncated = (struct str){0};
    if (read_any(decoder, &wire) == OK)
        return OK;
    decoder->unread = decoder->lacks_key = false;
    decoder->truncated = (struct str){0};
    return FAILED;
}

static bool next(struct decoder *base, struct change *out)
{
    struct pgoutput *decoder = of(base);

    if (!decoder->unread && !next_truncated(decoder))
        return false;
    decoder->unread = false;
    *out = decoder->change;
    return true;
}

static bool lacks_key(const struct decoder *base)
{
    return ((const struct pgoutput *)(const void *)base)->lacks_key;
}

static void set_keys(struct decoder *base, struct table_keys *keys)
{
    struct pgoutput *decoder = of(base);

    table_keys_free(decoder->keys);
    decoder->keys = keys;
}

static void free_decoder(struct decoder *base)
{
    struct pgoutput *decoder = of(base);

    relations_fini(&decoder->relations);
    relations_fini(&decoder->streamed);
    table_keys_free(decoder->keys);
    free(decoder);
}

struct decoder *decoder_new_pgoutput(const struct config *config)
{
    static const struct decoder_ops ops = {read_whole, next, lacks_key, set_keys, free_decoder};
    struct pgoutput *decoder = mem_alloc(sizeof(*decoder));

    decoder->base.ops = &ops;
    decoder->config = config;
    relations_init(&decoder->relations, MAX_RELATION_BYTES);
    relations_init(&decoder->streamed, MAX_RELATION_BYTES);
    return &decoder->base;
}
