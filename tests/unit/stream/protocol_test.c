#include "fixture.h"

#include "base/clock.h"
#include "stream/protocol.h"

#define START "\0\0\0\1\0\0\0\2"
#define END "\0\0\0\3\0\0\0\4"
#define TIME "\0\0\0\0\0\0\0\5"

static const struct {
    const char *says;
    struct str bytes;
    bool good;
    enum stream_message_kind kind;
    lsn_t wal_end;
    struct str payload;
    bool reply;
} rows[] = {
    {"data: the server's end of WAL and the plugin's message", STR("w" START END TIME "{}"), true,
     STREAM_DATA, UINT64_C(0x300000004), STR("{}"), false},
    {"data without a payload", STR("w" START END TIME), true, STREAM_DATA, UINT64_C(0x300000004),
     STR(""), false},
    {"a payload may hold any byte", STR("w" START END TIME "\0wk"), true, STREAM_DATA,
     UINT64_C(0x300000004), STR("\0wk"), false},
    {"the highest LSN", STR("w" START "\xff\xff\xff\xff\xff\xff\xff\xff" TIME), true, STREAM_DATA,
     UINT64_MAX, STR(""), false},
    {"a keepalive that wants no answer", STR("k" END TIME "\0"), true, STREAM_KEEPALIVE,
     UINT64_C(0x300000004), STR(""), false},
    {"a keepalive that wants one at once", STR("k" END TIME "\1"), true, STREAM_KEEPALIVE,
     UINT64_C(0x300000004), STR(""), true},
    {"nothing", STR(""), false, STREAM_DATA, 0, STR(""), false},
    {"a kind that we do not know", STR("s" START END TIME "{}"), false, STREAM_DATA, 0, STR(""),
     false},
};

static char *exactly(struct str bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);

    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy = exactly(rows[i].bytes);
        struct stream_message message;
        struct err err = {0};
        bool good = stream_message_parse(str_from(copy, rows[i].bytes.len), &message, &err) == OK;

        if (good != rows[i].good)
            fail_msg("%s: %s", rows[i].says, err.message);
        if (good && (message.kind != rows[i].kind || message.wal_end != rows[i].wal_end ||
                     message.reply_requested != rows[i].reply))
            fail_msg("%s: it was read as something else", rows[i].says);
        if (good)
            check_bytes(rows[i].says, message.payload, rows[i].payload);
        free(copy);
    }
}

/* A header that is cut is no message, and nothing behind the cut is read. */
static void test_short(void **state)
{
    static const struct {
        struct str bytes;
        size_t header;
    } messages[] = {{STR("w" START END TIME), 25}, {STR("k" END TIME "\1"), 18}};

    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        assert_int_equal(messages[i].bytes.len, messages[i].header);
        for (size_t len = 0; len < messages[i].header; len++) {
            char *copy = exactly(str_from(messages[i].bytes.data, len));
            struct stream_message message;
            struct err err = {0};

            if (stream_message_parse(str_from(copy, len), &message, &err) == OK)
                fail_msg("%zu of %zu bytes were taken", len, messages[i].header);
            assert_non_null(strstr(err.message, "unknown message"));
            free(copy);
        }
    }
}

static void test_feedback(void **state)
{
    char out[STREAM_FEEDBACK_BYTES];

    (void)state;
    stream_feedback_write(out, UINT64_C(0x0102030405060708), UINT64_C(0x1112131415161718),
                          CLOCK_PG_EPOCH_US + 5, false);
    check_bytes("received; durable twice, as flushed and as applied; the time; no reply wanted",
                str_from(out, sizeof(out)),
                STR("r\1\2\3\4\5\6\7\x08\x11\x12\x13\x14\x15\x16\x17\x18"
                    "\x11\x12\x13\x14\x15\x16\x17\x18\0\0\0\0\0\0\0\5\0"));
    stream_feedback_write(out, 0, 0, CLOCK_PG_EPOCH_US, true);
    assert_int_equal(out[STREAM_FEEDBACK_BYTES - 1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_feedback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
