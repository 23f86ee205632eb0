#include "fixture.h"

#include <stdio.h>

#include "base/buf.h"

static struct decoder *decoder;

static int set_up(void **state)
{
    (void)state;
    decoder = decoder_new_wal2json();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    decoder_free(decoder);
    return 0;
}

/* A copy that ends where the message ends, so that a sanitizer sees a read beyond it. */
static enum result read_exactly(struct str message, struct change *change, struct err *err)
{
    static char *copy;

    free(copy);
    copy = malloc(message.len ? message.len : 1);
    if (message.len)
        memcpy(copy, message.data, message.len);
    if (decoder_read(decoder, str_from(copy, message.len), err) != OK)
        return FAILED;
    assert_true(decoder_next(decoder, change));
    assert_false(decoder_lacks_key(decoder));
    return OK;
}

#define TIME "\"timestamp\":\"2026-11-23 03:48:41.036208+00\""
#define TIME_US INT64_C(1795405721036208)

#define BEGIN                                                                                      \
    "{\"action\":\"B\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B3C4\",\"nextlsn\":\"1/1A2B3F8\"}"
#define COMMIT                                                                                     \
    "{\"action\":\"C\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B3C4\",\"nextlsn\":\"1/1A2B3F8\"}"
#define INSERT                                                                                     \
    "{\"action\":\"I\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B300\",\"schema\":\"public\","          \
    "\"table\":\"notes\",\"columns\":["                                                            \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":9223372036854775807},"                              \
    "{\"name\":\"amount\",\"typeoid\":1700,"                                                       \
    "\"value\":1234567890123456789012345678901234567890.0100},"                                    \
    "{\"name\":\"title\",\"typeoid\":25,\"value\":\"say \\\"hi\\\"\\n\xf0\x9f\x98\x80\"},"         \
    "{\"name\":\"done\",\"typeoid\":16,\"value\":false},"                                          \
    "{\"name\":\"ratio\",\"typeoid\":701,\"value\":null}],"                                        \
    "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"
