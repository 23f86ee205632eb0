#include "fixture.h"

#include "base/buf.h"
#include "base/clock.h"
#include "decode/decoder.h"
#include "decode/streamed.h"

static struct config config;
static struct decoder *decoder;
static struct buf message;

#define SNAPSHOT_ALL_OVER STR("1000:1000:")
#define XID 771
#define COMMIT_LSN UINT64_C(0x1A2B3C4)
#define END_LSN UINT64_C(0x11A2B3F8)
#define TIME_US INT64_C(1795405721036208)

enum { TABLE = 16385, OTHER = 16386, AUDIT = 16387, ELSEWHERE = 16388, TYPED = 16389 };

static int set_up(void **state)
{
    static char *schemas[] = {(char *)(uintptr_t) "public", (char *)(uintptr_t) "app"};

    (void)state;
    config = (struct config){.schemas = {schemas, 2}};
    decoder = decoder_new_pgoutput(&config);
    buf_init(&message, (size_t)4 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    decoder_free(decoder);
    buf_fini(&message);
    return 0;
}

/* A copy that ends where the message ends, so that a sanitizer sees a read beyond it. */
static enum result read_exactly(struct str bytes, struct err *err)
{
    static char *copy;

    free(copy);
    copy = malloc(bytes.len ? bytes.len : 1);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return decoder_read(decoder, str_from(copy, bytes.len), err);
}

static void read_good(const char *says)
{
    struct err err = {0};

    if (read_exactly(buf_str(&message), &err) != OK)
        fail_msg("%s: %s", says, err.message);
}

static struct change read_change(const char *says)
{
    struct change change = {0};

    read_good(says);
    if (!decoder_next(decoder, &change))
        fail_msg("%s: no change", says);
    return change;
}

/* Messages are written down as proto.c writes them. */

static void begin_message(char type)
{
    buf_clear(&message);
    buf_add_char(&message, type);
}

static void add_text(const char *text)
{
    buf_add(&message, text, strlen(text) + 1);
}

static void write_begin(void)
{
    begin_message('B');
    buf_add_be64(&message, COMMIT_LSN);
    buf_add_be64(&message, (uint64_t)(TIME_US - CLOCK_PG_EPOCH_US));
    buf_add_be32(&message, XID);
}

static void write_commit(void)
{
    begin_message('C');
    buf_add_char(&message, 0);
    buf_add_be64(&message, COMMIT_LSN);
    buf_add_be64(&message, END_LSN);
    buf_add_be64(&message, (uint64_t)(TIME_US - CLOCK_PG_EPOCH_US));
}

struct described {
    const char *name; /* with a star before it: in the replica identity */
    uint32_t type;
};

static void write_relation(uint32_t oid, const char *schema, const char *table, char identity,
                           const struct described *columns, size_t count)
{
    begin_message('R');
    buf_add_be32(&message, oid);
    add_text(schema);
    add_text(table);
    buf_add_char(&message, identity);
    buf_add_be16(&message, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        bool identifies = columns[i].name[0] == '*';

        buf_add_char(&message, identifies);
        add_text(columns[i].name + identifies);
        buf_add_be32(&message, columns[i].type);
        buf_add_be32(&message, UINT32_MAX);
    }
}

/* NULL is a null, "?" a TOASTed value that did not change. */
static void add_tuple(const char *const *values, size_t count)
{
    buf_add_be16(&message, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        if (!values[i]) {
            buf_add_char(&message, 'n');
        } else if (strcmp(values[i], "?") == 0) {
            buf_add_char(&message, 'u');
        } else {
            buf_add_char(&message, 't');
            buf_add_be32(&message, (uint32_t)strlen(values[i]));
            buf_add_c(&message, values[i]);
        }
    }
}

static void begin_row(char type, uint32_t oid)
{
    begin_message(type);
    buf_add_be32(&message, oid);
}

#define ADD_TUPLE(mark, ...)                                                                       \
    do {                                                                                           \
        const char *const values_of_tuple[] = {__VA_ARGS__};                                       \
                                                                                                   \
        buf_add_char(&message, mark);                                                              \
        add_tuple(values_of_tuple, COUNT(values_of_tuple));                                        \
    } while (0)

#define RELATION(oid, schema, table, identity, ...)                                                \
    do {                                                                                           \
        const struct described columns_of_table[] = {__VA_ARGS__};                                 \
                                                                                                   \
        write_relation(oid, schema, table, identity, columns_of_table, COUNT(columns_of_table));   \
    } while (0)

#define DESCRIBE(oid, schema, table, identity, ...)                                                \
    do {                                                                                           \
        RELATION(oid, schema, table, identity, __VA_ARGS__);                                       \
        read_silent("a description is no change");                                                 \
    } while (0)

static void read_silent(const char *says)
{
    struct change change;

    read_good(says);
    CHECK(!decoder_next(decoder, &change), says);
}

static void begin(void)
{
    write_begin();
    (void)read_change("BEGIN");
}

static void describe_notes(char identity)
{
    DESCRIBE(TABLE, "public", "notes", identity, {"*id", OID_INT8}, {"*place", OID_TEXT},
             {"body", OID_TEXT});
}

static void check_column(const struct columns *columns, size_t i, const char *name, uint32_t type,
                         enum value_form form, const char *value)
{
    assert_true(i < columns->count);
    check_text("a column's name", columns->items[i].name, name);
    assert_int_equal(columns->items[i].type, type);
    assert_int_equal(columns->items[i].form, form);
    check_text("a column's value", columns->items[i].value, value);
}

static void test_transaction(void **state)
{
    struct change change;

    (void)state;
    write_begin();
    change = read_change("BEGIN");
    assert_int_equal(change.kind, CHANGE_BEGIN);
    assert_int_equal(change.commit_lsn, COMMIT_LSN);
    assert_int_equal(change.xid, XID);
    assert_true(change.commit_time == TIME_US);
    write_commit();
    change = read_change("COMMIT");
    assert_int_equal(change.kind, CHANGE_COMMIT);
    assert_int_equal(change.commit_lsn, COMMIT_LSN);
    assert_int_equal(change.end_lsn, END_LSN); /* what is confirmed */
    assert_int_equal(change.xid, XID);
    assert_true(change.commit_time == TIME_US);
    assert_false(decoder_next(decoder, &change));
}

static void test_insert(void **state)
{
    struct change change;

    (void)state;
    begin();
    describe_notes('d');
    begin_row('I', TABLE);
    ADD_TUPLE('N', "9223372036854775807", "say \"hi\"\n", NULL);
    change = read_change("INSERT");
    assert_int_equal(change.kind, CHANGE_INSERT);
    assert_int_equal(change.xid, XID);
    assert_int_equal(change.commit_lsn, 0); /* the pipeline gives a row its place */
    assert_true(change.commit_time == TIME_US);
    check_text("schema", change.schema, "public");
    check_text("table", change.table, "notes");
    assert_int_equal(change.record.count, 3);
    check_column(&change.record, 0, "id", OID_INT8, VALUE_LITERAL, "9223372036854775807");
    check_column(&change.record, 1, "place", OID_TEXT, VALUE_TEXT, "say \"hi\"\n");
    check_column(&change.record, 2, "body", OID_TEXT, VALUE_NULL, "");
    assert_int_equal(change.identity.count, 0);
    assert_int_equal(change.key_count, 2); /* the default replica identity is the key */
    check_text("the key's first column", change.key[0], "id");
    check_text("the key's second column", change.key[1], "place");
    assert_false(decoder_lacks_key(decoder));
}

static void test_update(void **state)
{
    struct change change;

    (void)state;
    begin();
    describe_notes('d');
    begin_row('U', TABLE);
    ADD_TUPLE('N', "1", "x", "?");
    change = read_change("an UPDATE that left the key as it was");
    assert_int_equal(change.kind, CHANGE_UPDATE);
    assert_int_equal(change.record.count, 2); /* the TOASTed body did not change: it is not there */
    assert_int_equal(change.identity.count, 2);
    check_column(&change.identity, 0, "id", OID_INT8, VALUE_LITERAL, "1");
    check_column(&change.identity, 1, "place", OID_TEXT, VALUE_TEXT, "x");

    begin_row('U', TABLE);
    ADD_TUPLE('K', "1", "x", NULL);
    ADD_TUPLE('N', "2", "?", "b");
    change = read_change("an UPDATE of the key");
    assert_int_equal(change.record.count, 2);
    check_column(&change.record, 1, "body", OID_TEXT, VALUE_TEXT, "b");
    assert_int_equal(change.identity.count, 2); /* the body is no null there: it is not there */
    check_column(&change.identity, 0, "id", OID_INT8, VALUE_LITERAL, "1");
}

static void test_full_identity(void **state)
{
    struct change change;

    (void)state;
    begin();
    DESCRIBE(TABLE, "public", "notes", 'f', {"*id", OID_INT8}, {"*body", OID_TEXT});
    decoder_set_keys(decoder, table_keys_new(SNAPSHOT_ALL_OVER));
    begin_row('U', TABLE);
    ADD_TUPLE('O', "1", NULL);
    ADD_TUPLE('N', "1", "b");
    change = read_change("an UPDATE with the whole old row");
    assert_int_equal(change.identity.count, 2);
    check_column(&change.identity, 1, "body", OID_TEXT, VALUE_NULL, "");
    assert_true(change_has_full_identity(&change));
    begin_row('D', TABLE);
    ADD_TUPLE('O', "1", "b");
    change = read_change("a DELETE with the whole old row");
    assert_int_equal(change.kind, CHANGE_DELETE);
    assert_int_equal(change.record.count, 0);
    assert_int_equal(change.identity.count, 2);
}

static void test_delete(void **state)
{
    struct change change;

    (void)state;
    begin();
    describe_notes('d');
    begin_row('D', TABLE);
    ADD_TUPLE('K', "1", "x", NULL);
    change = read_change("DELETE");
    assert_int_equal(change.kind, CHANGE_DELETE);
    assert_int_equal(change.identity.count, 2);
    check_column(&change.identity, 1, "place", OID_TEXT, VALUE_TEXT, "x");
}

static const struct {
    const char *says;
    uint32_t type;
    const char *sent;
    enum value_form form;
    const char *value;
} values[] = {
    {"a number", OID_NUMERIC, "-100.00", VALUE_LITERAL, "-100.00"},
    {"with an exponent", OID_FLOAT8, "1e-05", VALUE_LITERAL, "1e-05"},
    {"NaN is here, and wal2json's null is not", OID_NUMERIC, "NaN", VALUE_TEXT, "NaN"},
    {"an infinity, too", OID_FLOAT8, "-Infinity", VALUE_TEXT, "-Infinity"},
    {"a boolean is a word", OID_BOOL, "t", VALUE_LITERAL, "true"},
    {"and the other one", OID_BOOL, "f", VALUE_LITERAL, "false"},
    {"bytea comes without \\x, as from wal2json", OID_BYTEA, "\\xdeadbeef", VALUE_TEXT, "deadbeef"},
    {"empty bytea", OID_BYTEA, "\\x", VALUE_TEXT, ""},
    {"an oid is bare", 26, "4294967295", VALUE_LITERAL, "4294967295"},
    {"a text that looks like a number", OID_TEXT, "1", VALUE_TEXT, "1"},
    {"an empty text is no null", OID_TEXT, "", VALUE_TEXT, ""},
    {"a type that nobody knows", 99999, "(1,2)", VALUE_TEXT, "(1,2)"},
};

static void test_values(void **state)
{
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(values); i++) {
        struct change change;

        DESCRIBE(TYPED, "public", "typed", 'd', {"v", values[i].type});
        begin_row('I', TYPED);
        ADD_TUPLE('N', values[i].sent);
        change = read_change(values[i].says);
        CHECK(change.record.items[0].form == values[i].form, values[i].says);
        check_text(values[i].says, change.record.items[0].value, values[i].value);
    }
}

