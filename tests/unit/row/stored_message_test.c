#include "fixture.h"

#include <stdio.h>

#include "row/stored_message.h"

#define COLUMN(name, oid, value) "{\"name\":\"" name "\",\"typeoid\":" oid ",\"value\":" value "}"
#define ID "\"d6a1f0c2-0000-4000-8000-000000000001\""

static struct decoder *decoder;
static struct buf scratch;

static int set_up(void **state)
{
    (void)state;
    decoder = decoder_new_wal2json();
    buf_init(&scratch, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&scratch);
    decoder_free(decoder);
    return 0;
}

static struct change read_row(const char *columns)
{
    static char text[65536];

    snprintf(text, sizeof(text),
             "{\"action\":\"I\",\"schema\":\"realtime\",\"table\":\"messages\",\"columns\":[%s]}",
             columns);
    return fixture_read(decoder, text);
}

#define ROW(topic, extension, payload, event, is_private, bytes)                                   \
    COLUMN("topic", "25", topic)                                                                   \
    "," COLUMN("extension", "25", extension) "," COLUMN("payload", "3802", payload) "," COLUMN(    \
        "event", "25", event) "," COLUMN("private", "16",                                          \
                                         is_private) "," COLUMN("id", "2950",                      \
                                                                ID) "," COLUMN("binary_payload",   \
                                                                               "17", bytes)

#define OLD_ROW                                                                                    \
    COLUMN("topic", "25", "\"t\"")                                                                 \
    "," COLUMN("extension", "25", "\"broadcast\"") "," COLUMN(                                     \
        "payload", "3802", "\"1\"") "," COLUMN("event", "25",                                      \
                                               "\"e\"") "," COLUMN("private", "16",                \
                                                                   "false") "," COLUMN("id", "20", \
                                                                                       "7")

static void test_read(void **state)
{
    static const struct {
        const char *says;
        const char *columns;
        const char *topic, *event;
        struct str payload;
        bool is_private, is_binary;
    } rows[] = {
        {"a message as realtime.send() makes it",
         ROW("\"room\"", "\"broadcast\"", "\"{\\\"a\\\": 1}\"", "\"said\"", "true", "null"), "room",
         "said", STR("{\"a\": 1}"), true, false},
        {"a public one", ROW("\"room\"", "\"broadcast\"", "\"{}\"", "\"said\"", "false", "null"),
         "room", "said", STR("{}"), false, false},
        {"what is escaped twice is undone once",
         ROW("\"a\\\"b\\u00e9\"", "\"broadcast\"", "\"{\\\"a\\\": \\\"x\\\\ny\\\"}\"", "\"\"",
             "true", "null"),
         "a\"b\xc3\xa9", "", STR("{\"a\": \"x\\ny\"}"), true, false},
        {"a payload that is no object",
         ROW("\"t\"", "\"broadcast\"", "\"[1, 2]\"", "\"e\"", "true", "null"), "t", "e",
         STR("[1, 2]"), true, false},
        {"bytes", ROW("\"t\"", "\"broadcast\"", "null", "\"e\"", "true", "\"00ff41\""), "t", "e",
         STR("\x00\xff"
             "A"),
         true, true},
        {"no bytes at all", ROW("\"t\"", "\"broadcast\"", "null", "\"e\"", "true", "\"\""), "t",
         "e", STR(""), true, true},
        {"without the column for bytes, as on an older Supabase", OLD_ROW, "t", "e", STR("1"),
         false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = read_row(rows[i].columns);
        struct stored_message message;
        struct err err = {0};

        if (stored_message_read(&change, &scratch, 1000, &message, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        check_text(rows[i].says, message.topic, rows[i].topic);
        check_text(rows[i].says, message.event, rows[i].event);
        check_bytes(rows[i].says, message.payload, rows[i].payload);
        if (message.is_private != rows[i].is_private || message.is_binary != rows[i].is_binary)
            fail_msg("%s: private %d, binary %d", rows[i].says, message.is_private,
                     message.is_binary);
    }
}

static void test_refuse(void **state)
{
    static const struct {
        const char *says;
        const char *columns;
        const char *why;
    } rows[] = {
        {"another extension", ROW("\"t\"", "\"presence\"", "\"1\"", "\"e\"", "true", "null"),
         "column extension is not broadcast"},
        {"no event", ROW("\"t\"", "\"broadcast\"", "\"1\"", "null", "true", "null"),
         "column event is null"},
        {"who knows whether it is private",
         ROW("\"t\"", "\"broadcast\"", "\"1\"", "\"e\"", "null", "null"), "column private is null"},
        {"no payload of either kind",
         ROW("\"t\"", "\"broadcast\"", "null", "\"e\"", "true", "null"),
         "there is neither a payload of type jsonb nor a binary_payload"},
        {"half a byte", ROW("\"t\"", "\"broadcast\"", "null", "\"e\"", "true", "\"abc\""),
         "column binary_payload is no hex"},
        {"no hex", ROW("\"t\"", "\"broadcast\"", "null", "\"e\"", "true", "\"zz\""),
         "column binary_payload is no hex"},
        {"too large", ROW("\"t\"", "\"broadcast\"", "\"[1,2,3,4,5]\"", "\"e\"", "true", "null"),
         "the payload has more than 10 bytes"},
        {"a payload that need not be JSON",
         COLUMN("topic", "25", "\"t\"") "," COLUMN("extension", "25", "\"broadcast\"") "," COLUMN(
             "payload", "25",
             "\"{\"") "," COLUMN("event", "25", "\"e\"") "," COLUMN("private", "16",
                                                                    "false") "," COLUMN("id",
                                                                                        "2950", ID),
         "there is neither a payload of type jsonb nor a binary_payload"},
        {"another table of this name", COLUMN("id", "2950", ID),
         "column extension is not broadcast"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = read_row(rows[i].columns);
        struct stored_message message;
        struct err err = {0};

        if (stored_message_read(&change, &scratch, 10, &message, &err) == OK)
            fail_msg("%s: was taken", rows[i].says);
        check_text(rows[i].says, str_c(err.message), rows[i].why);
    }
}

static void test_fold(void **state)
{
    static const struct {
        const char *schema, *table, *folded; /* NULL: it holds no messages */
    } rows[] = {
        {"realtime", "messages", "messages"},
        {"realtime", "messages_2026_08_01", "messages"},
        {"realtime", "messages_default", "messages"},
        {"realtime", "subscription", NULL},
        {"realtime", "messages2", NULL},
        {"public", "messages", NULL},
        {"public", "messages_2026_08_01", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = {.schema = str_c(rows[i].schema), .table = str_c(rows[i].table)};
        bool is_messages = stored_message_fold_table(&change);

        assert_int_equal(is_messages, rows[i].folded != NULL);
        check_text(rows[i].table, change.table, rows[i].folded ? rows[i].folded : rows[i].table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuse, set_up, tear_down),
        cmocka_unit_test(test_fold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