#define UPDATE                                                                                     \
    "{\"action\":\"U\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B300\",\"schema\":\"public\","          \
    "\"table\":\"notes\",\"columns\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1}],"              \
    "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                                  \
    "{\"name\":\"body\",\"typeoid\":25,\"value\":\"long\"}],"                                      \
    "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"
#define DELETE                                                                                     \
    "{\"action\":\"D\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B300\",\"schema\":\"public\","          \
    "\"table\":\"parts\",\"identity\":[{\"name\":\"a\",\"typeoid\":23,\"value\":1},"               \
    "{\"name\":\"b\",\"typeoid\":25,\"value\":\"x\"}],"                                            \
    "\"pk\":[{\"name\":\"a\",\"typeoid\":23},{\"name\":\"b\",\"typeoid\":25}]}"
#define TRUNCATE                                                                                   \
    "{\"action\":\"T\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B300\",\"schema\":\"app\","             \
    "\"table\":\"things\"}"
#define MESSAGE                                                                                    \
    "{\"action\":\"M\",\"xid\":771," TIME ",\"lsn\":\"0/1A2B300\",\"transactional\":true,"         \
    "\"prefix\":\"pgherald\",\"content\":\"{\\\"a\\\": \\\"\\\\n\\\"}\"}"

static const char *const good[] = {BEGIN, COMMIT, INSERT, UPDATE, DELETE, TRUNCATE, MESSAGE};

static struct change read_good(const char *message)
{
    struct change change;
    struct err err = {0};

    if (read_exactly(str_c(message), &change, &err) != OK)
        fail_msg("%s\n   %s", err.message, message);
    return change;
}

static void check_column(const struct columns *columns, size_t at, const char *name, uint32_t type,
                         enum value_form form, const char *value)
{
    assert_true(at < columns->count);
    check_text("the column's name", columns->items[at].name, name);
    assert_int_equal(columns->items[at].type, type);
    assert_int_equal(columns->items[at].form, form);
    check_text(name, columns->items[at].value, value);
}

static void test_begin_and_commit(void **state)
{
    static const char *const messages[] = {BEGIN, COMMIT};
    static const enum change_kind kinds[] = {CHANGE_BEGIN, CHANGE_COMMIT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct change change = read_good(messages[i]);

        assert_int_equal(change.kind, kinds[i]);
        assert_int_equal(change.xid, 771);
        assert_int_equal(change.commit_lsn, 0x1A2B3C4);
        assert_int_equal(change.end_lsn, UINT64_C(0x101A2B3F8)); /* what gets confirmed */
        assert_true(change.commit_time == TIME_US);
    }
}

static void test_insert(void **state)
{
    struct change change = read_good(INSERT);

    (void)state;
    assert_int_equal(change.kind, CHANGE_INSERT);
    check_text("schema", change.schema, "public");
    check_text("table", change.table, "notes");
    assert_true(change.commit_time == TIME_US); /* what browsers are told */
    assert_int_equal(change.commit_lsn, 0);     /* a row's own LSN is not its commit's */
    assert_int_equal(change.record.count, 5);
    check_column(&change.record, 0, "id", OID_INT8, VALUE_LITERAL, "9223372036854775807");
    check_column(&change.record, 1, "amount", OID_NUMERIC, VALUE_LITERAL,
                 "1234567890123456789012345678901234567890.0100");
    check_column(&change.record, 2, "title", OID_TEXT, VALUE_ESCAPED,
                 "say \\\"hi\\\"\\n\xf0\x9f\x98\x80");
    check_column(&change.record, 3, "done", OID_BOOL, VALUE_LITERAL, "false");
    check_column(&change.record, 4, "ratio", OID_FLOAT8, VALUE_NULL, ""); /* NaN comes as null */
    assert_int_equal(change.identity.count, 0);
    assert_int_equal(change.key_count, 1);
    check_text("the key", change.key[0], "id");
}

static void test_update(void **state)
{
    struct change change = read_good(UPDATE);

    (void)state;
    assert_int_equal(change.kind, CHANGE_UPDATE);
    assert_int_equal(change.record.count, 1); /* the TOASTed body did not change: it is not there */
    assert_int_equal(change.identity.count, 2);
    check_column(&change.identity, 1, "body", OID_TEXT, VALUE_ESCAPED, "long");
}

static void test_delete(void **state)
{
    struct change change = read_good(DELETE);

    (void)state;
    assert_int_equal(change.kind, CHANGE_DELETE);
    assert_int_equal(change.record.count, 0);
    assert_int_equal(change.identity.count, 2);
    assert_int_equal(change.key_count, 2);
    check_text("the key's first column", change.key[0], "a");
    check_text("the key's second column", change.key[1], "b");
}

static void test_truncate(void **state)
{
    struct change change = read_good(TRUNCATE);

    (void)state;
    assert_int_equal(change.kind, CHANGE_TRUNCATE);
    check_text("schema", change.schema, "app");
    check_text("table", change.table, "things");
    assert_int_equal(change.record.count + change.identity.count + change.key_count, 0);
}

static void test_message(void **state)
{
    struct change change = read_good(MESSAGE);

    (void)state;
    assert_int_equal(change.kind, CHANGE_MESSAGE);
    check_text("prefix", change.prefix, "pgherald");
    check_text("content", change.content, "{\"a\": \"\\n\"}");
}

/* Names are read as PostgreSQL has them: rules and policies are looked up by them. */
static void test_names(void **state)
{
    struct change change = read_good(
        "{\"action\":\"U\",\"schema\":\"we\\\"ird\",\"table\":\"t\\u00e4\\\\b\\ud83d\\ude00\","
        "\"columns\":[{\"name\":\"a\\\"b\",\"value\":1},{\"name\":\"plain\",\"value\":2},"
        "{\"name\":\"Gr\xc3\xb6\xc3\x9f"
        "e\",\"value\":3},{\"name\":\"\\t\",\"value\":4}],"
        "\"pk\":[{\"name\":\"a\\\"b\"}]}");

    (void)state;
    check_text("a quote", change.schema, "we\"ird");
    check_text("unicode", change.table, "t\xc3\xa4\\b\xf0\x9f\x98\x80");
    check_text("a quote", change.record.items[0].name, "a\"b");
    check_text("nothing", change.record.items[1].name, "plain");
    check_text("umlauts", change.record.items[2].name,
               "Gr\xc3\xb6\xc3\x9f"
               "e");
    check_text("a tab", change.record.items[3].name, "\t");
    check_text("a key of that name", change.key[0], "a\"b");
}

static const struct {
    const char *says;
    const char *message;
    size_t columns;
} tolerated[] = {
    {"keys may stand in another order",
     "{\"action\":\"I\",\"columns\":[{\"value\":1,\"typeoid\":20,\"name\":\"id\"}],"
     "\"table\":\"t\",\"schema\":\"s\"}",
     1},
    {"unknown keys are skipped, whatever they hold",
     "{\"action\":\"I\",\"origin\":{\"a\":[1,{\"b\":\"}]\\\"\"}],\"c\":null},\"x\":-1.5e3,\"y\":[],"
     "\"z\":{},\"schema\":\"s\",\"table\":\"t\",\"columns\":[]}",
     0},
    {"also those of a column: a newer plugin has more of them",
     "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[{\"name\":\"id\","
     "\"type\":\"bigint\",\"typeoid\":20,\"optional\":false,\"position\":1,\"value\":1}]}",
     1},
    {"and those of a key",
     "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[],"
     "\"pk\":[{\"type\":\"bigint\",\"name\":\"id\",\"more\":[1]}]}",
     0},
    {"types may be left out",
     "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[{\"name\":\"a\","
     "\"value\":\"1\"}]}",
     1},
    {"a table without columns",
     "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[]}", 0},
    {"a message outside of a transaction has no xid and no time",
     "{\"action\":\"M\",\"xid\":null,\"timestamp\":null,\"transactional\":false,\"prefix\":\"a\","
     "\"content\":\"\"}",
     0},
    {"a message outside of a transaction has no prefix that we need",
     "{\"action\":\"M\",\"transactional\":false,\"prefix\":\"\",\"content\":\"\"}", 0},
    {"exponents, signs and zeros of floats",
     "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":["
     "{\"name\":\"a\",\"value\":1e-05},{\"name\":\"b\",\"value\":-0},"
     "{\"name\":\"c\",\"value\":1.5e+300}]}",
     3},
};

static void test_tolerated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(tolerated); i++) {
        struct change change;
        struct err err = {0};

        if (read_exactly(str_c(tolerated[i].message), &change, &err) != OK)
            fail_msg("%s: %s", tolerated[i].says, err.message);
        if (change.record.count != tolerated[i].columns)
            fail_msg("%s: %zu columns", tolerated[i].says, change.record.count);
    }
}

