/* wal2json, format-version 2: one JSON object a message, `action` first. No tree is built: names
 * and values are views into the message, and only a name with an escape in it is copied. Source:
 * pg_decode_write_tuple() and its callers in wal2json.c, version 2.5. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "decode/internal.h"

#define MAX_SKIP_DEPTH 64
#define MAX_TIME_TEXT 40
#define OID_FLOAT4 700
#define OID_FLOAT8 701
#define OID_NUMERIC 1700

struct wal2json {
    struct decoder base;
    struct change change;
    bool unread; /* the change was not handed out yet */
    struct column record[MAX_COLUMNS];
    struct column identity[MAX_COLUMNS];
    bool takes_null[MAX_COLUMNS]; /* the record's columns */
    bool ignored[MAX_COLUMNS];    /* of an identity it is not said */
    struct str key[MAX_KEY];
    struct buf scratch;            /* unescaped names; never moves while a message is being read */
    char time_text[MAX_TIME_TEXT]; /* read last: it is the same in a whole transaction */
    size_t time_len;
    int64_t time;
};

/* A cursor over the message. The first failure is kept; everything after it does nothing. */
struct cursor {
    const char *start;
    const char *p;
    const char *end;
    struct wal2json *decoder;
    struct err *err;
};

static enum result fail(struct cursor *c, const char *wanted)
{
    size_t left = (size_t)(c->end - c->p);
    struct str around = str_from(c->p, left < 40 ? left : 40);

    return err_set(c->err, "wal2json message, byte %zu: expected %s, found `%.*s`",
                   (size_t)(c->p - c->start), wanted, STR_ARG(around));
}