static void write_truncate(size_t count, const uint32_t *oids)
{
    begin_message('T');
    buf_add_be32(&message, (uint32_t)count);
    buf_add_char(&message, 3); /* CASCADE, RESTART IDENTITY */
    for (size_t i = 0; i < count; i++)
        buf_add_be32(&message, oids[i]);
}

/* One change a table, as wal2json has it: (commit LSN, ordinal) must not depend on the plugin. */
static void test_truncate(void **state)
{
    static const uint32_t oids[] = {TABLE, AUDIT, OTHER, ELSEWHERE};
    struct change change;

    (void)state;
    begin();
    describe_notes('f');
    DESCRIBE(OTHER, "app", "things", 'd', {"*id", OID_INT8});
    DESCRIBE(AUDIT, "public", "audit_logs", 'd', {"*id", OID_INT8});
    DESCRIBE(ELSEWHERE, "hidden", "t", 'd', {"*id", OID_INT8});
    write_truncate(COUNT(oids), oids);
    change = read_change("TRUNCATE of several tables");
    assert_int_equal(change.kind, CHANGE_TRUNCATE);
    check_text("the first table", change.table, "notes");
    assert_int_equal(change.record.count + change.identity.count + change.key_count, 0);
    assert_false(decoder_lacks_key(decoder)); /* nobody needs it */
    assert_true(decoder_next(decoder, &change));
    assert_int_equal(change.kind, CHANGE_TRUNCATE);
    assert_int_equal(change.xid, XID);
    check_text("the next that is followed", change.table, "things");
    assert_false(decoder_next(decoder, &change));
    write_truncate(1, oids + 1);
    read_silent("of tables that are not followed nothing is told");
    write_truncate(0, oids);
    read_silent("nor of none");
}

