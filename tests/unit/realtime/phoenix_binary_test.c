#include "fixture.h"
#include "realtime/phoenix_binary.h"

#define BYTES(literal) ((struct str){(literal), sizeof(literal) - 1})
#define LONG_REF "0123456789012345678901234567890123456789012345678901234567890123" /* 64 */

static void test_parse(void **state)
{
    static const struct {
        const char *says;
        struct str bytes;
        bool ok;
        const char *join_ref, *ref, *topic, *event, *meta, *payload;
        bool is_json;
    } rows[] = {
        {"JSON",
         BYTES("\x03\x01\x02\x0a\x04\x00\x01"
               "610realtime:rshot{\"a\":1}"),
         true, "\"6\"", "\"10\"", "realtime:r", "shot", "", "{\"a\":1}", true},
        {"bytes",
         BYTES("\x03\x00\x00\x01\x01\x00\x00"
               "te\xff\xfe"),
         true, "null", "null", "t", "e", "", "\xff\xfe", false},
        {"no bytes at all",
         BYTES("\x03\x00\x00\x01\x01\x00\x00"
               "te"),
         true, "null", "null", "t", "e", "", "", false},
        {"meta data",
         BYTES("\x03\x00\x00\x01\x01\x0c\x01"
               "te{\"persist\":1"
               "1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"meta data",
         BYTES("\x03\x00\x00\x01\x01\x02\x01"
               "te{}1"),
         true, "null", "null", "t", "e", "{}", "1", true},
        {"an event without a name",
         BYTES("\x03\x00\x00\x01\x00\x00\x01"
               "t1"),
         true, "null", "null", "t", "", "", "1", true},
        {"a ref with a quote",
         BYTES("\x03\x00\x02\x01\x01\x00\x01"
               "\"xte1"),
         true, "null", "\"\\\"x\"", "t", "e", "", "1", true},
        {"nothing", BYTES(""), false, 0, 0, 0, 0, 0, 0, 0},
        {"another kind",
         BYTES("\x00\x00\x00\x01\x01\x00\x01"
               "te1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"the kind that only we send",
         BYTES("\x04\x01\x01\x00\x01"
               "te1"
               "xx"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"an encoding that there is not",
         BYTES("\x03\x00\x00\x01\x01\x00\x02"
               "te1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"texts longer than the frame",
         BYTES("\x03\x00\x00\x01\x03\x00\x01"
               "te1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"no topic",
         BYTES("\x03\x00\x00\x00\x01\x00\x01"
               "e1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"JSON that is none",
         BYTES("\x03\x00\x00\x01\x01\x00\x01"
               "te{}{}"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"JSON that would end the frame it is put in",
         BYTES("\x03\x00\x00\x01\x01\x00\x01"
               "te1},\"topic\":\"x\""),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"a topic that is no UTF-8",
         BYTES("\x03\x00\x00\x01\x01\x00\x01"
               "\xff"
               "e1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"an event that is no UTF-8",
         BYTES("\x03\x00\x00\x01\x01\x00\x01"
               "t\xff"
               "1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"a ref that is no UTF-8",
         BYTES("\x03\x01\x00\x01\x01\x00\x01"
               "\xff"
               "te1"),
         false, 0, 0, 0, 0, 0, 0, 0},
        {"a ref that is too long", BYTES("\x03\x40\x00\x01\x01\x00\x01" LONG_REF "te1"), false, 0,
         0, 0, 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phoenix_push push;
        struct err err = {0};
        bool ok = phoenix_push_parse(rows[i].bytes, &push, &err) == OK;

        if (ok != rows[i].ok)
            fail_msg("%s: %s", rows[i].says, ok ? "was taken" : err.message);
        if (!ok) {
            assert_true(err.message[0] != '\0');
            continue;
        }
        check_text(rows[i].says, str_c(push.join_ref.json), rows[i].join_ref);
        check_text(rows[i].says, str_c(push.ref.json), rows[i].ref);
        check_text(rows[i].says, push.topic, rows[i].topic);
        check_text(rows[i].says, push.event, rows[i].event);
        check_text(rows[i].says, push.meta, rows[i].meta);
        check_text(rows[i].says, push.payload, rows[i].payload);
        CHECK(push.is_json == rows[i].is_json, rows[i].says);
    }
}

/* A frame that is cut within its texts is bad, and none is read beyond its end (the sanitizers
 * watch). */
static void test_prefixes(void **state)
{
    static const char good[] = "\x03\x01\x02\x0a\x04\x02\x00"
                               "610realtime:rshot{}";

    (void)state;
    for (size_t len = 0; len < sizeof(good); len++) {
        char *exact = malloc(len ? len : 1);
        struct phoenix_push push;
        struct err err;
        bool whole = len >= sizeof(good) - 1;

        memcpy(exact, good, len);
        assert_int_equal(phoenix_push_parse(str_from(exact, len), &push, &err),
                         whole ? OK : FAILED);
        free(exact);
    }
}

static void test_write(void **state)
{
    char text[256];
    struct buf out;

    (void)state;
    memset(text, 'x', sizeof(text));
    buf_init(&out, 2000);
    assert_true(phoenix_broadcast_open(&out, STR("realtime:r"), STR("shot"), STR("{}"), true));
    check_bytes("JSON", buf_str(&out), BYTES("\x04\x0a\x04\x02\x01realtime:rshot{}"));
    buf_clear(&out);
    assert_true(phoenix_broadcast_open(&out, STR("t"), STR(""), STR(""), false));
    check_bytes("bytes", buf_str(&out), BYTES("\x04\x01\x00\x00\x00t"));
    buf_clear(&out);
    assert_true(phoenix_broadcast_open(&out, str_from(text, 255), STR("e"), STR(""), true));
    assert_int_equal((unsigned char)out.data[1], 255);
    buf_clear(&out);
    assert_false(phoenix_broadcast_open(&out, str_from(text, 256), STR("e"), STR(""), true));
    assert_false(phoenix_broadcast_open(&out, STR("t"), str_from(text, 256), STR(""), true));
    assert_false(phoenix_broadcast_open(&out, STR("t"), STR("e"), str_from(text, 256), true));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