#define ROW(columns) "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":" columns "}"

static const struct {
    const char *says;
    struct str message;
} refused[] = {
    {"nothing", STR("")},
    {"garbage", STR("hello")},
    {"bytes", STR("\xff\xfe\x00\x01")},
    {"an object without action", STR("{}")},
    {"another format version", STR("{\"change\":[]}")},
    {"an unknown action", STR("{\"action\":\"X\"}")},
    {"an action that is empty", STR("{\"action\":\"\"}")},
    {"an action of two letters", STR("{\"action\":\"II\"}")},
    {"something behind the object", STR(TRUNCATE "x")},
    {"two objects", STR(TRUNCATE TRUNCATE)},
    {"a NUL in a value", STR(ROW("[{\"name\":\"a\",\"value\":\"\0\"}]"))},
    {"a row without schema", STR("{\"action\":\"I\",\"table\":\"t\",\"columns\":[]}")},
    {"a row without table", STR("{\"action\":\"I\",\"schema\":\"s\",\"columns\":[]}")},
    {"BEGIN without lsn: include-lsn is off",
     STR("{\"action\":\"B\",\"xid\":1,\"nextlsn\":\"0/1\"}")},
    {"COMMIT without nextlsn", STR("{\"action\":\"C\",\"xid\":1,\"lsn\":\"0/1\"}")},
    {"an LSN that is none", STR("{\"action\":\"B\",\"lsn\":\"01\",\"nextlsn\":\"0/1\"}")},
    {"a time that is none",
     STR("{\"action\":\"B\",\"timestamp\":\"now\",\"lsn\":\"0/1\",\"nextlsn\":\"0/1\"}")},
    {"an empty time",
     STR("{\"action\":\"B\",\"timestamp\":\"\",\"lsn\":\"0/1\",\"nextlsn\":\"0/1\"}")},
    {"a time that is very long",
     STR("{\"action\":\"T\",\"timestamp\":\"2026-11-23 03:48:41.0000000000000000000000000000000000"
         "+00\",\"schema\":\"s\",\"table\":\"t\"}")},
    {"an xid that is text", STR("{\"action\":\"B\",\"xid\":\"1\"}")},
    {"a negative xid", STR("{\"action\":\"B\",\"xid\":-1}")},
    {"a schema that is a number", STR("{\"action\":\"I\",\"schema\":1,\"table\":\"t\"}")},
    {"columns that are an object", STR(ROW("{}"))},
    {"columns that are null", STR(ROW("null"))},
    {"a column that is a number", STR(ROW("[1]"))},
    {"a column without name", STR(ROW("[{\"value\":1}]"))},
    {"a column without value", STR(ROW("[{\"name\":\"a\"}]"))},
    {"a column whose name is a number", STR(ROW("[{\"name\":1,\"value\":1}]"))},
    {"a value that is a list", STR(ROW("[{\"name\":\"a\",\"value\":[1]}]"))},
    {"a value that is an object", STR(ROW("[{\"name\":\"a\",\"value\":{}}]"))},
    {"a value that is NaN", STR(ROW("[{\"name\":\"a\",\"value\":NaN}]"))},
    {"a value with a leading zero", STR(ROW("[{\"name\":\"a\",\"value\":01}]"))},
    {"a value that is not there", STR(ROW("[{\"name\":\"a\",\"value\":}]"))},
    {"an oid that is text", STR(ROW("[{\"name\":\"a\",\"typeoid\":\"20\",\"value\":1}]"))},
    {"an oid that is no oid", STR(ROW("[{\"name\":\"a\",\"typeoid\":4294967296,\"value\":1}]"))},
    {"a name with \\u0000", STR(ROW("[{\"name\":\"a\\u0000\",\"value\":1}]"))},
    {"a name with half a surrogate pair", STR(ROW("[{\"name\":\"\\ud83d\",\"value\":1}]"))},
    {"a comma too many", STR(ROW("[{\"name\":\"a\",\"value\":1},]"))},
    {"a comma too few", STR(ROW("[{\"name\":\"a\",\"value\":1}{\"name\":\"b\",\"value\":1}]"))},
    {"white space, which the plugin never writes", STR(ROW(" []"))},
    {"a key without quotes", STR("{\"action\":\"I\",schema:\"s\"}")},
    {"a key without value", STR("{\"action\":\"I\",\"x\":}")},
    {"a key without value, and more", STR("{\"action\":\"I\",\"x\":,\"y\":1}")},
    {"brackets that were never opened", STR("{\"action\":\"I\",\"x\":]}")},
    {"a key column without name", STR("{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\","
                                      "\"columns\":[],\"pk\":[{\"typeoid\":20}]}")},
    {"a key column with an empty one", STR("{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\","
                                           "\"columns\":[],\"pk\":[{\"name\":\"\"}]}")},
    {"a pk that is an object", STR("{\"action\":\"I\",\"pk\":{}}")},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct change change;
        struct err err = {0};

        if (read_exactly(refused[i].message, &change, &err) == OK)
            fail_msg("taken though it should not be: %s", refused[i].says);
        if (!strstr(err.message, "wal2json message"))
            fail_msg("%s: the error says \"%s\"", refused[i].says, err.message);
    }
}