static void write_logical_message(uint8_t flags, const char *prefix, struct str content)
{
    begin_message('M');
    buf_add_char(&message, (char)flags);
    buf_add_be64(&message, 0x1234);
    add_text(prefix);
    buf_add_be32(&message, (uint32_t)content.len);
    buf_add_str(&message, content);
}

static void test_message(void **state)
{
    struct change change;

    (void)state;
    write_logical_message(0, "p", STR("x"));
    change = read_change("a message between transactions");
    assert_int_equal(change.kind, CHANGE_MESSAGE);
    begin();
    write_logical_message(1, "pgherald:context", STR("{\"a\": \"\\n\"}"));
    change = read_change("a message of the transaction");
    check_text("prefix", change.prefix, "pgherald:context");
    check_text("content", change.content, "{\"a\": \"\\n\"}");
    write_logical_message(1, "p", STR("ab\0cd"));
    change = read_change("a message with a NUL");
    check_text("as from wal2json, it ends there", change.content, "ab");
    write_logical_message(1, "", STR(""));
    change = read_change("an empty message");
    check_text("content", change.content, "");
}

/* What is told of tables that nobody follows: their rows are not changes, and have no ordinals. */
static void test_followed(void **state)
{
    static const struct {
        const char *says, *schema, *table;
        bool followed;
    } tables[] = {
        {"a table of a configured schema", "public", "notes", true},
        {"of the other one", "app", "things", true},
        {"a schema that is not configured", "hidden", "t", false},
        {"our own audit trail", "public", "audit_logs", false},
        {"our own outbox", "public", "webhook_deliveries", false},
        {"the secrets", "pgherald", "context_key", false},
        {"the marks", "pgherald", "store_marks", true},
        {"our other state", "pgherald", "checkpoints", false},
        {"messages", "realtime", "messages_2026_11_23", true},
        {"upper case is another schema", "Public", "notes", false},
        {"an empty schema is pg_catalog", "", "pg_class", false},
    };

    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(tables); i++) {
        struct change change;

        DESCRIBE(TABLE, tables[i].schema, tables[i].table, 'd', {"*id", OID_INT8});
        begin_row('I', TABLE);
        ADD_TUPLE('N', "1");
        read_good(tables[i].says);
        CHECK(decoder_next(decoder, &change) == tables[i].followed, tables[i].says);
    }
}