static bool take(struct cursor *c, char wanted)
{
    if (c->p >= c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool take_word(struct cursor *c, struct str word)
{
    if ((size_t)(c->end - c->p) < word.len || memcmp(c->p, word.data, word.len) != 0)
        return false;
    c->p += word.len;
    return true;
}

/* The inside of a string, escapes and all. */
static enum result read_raw(struct cursor *c, struct str *out)
{
    const char *close = json_string_end(c->p, c->end);

    if (!close)
        return fail(c, "a string");
    *out = str_from(c->p + 1, (size_t)(close - c->p) - 2);
    c->p = close;
    return OK;
}

/* A name: unescaped, which is a copy only where there is an escape. Unescaping never makes text
 * longer, so room for the whole message once is room for all of its names. */
static enum result read_name(struct cursor *c, struct str *out)
{
    struct buf *scratch = &c->decoder->scratch;
    size_t before;

    if (read_raw(c, out) != OK)
        return FAILED;
    if (out->len == 0 || !memchr(out->data, '\\', out->len))
        return OK;
    if (scratch->len == 0 && !buf_reserve(scratch, (size_t)(c->end - c->start)))
        return err_set(c->err, "wal2json message of %zu bytes: no memory for its names",
                       (size_t)(c->end - c->start));
    before = scratch->len;
    if (!json_unescape(scratch, *out))
        return fail(c, "a name with valid escapes before this");
    *out = str_from(scratch->data + before, scratch->len - before);
    return OK;
}

/* A bare literal: a number, true, false, null, or what wal2json prints for a number type. */
static struct str read_literal(struct cursor *c)
{
    const char *from = c->p;

    while (c->p < c->end && *c->p != ',' && *c->p != '}' && *c->p != ']')
        c->p++;
    return str_from(from, (size_t)(c->p - from));
}

static enum result read_u64(struct cursor *c, uint64_t *out)
{
    if (!str_to_u64(read_literal(c), out))
        return fail(c, "a whole number before this");
    return OK;
}

static enum result read_lsn(struct cursor *c, lsn_t *out)
{
    struct str text = STR("");

    if (read_raw(c, &text) != OK)
        return FAILED;
    return lsn_parse(text, out) ? OK : fail(c, "an LSN before this");
}

/* Whatever stands here is of no interest: keys of options we did not ask for. */
static enum result skip_value(struct cursor *c)
{
    struct str ignored;
    unsigned depth = 0;

    do {
        if (c->p >= c->end || (depth == 0 && strchr("]},:", *c->p)))
            return fail(c, "a value");
        if (*c->p == '"') {
            if (read_raw(c, &ignored) != OK)
                return FAILED;
        } else if (*c->p == '{' || *c->p == '[') {
            if (++depth > MAX_SKIP_DEPTH)
                return fail(c, "less nesting");
            c->p++;
        } else if (*c->p == '}' || *c->p == ']') {
            depth--;
            c->p++;
        } else if (*c->p == ',' || *c->p == ':') {
            c->p++;
        } else if (read_literal(c).len == 0) {
            return fail(c, "a value");
        }
    } while (depth > 0);
    return OK;
}

static enum result read_value(struct cursor *c, struct column *column)
{
    if (c->p < c->end && *c->p == '"') {
        column->form = VALUE_ESCAPED;
        return read_raw(c, &column->value);
    }
    column->value = read_literal(c);
    if (column->value.len == 0)
        return fail(c, "a value");
    if (str_eq(column->value, STR("null"))) {
        column->form = VALUE_NULL;
        column->value = (struct str){0};
        return OK;
    }
    column->form = VALUE_LITERAL;
    if (!str_eq(column->value, STR("true")) && !str_eq(column->value, STR("false")) &&
        !json_is_number(column->value))
        return fail(c, "a number, true, false or null before this");
    return OK;
}

/* The next key of an object, its colon taken; *more is false behind the closing brace. */
static enum result next_key(struct cursor *c, bool first, struct str *key, bool *more)
{
    *more = false;
    if (take(c, '}'))
        return OK;
    if (!first && !take(c, ','))
        return fail(c, "`,` or `}`");
    if (read_raw(c, key) != OK)
        return FAILED;
    if (!take(c, ':'))
        return fail(c, "`:`");
    *more = true;
    return OK;
}

/* *takes_null stays as it is where the plugin does not say. */
static enum result read_column(struct cursor *c, struct column *column, bool *takes_null)
{
    bool more, first = true, has_name = false, has_value = false;
    struct str key;
    uint64_t oid;

    *column = (struct column){0};
    if (!take(c, '{'))
        return fail(c, "`{`");
    for (;; first = false) {
        if (next_key(c, first, &key, &more) != OK)
            return FAILED;
        if (!more)
            break;
        if (str_eq(key, STR("name"))) {
            has_name = true;
            if (read_name(c, &column->name) != OK)
                return FAILED;
        } else if (str_eq(key, STR("typeoid"))) {
            if (read_u64(c, &oid) != OK)
                return FAILED;
            if (oid > UINT32_MAX)
                return fail(c, "an oid before this");
            column->type = (uint32_t)oid;
        } else if (str_eq(key, STR("value"))) {
            has_value = true;
            if (read_value(c, column) != OK)
                return FAILED;
        } else if (str_eq(key, STR("optional"))) {
            *takes_null = !str_eq(read_literal(c), STR("false"));
        } else if (skip_value(c) != OK) {
            return FAILED;
        }
    }
    return has_name && has_value ? OK : fail(c, "a column with name and value before this");
}

static enum result read_columns(struct cursor *c, struct column *columns, bool *takes_null,
                                struct columns *out)
{
    size_t count = 0;

    if (!take(c, '['))
        return fail(c, "`[`");
    while (!take(c, ']')) {
        if (count == MAX_COLUMNS)
            return fail(c, "no more than 1664 columns");
        if (count > 0 && !take(c, ','))
            return fail(c, "`,` or `]`");
        takes_null[count] = true;
        if (read_column(c, &columns[count], &takes_null[count]) != OK)
            return FAILED;
        count++;
    }
    *out = (struct columns){columns, count};
    return OK;
}

/* pk: [{"name":"id","typeoid":20}], names without values. */
static enum result read_key_columns(struct cursor *c, struct change *change)
{
    struct str *names = c->decoder->key;
    size_t count = 0;
    struct str key;
    bool more;

    if (!take(c, '['))
        return fail(c, "`[`");
    while (!take(c, ']')) {
        if (count == MAX_KEY)
            return fail(c, "no more than 32 key columns");
        if ((count > 0 && !take(c, ',')) || !take(c, '{'))
            return fail(c, "a key column");
        names[count] = (struct str){0}; /* not that of the message before */
        for (bool first = true;; first = false) {
            if (next_key(c, first, &key, &more) != OK)
                return FAILED;
            if (!more)
                break;
            if (str_eq(key, STR("name")) ? read_name(c, &names[count]) != OK : skip_value(c) != OK)
                return FAILED;
        }
        if (names[count++].len == 0)
            return fail(c, "a key column's name before this");
    }
    change->key = names;
    change->key_count = count;
    return OK;
}

/* The LSN of a row is where it stands in the WAL: it is not unique, and not its commit's. */
static enum result read_commit_lsn(struct cursor *c, struct change *change)
{
    if (change->kind != CHANGE_BEGIN && change->kind != CHANGE_COMMIT)
        return skip_value(c);
    return read_lsn(c, &change->commit_lsn);
}

static enum result read_timestamp(struct cursor *c, struct change *change)
{
    struct wal2json *decoder = c->decoder;
    struct str text = STR("");

    if (take_word(c, STR("null"))) /* a message outside of a transaction */
        return OK;
    if (read_raw(c, &text) != OK)
        return FAILED;
    if (text.len == 0 || !str_eq(text, str_from(decoder->time_text, decoder->time_len))) {
        if (text.len > MAX_TIME_TEXT || !clock_parse(text, &decoder->time))
            return fail(c, "a timestamp before this");
        memcpy(decoder->time_text, text.data, text.len);
        decoder->time_len = text.len;
    }
    change->commit_time = decoder->time;
    return OK;
}

static enum result read_field(struct cursor *c, struct str key, struct change *change)
{
    uint64_t xid;

    if (str_eq(key, STR("columns")))
        return read_columns(c, c->decoder->record, c->decoder->takes_null, &change->record);
    if (str_eq(key, STR("identity")))
        return read_columns(c, c->decoder->identity, c->decoder->ignored, &change->identity);
    if (str_eq(key, STR("pk")))
        return read_key_columns(c, change);
    if (str_eq(key, STR("schema")))
        return read_name(c, &change->schema);
    if (str_eq(key, STR("table")))
        return read_name(c, &change->table);
    if (str_eq(key, STR("timestamp")))
        return read_timestamp(c, change);
    if (str_eq(key, STR("lsn")))
        return read_commit_lsn(c, change);
    if (str_eq(key, STR("nextlsn")))
        return read_lsn(c, &change->end_lsn);
    if (str_eq(key, STR("prefix")))
        return read_name(c, &change->prefix);
    if (str_eq(key, STR("content")))
        return read_name(c, &change->content);
    if (str_eq(key, STR("xid"))) {
        if (take_word(c, STR("null"))) /* a message outside of a transaction */
            return OK;
        if (read_u64(c, &xid) != OK)
            return FAILED;
        change->xid = (uint32_t)xid;
        return OK;
    }
    return skip_value(c);
}

static bool may_be_lost(const struct column *column)
{
    return column->form == VALUE_NULL &&
           (column->type == OID_FLOAT4 || column->type == OID_FLOAT8 ||
            column->type == OID_NUMERIC);
}

/* The new value of the old row's column at `index`: nearly always at the same index. */
static const struct column *new_value(const struct change *change, size_t index)
{
    struct str name = change->identity.items[index].name;

    if (index < change->record.count && str_eq(change->record.items[index].name, name))
        return &change->record.items[index];
    return columns_find(change->record, name);
}

static bool old_takes_null(const struct wal2json *decoder, const struct change *change,
                           size_t index)
{
    const struct column *column = new_value(change, index);

    for (size_t i = 0; i < change->key_count; i++)
        if (str_eq(change->key[i], change->identity.items[index].name))
            return false;
    return !column || decoder->takes_null[column - change->record.items];
}

/* Where the column takes no NULL, null is none: the plugin prints NaN and infinities so. Of the
 * columns of an old row the plugin does not say which take no NULL: the new row says it, and of a
 * deleted one it is known of the key. */
static void lose_nulls(struct wal2json *decoder, const struct change *change)
{
    for (size_t i = 0; i < change->record.count; i++)
        if (!decoder->takes_null[i] && may_be_lost(&decoder->record[i]))
            decoder->record[i].form = VALUE_LOST;
    for (size_t i = 0; i < change->identity.count; i++)
        if (may_be_lost(&decoder->identity[i]) && !old_takes_null(decoder, change, i))
            decoder->identity[i].form = VALUE_LOST;
}

static bool kind_of(char action, enum change_kind *kind)
{
    static const char actions[] = "BCIUDTM"; /* in the order of enum change_kind */
    const char *at = action ? strchr(actions, action) : NULL;

    if (!at)
        return false;
    *kind = (enum change_kind)(at - actions);
    return true;
}

static enum result check(struct cursor *c, const struct change *change)
{
    if ((change->kind == CHANGE_BEGIN || change->kind == CHANGE_COMMIT) &&
        (change->commit_lsn == 0 || change->end_lsn == 0))
        return fail(c, "lsn and nextlsn before this (is include-lsn on?)");
    if (change_is_row(change) && (change->schema.len == 0 || change->table.len == 0))
        return fail(c, "schema and table before this");
    return OK;
}

static enum result read_change(struct wal2json *decoder, struct str message, struct err *err)
{
    struct change *out = &decoder->change;
    struct cursor c = {message.data, message.data, message.data + message.len, decoder, err};
    struct str key;
    bool more;

    buf_clear(&decoder->scratch);
    *out = (struct change){0};
    if (message.len > 0 && memchr(message.data, '\0', message.len)) /* as no text of PostgreSQL */
        return err_set(err, "wal2json message of %zu bytes: there is a NUL in it", message.len);
    if (!take_word(&c, STR("{\"action\":\"")) || c.p >= c.end || !kind_of(*c.p, &out->kind))
        return fail(&c, "{\"action\": one of B C I U D T M}");
    c.p++;
    if (!take(&c, '"'))
        return fail(&c, "`\"`");
    for (;;) {
        if (next_key(&c, false, &key, &more) != OK)
            return FAILED;
        if (!more)
            break;
        if (read_field(&c, key, out) != OK)
            return FAILED;
    }
    if (c.p != c.end)
        return fail(&c, "nothing more");
    lose_nulls(decoder, out);
    return check(&c, out);
}

static struct wal2json *of(struct decoder *base)
{
    return (struct wal2json *)(void *)base;
}

static enum result read_message(struct decoder *base, struct str message, struct err *err)
{
    struct wal2json *decoder = of(base);

    decoder->unread = read_change(decoder, message, err) == OK;
    return decoder->unread ? OK : FAILED;
}

static bool next(struct decoder *base, struct change *out)
{
    struct wal2json *decoder = of(base);

    if (!decoder->unread)
        return false;
    decoder->unread = false;
    *out = decoder->change;
    return true;
}

static void free_decoder(struct decoder *base)
{
    buf_fini(&of(base)->scratch);
    free(base);
}

struct decoder *decoder_new_wal2json(void)
{
    static const struct decoder_ops ops = {
        .read = read_message, .next = next, .free = free_decoder};
    struct wal2json *decoder = mem_alloc(sizeof(*decoder));

    decoder->base.ops = &ops;
    buf_init(&decoder->scratch, (size_t)1 << 30);
    return &decoder->base;
}