/* A message that is cut anywhere is no message, and nothing behind the cut is looked at. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        for (size_t len = 0; len < strlen(good[i]); len++) {
            struct change change;
            struct err err = {0};

            if (read_exactly(str_from(good[i], len), &change, &err) == OK)
                fail_msg("the first %zu bytes were taken for a message: %.*s", len, (int)len,
                         good[i]);
        }
        read_good(good[i]); /* and a failure leaves nothing behind */
    }
}

/* Any byte may be wrong: whatever comes of it, memory is safe. */
static void test_every_byte_wrong(void **state)
{
    static const char wrong[] = {'"', '\\', '{', '}', '[', ']', ',', ':', 'x', '\x80', '\0', '0'};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        size_t len = strlen(good[i]);
        char *copy = strdup(good[i]);

        for (size_t at = 0; at < len; at++) {
            for (size_t w = 0; w < sizeof(wrong); w++) {
                struct change change;
                struct err err = {0};

                copy[at] = wrong[w];
                if (read_exactly(str_from(copy, len), &change, &err) == OK)
                    assert_true(change.record.count <= 5);
            }
            copy[at] = good[i][at];
        }
        free(copy);
    }
}

static void add_row(struct buf *out, size_t columns, size_t keys)
{
    buf_add_c(out, "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[");
    for (size_t i = 0; i < columns; i++)
        buf_addf(out, "%s{\"name\":\"c%zu\",\"value\":%zu}", i ? "," : "", i, i);
    buf_add_c(out, "],\"pk\":[");
    for (size_t i = 0; i < keys; i++)
        buf_addf(out, "%s{\"name\":\"c%zu\"}", i ? "," : "", i);
    buf_add_c(out, "]}");
}