static struct table_keys *keys_of(struct str snapshot)
{
    struct table_keys *keys = table_keys_new(snapshot);

    assert_non_null(keys);
    table_keys_add(keys, TABLE - 1, STR("place"));
    table_keys_add(keys, TABLE, STR("body"));
    table_keys_add(keys, TABLE, STR("gone"));
    table_keys_add(keys, TABLE, STR("id"));
    table_keys_add(keys, TABLE + 1, STR("place"));
    return keys;
}

static struct change insert_note(const char *says)
{
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1", "x", "b");
    return read_change(says);
}

/* Where the replica identity is another, the primary key is looked up. */
static void test_keys(void **state)
{
    struct change change;

    (void)state;
    begin();
    describe_notes('f');
    (void)insert_note("before anything was looked up");
    assert_true(decoder_lacks_key(decoder));
    decoder_set_keys(decoder, keys_of(STR("700:800:720,771,790")));
    (void)insert_note("the catalog did not see the transaction");
    assert_true(decoder_lacks_key(decoder));
    decoder_set_keys(decoder, keys_of(STR("700:800:720,790")));
    change = insert_note("it did");
    assert_false(decoder_lacks_key(decoder));
    assert_int_equal(change.key_count, 2); /* in the order of the table, of columns it has */
    check_text("the key's first column", change.key[0], "id");
    check_text("the key's second column", change.key[1], "body");
    decoder_set_keys(decoder, table_keys_new(SNAPSHOT_ALL_OVER));
    change = insert_note("what was known stays");
    assert_int_equal(change.key_count, 2);
    describe_notes('n');
    change = insert_note("until the table is described again");
    assert_int_equal(change.key_count, 0);
    DESCRIBE(TABLE, "hidden", "t", 'f', {"*id", OID_INT8});
    decoder_set_keys(decoder, NULL);
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    read_silent("a table that is not followed");
    assert_false(decoder_lacks_key(decoder));
}

static void test_snapshots(void **state)
{
    static const struct {
        const char *says, *snapshot;
        uint32_t xid;
        bool readable, seen;
    } rows[] = {
        {"older than all that run", "10:20:12,15", 9, true, true},
        {"it runs", "10:20:12,15", 12, true, false},
        {"it runs, the last of the list", "10:20:12,15", 15, true, false},
        {"over, though older ones run", "10:20:12,15", 13, true, true},
        {"not begun", "10:20:12,15", 20, true, false},
        {"nothing runs", "10:10:", 9, true, true},
        {"the next one", "10:10:", 10, true, false},
        {"beyond 32 bits the stream has the lower ones", "4294967306:4294967316:4294967308", 12,
         true, false},
        {"before the counter wrapped", "4294967306:4294967316:", UINT32_MAX, true, true},
        {"not begun before it wraps", "4294967290:4294967295:", 3, true, false},
        {"no snapshot", "10", 9, false, false},
        {"nothing", "", 9, false, false},
        {"no list", "10:20", 9, false, false},
        {"letters", "10:20:x", 9, false, false},
        {"an empty item", "10:20:12,", 9, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct table_keys *keys = table_keys_new(str_c(rows[i].snapshot));

        CHECK((keys != NULL) == rows[i].readable, rows[i].says);
        if (keys) {
            CHECK(table_keys_see(keys, rows[i].xid) == rows[i].seen, rows[i].says);
            table_keys_assume(keys, rows[i].xid);
            CHECK(table_keys_see(keys, rows[i].xid), rows[i].says);
        }
        table_keys_free(keys);
    }
}

static void test_described_again(void **state)
{
    struct change change;

    (void)state;
    begin();
    describe_notes('d');
    DESCRIBE(OTHER, "app", "things", 'd', {"*id", OID_INT8});
    DESCRIBE(TABLE, "public", "renamed", 'd', {"a", OID_INT8});
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    change = read_change("a table that was altered");
    check_text("its new name", change.table, "renamed");
    assert_int_equal(change.key_count, 0);
    begin_row('I', OTHER);
    ADD_TUPLE('N', "1");
    check_text("the other one is as it was", read_change("INSERT").table, "things");
}

static void test_of_no_interest(void **state)
{
    (void)state;
    begin();
    begin_message('O');
    buf_add_be64(&message, 1);
    add_text("origin");
    read_silent("where a transaction came from");
    begin_message('Y');
    buf_add_be32(&message, 99999);
    add_text("public");
    add_text("mood");
    read_silent("what a type is called");
}

static void check_refused(const char *says, const char *wanted)
{
    struct err err = {0};
    struct change change;

    if (read_exactly(buf_str(&message), &err) == OK)
        fail_msg("%s: was taken", says);
    if (!strstr(err.message, wanted))
        fail_msg("%s: \"%s\" does not say \"%s\"", says, err.message, wanted);
    CHECK(!decoder_next(decoder, &change), says);
}

static void test_refused(void **state)
{
    static const uint32_t unknown[] = {TABLE, 4};

    (void)state;
    buf_clear(&message);
    check_refused("nothing", "expected an integer");
    begin_message('S');
    check_refused("a transaction in progress, which was not asked for", "one of B C I U D T M");
    begin_message('\n');
    check_refused("what cannot be shown is not", "type unknown");
    write_commit();
    check_refused("a COMMIT without BEGIN", "the commit of the transaction that began");
    describe_notes('d');
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1", "2", "3");
    check_refused("a row outside a transaction", "a transaction around this");
    write_truncate(1, unknown);
    check_refused("a TRUNCATE outside a transaction", "a transaction around this");
    begin();
    begin_row('I', 4);
    ADD_TUPLE('N', "1");
    check_refused("a table that nobody has described", "a table that was described");
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1", "2");
    check_refused("a value too few", "as many values as the table has columns");
    begin_row('I', TABLE);
    ADD_TUPLE('K', "1", "2", "3");
    check_refused("an INSERT of an old row", "a row before this");
    begin_row('D', TABLE);
    ADD_TUPLE('N', "1", "2", "3");
    check_refused("a DELETE of a new row", "a row before this");
    begin_row('U', TABLE);
    ADD_TUPLE('K', "1", "2", "3");
    ADD_TUPLE('K', "1", "2", "3");
    check_refused("an UPDATE with two old rows", "a row before this");
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1", "2", "3");
    buf_add_char(&message, 'x');
    check_refused("something behind the row", "nothing more");
    begin_row('I', TABLE);
    buf_add_c(&message, "N");
    buf_add_be16(&message, 3);
    buf_add_c(&message, "b");
    buf_add_be32(&message, 1);
    buf_add_c(&message, "1");
    check_refused("a value in binary, which was not asked for", "a value as text");
    begin_row('I', TABLE);
    buf_add_c(&message, "N");
    buf_add_be16(&message, 3);
    buf_add(&message, "t\0\0\0\2a\0nn", 9);
    check_refused("a NUL in a value", "no NUL");
    begin_row('I', TABLE);
    buf_add_c(&message, "N");
    buf_add_be16(&message, 3);
    buf_add(&message,
            "t\xff\xff\xff\xff"
            "ann",
            8);
    check_refused("a length beyond the message", "as many bytes as the length");
    write_truncate(2, unknown);
    check_refused("a TRUNCATE of a table unknown", "a table that was described");
    write_truncate(1, unknown);
    buf_add_be32(&message, TABLE);
    check_refused("more tables than it says", "as many tables");
    begin_message('B');
    buf_add_be64(&message, 0);
    buf_add_be64(&message, 0);
    buf_add_be32(&message, 1);
    check_refused("a BEGIN without its LSN", "the LSN of the commit");
    begin_message('B');
    buf_add_be64(&message, 1);
    buf_add_be64(&message, INT64_MAX);
    buf_add_be32(&message, 1);
    check_refused("a time beyond the year 9999", "a time before this");
    begin_message('B');
    buf_add_be64(&message, 1);
    buf_add_be64(&message, (uint64_t)INT64_MIN);
    buf_add_be32(&message, 1);
    check_refused("one before the year 1", "a time before this");
}

static void test_refused_descriptions(void **state)
{
    (void)state;
    RELATION(0, "public", "t", 'd', {"a", OID_TEXT});
    check_refused("oid 0", "an oid and a name");
    RELATION(TABLE, "public", "", 'd', {"a", OID_TEXT});
    check_refused("a table without a name", "an oid and a name");
    RELATION(TABLE, "public", "t", 'x', {"a", OID_TEXT});
    check_refused("a replica identity that there is not", "a replica identity");
    RELATION(TABLE, "public", "t", '\0', {"a", OID_TEXT});
    check_refused("none", "a replica identity");
    RELATION(TABLE, "public", "t", 'd', {"", OID_TEXT});
    check_refused("a column without a name", "a column with a name");
    write_relation(TABLE, "public", "t", 'd', NULL, 0);
    message.data[message.len - 2] = 0x7f;
    check_refused("more columns than a table has", "no more than 1664");
    RELATION(TABLE, "public", "t", 'd', {"a", OID_TEXT});
    for (size_t i = 0; i < 1 << 20; i++)
        buf_add_char(&message, 'x');
    check_refused("a description of more than 1 MiB", "at most 1 MiB");
}

/* Every message, cut at every byte: an error, and no read beyond the end. */
static void check_cuts(const char *says)
{
    char *whole = malloc(message.len);
    size_t len = message.len;

    memcpy(whole, message.data, len);
    for (size_t cut = 0; cut < len; cut++) {
        struct change change;
        struct err err;

        if (read_exactly(str_from(whole, cut), &err) == OK)
            fail_msg("%s, cut to %zu bytes, was taken", says, cut);
        CHECK(!decoder_next(decoder, &change), says);
    }
    free(whole);
}

static void test_cuts(void **state)
{
    static const uint32_t oids[] = {TABLE, OTHER};

    (void)state;
    write_begin();
    check_cuts("BEGIN");
    begin();
    RELATION(OTHER, "app", "things", 'd', {"*id", OID_INT8});
    check_cuts("a description");
    read_silent("the whole of it");
    describe_notes('d');
    begin_row('I', TABLE);
    ADD_TUPLE('N', "12", NULL, "b");
    check_cuts("INSERT");
    begin_row('U', TABLE);
    ADD_TUPLE('K', "12", NULL, "b");
    ADD_TUPLE('N', "12", "?", "b");
    check_cuts("UPDATE");
    begin_row('D', TABLE);
    ADD_TUPLE('O', "12", NULL, "b");
    check_cuts("DELETE");
    write_truncate(COUNT(oids), oids);
    check_cuts("TRUNCATE");
    write_logical_message(1, "p", STR("content"));
    check_cuts("a message");
    begin_message('O');
    buf_add_be64(&message, 1);
    add_text("origin");
    check_cuts("an origin");
    begin_message('Y');
    buf_add_be32(&message, 99999);
    add_text("public");
    add_text("mood");
    check_cuts("a type");
    write_commit();
    check_cuts("COMMIT");
}

/* A transaction that was streamed comes at its commit, in the words of decode/streamed.h. */

static void begin_streamed(void)
{
    write_begin();
    message.data[0] = STREAMED_BEGIN;
    assert_int_equal(read_change("the begin of one that was streamed").kind, CHANGE_BEGIN);
}

static void describe_numbered(uint64_t number, const char *table)
{
    struct buf plain;

    RELATION(TABLE, "public", table, 'd', {"*id", OID_INT8});
    plain = message;
    buf_init(&message, plain.max);
    buf_add_char(&message, STREAMED_RELATION);
    buf_add_be64(&message, number);
    buf_add(&message, plain.data + 1, plain.len - 1);
    buf_fini(&plain);
    read_silent("a description with its number");
}

static void check_row_of(const char *table, const char *says)
{
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    check_text(says, read_change(says).table, table);
}

static void end(void)
{
    write_commit();
    assert_int_equal(read_change("COMMIT").kind, CHANGE_COMMIT);
}

static void test_streamed(void **state)
{
    struct err err;

    (void)state;
    begin_streamed();
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    assert_int_equal(read_exactly(buf_str(&message), &err), FAILED); /* nothing was said of it */
    describe_numbered(2, "early");
    check_row_of("early", "a row of a streamed transaction");
    end();
    begin();
    check_row_of("early", "once it has committed, what it said counts for others");
    end();
    begin();
    describe_numbered(5, "renamed");
    end();
    begin_streamed();
    describe_numbered(4, "before");
    check_row_of("before", "for itself its own word counts, though it is older");
    end();
    begin();
    check_row_of("renamed", "but not for others, for whom a newer one was said");
    end();
    begin_streamed();
    describe_numbered(7, "newest");
    end();
    begin();
    check_row_of("newest", "a newer one does");
    end();
}

/* A transaction's end is missing if the session ends. What it said of tables goes with it. */
static void test_streamed_without_end(void **state)
{
    struct err err;

    (void)state;
    begin_streamed();
    describe_numbered(1, "t");
    begin();
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    assert_int_equal(read_exactly(buf_str(&message), &err), FAILED);
    begin_streamed();
    begin_row('I', TABLE);
    ADD_TUPLE('N', "1");
    assert_int_equal(read_exactly(buf_str(&message), &err), FAILED);
    begin_message(STREAMED_RELATION);
    buf_add_be32(&message, 1);
    assert_int_equal(read_exactly(buf_str(&message), &err), FAILED); /* half a number */
}

/* It is kept as long as the session: there is an end to it. */
static void test_bounded(void **state)
{
    struct described columns[1600];
    struct err err = {0};
    uint32_t oid = 20000;

    (void)state;
    for (size_t i = 0; i < COUNT(columns); i++)
        columns[i] = (struct described){
            "a_name_of_a_column_that_is_as_long_as_postgresql_lets_it_be_____", OID_TEXT};
    for (;; oid++) {
        write_relation(oid, "public", "t", 'd', columns, COUNT(columns));
        if (read_exactly(buf_str(&message), &err) != OK)
            break;
        if (oid > 30000)
            fail_msg("descriptions of tables are kept without end");
    }
    CHECK(strstr(err.message, "has described") != NULL, err.message);
    decoder_free(decoder);
    decoder = decoder_new_pgoutput(&config);
    write_relation(20000, "public", "t", 'd', columns, COUNT(columns));
    for (size_t i = 0; i < 10000; i++)
        read_good("one that takes the place of another always fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(test_transaction),
        TEST(test_insert),
        TEST(test_update),
        TEST(test_full_identity),
        TEST(test_delete),
        TEST(test_values),
        TEST(test_truncate),
        TEST(test_message),
        TEST(test_followed),
        TEST(test_keys),
        TEST(test_snapshots),
        TEST(test_described_again),
        TEST(test_of_no_interest),
        TEST(test_refused),
        TEST(test_refused_descriptions),
        TEST(test_cuts),
        TEST(test_bounded),
        TEST(test_streamed),
        TEST(test_streamed_without_end),
    };

    return cmocka_run_group_tests_name("decode/pgoutput", tests, NULL, NULL);
}