static void test_limits(void **state)
{
    static const struct {
        const char *says;
        size_t columns, keys;
        bool fits;
    } rows[] = {
        {"as many columns as a table can have", 1664, 32, true},
        {"one more", 1665, 0, false},
        {"a key of more columns than an index can have", 40, 33, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change;
        struct err err = {0};
        struct buf message;

        buf_init(&message, 1 << 20);
        add_row(&message, rows[i].columns, rows[i].keys);
        if ((read_exactly(buf_str(&message), &change, &err) == OK) != rows[i].fits)
            fail_msg("%s: %s", rows[i].says, err.message);
        if (rows[i].fits)
            check_text("the last column", change.record.items[rows[i].columns - 1].name, "c1663");
        buf_fini(&message);
    }
}

/* All names of a message stay where they are until the next one, however many have escapes, and
 * each message starts with nothing. */
static void test_names_stay(void **state)
{
    (void)state;
    for (size_t names = 1; names <= 300; names++) {
        struct change change;
        struct buf message;

        buf_init(&message, 1 << 20);
        buf_add_c(&message, "{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[");
        for (size_t i = 0; i < names; i++)
            buf_addf(&message, "%s{\"name\":\"\\\"column%zu\",\"value\":1}", i ? "," : "", i);
        buf_add_c(&message, "]}");
        change = read_good(buf_str(&message).data);
        for (size_t i = 0; i < names; i++) {
            char wanted[32];

            snprintf(wanted, sizeof(wanted), "\"column%zu", i);
            check_text("a name among many", change.record.items[i].name, wanted);
        }
        buf_fini(&message);
    }
}

/* Nesting in a value that is skipped is not followed for ever. */
static void test_deep(void **state)
{
    struct change change;
    struct err err = {0};
    struct buf message;

    (void)state;
    buf_init(&message, 1 << 20);
    buf_add_c(&message, "{\"action\":\"T\",\"x\":");
    for (int i = 0; i < 1000; i++)
        buf_add_char(&message, '[');
    for (int i = 0; i < 1000; i++)
        buf_add_char(&message, ']');
    buf_add_c(&message, ",\"schema\":\"s\",\"table\":\"t\"}");
    assert_int_equal(read_exactly(buf_str(&message), &change, &err), FAILED);
    buf_fini(&message);
}

/* The time is remembered from message to message, as it is the same in a whole transaction. */
static void test_times(void **state)
{
    struct change change;

    (void)state;
    read_good(BEGIN);
    change = read_good("{\"action\":\"C\",\"timestamp\":\"2026-11-23 03:48:42+00\","
                       "\"lsn\":\"0/1\",\"nextlsn\":\"0/2\"}");
    assert_true(change.commit_time == INT64_C(1795405722000000));
    change = read_good(BEGIN);
    assert_true(change.commit_time == TIME_US);
    change = read_good("{\"action\":\"T\",\"schema\":\"s\",\"table\":\"t\"}");
    assert_true(change.commit_time == 0);
}

#define NUMBER(name, type, more)                                                                   \
    "{\"name\":\"" name "\",\"typeoid\":" type ",\"value\":null" more "}"
#define LOSSY(action, columns, identity)                                                           \
    "{\"action\":\"" action "\",\"schema\":\"s\",\"table\":\"t\"," columns identity                \
    "\"pk\":[{\"name\":\"k\"}]}"

/* `lost`: the names, old ones behind the bar. */
static const struct {
    const char *says;
    const char *message;
    const char *lost;
} losses[] = {
    {"a null where none can be is NaN or an infinity, which the plugin prints so",
     LOSSY(
         "I",
         "\"columns\":[" NUMBER("a", "701", ",\"optional\":false") "," NUMBER(
             "b", "700", ",\"optional\":false") "," NUMBER("c", "1700", ",\"optional\":false") "],",
         ""),
     "abc|"},
    {"where one can be it is a null",
     LOSSY("I", "\"columns\":[" NUMBER("a", "701", ",\"optional\":true") "],", ""), "|"},
    {"also where nothing is said", LOSSY("I", "\"columns\":[" NUMBER("a", "701", "") "],", ""),
     "|"},
    {"a type without such values has lost none",
     LOSSY("I", "\"columns\":[" NUMBER("a", "23", ",\"optional\":false") "],", ""), "|"},
    {"of an old row the new one says it, whatever its value",
     LOSSY("U",
           "\"columns\":[{\"name\":\"a\",\"typeoid\":701,\"value\":1,\"optional\":false},"
           "{\"name\":\"b\",\"typeoid\":701,\"value\":1,\"optional\":true}],",
           "\"identity\":[" NUMBER("a", "701", "") "," NUMBER("b", "701", "") "],"),
     "|a"},
    {"a key has no nulls, and nothing is known of the rest of a deleted row",
     LOSSY("D", "", "\"identity\":[" NUMBER("k", "701", "") "," NUMBER("a", "701", "") "],"), "|k"},
    {"what was said of the row before does not count for a row that does not say it",
     LOSSY("U", "\"columns\":[" NUMBER("a", "701", "") "],",
           "\"identity\":[" NUMBER("a", "701", "") "],"),
     "|"},
};

static void add_lost(struct buf *out, struct columns columns)
{
    for (size_t i = 0; i < columns.count; i++)
        if (columns.items[i].form == VALUE_LOST)
            buf_add_str(out, columns.items[i].name);
}

static void test_losses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(losses); i++) {
        struct change change = read_good(losses[i].message);
        struct buf out;

        buf_init(&out, 64);
        add_lost(&out, change.record);
        buf_add_char(&out, '|');
        add_lost(&out, change.identity);
        check_text(losses[i].says, buf_str(&out), losses[i].lost);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),    cmocka_unit_test(test_begin_and_commit),
        cmocka_unit_test(test_insert),    cmocka_unit_test(test_update),
        cmocka_unit_test(test_delete),    cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_message),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_tolerated), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_every_byte_wrong),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_names_stay),
        cmocka_unit_test(test_deep),      cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
