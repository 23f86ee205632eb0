#include "fixture.h"
#include "realtime/phoenix.h"

#include <jansson.h>

static void test_parse(void **state)
{
    static const struct {
        const char *says;
        enum phoenix_vsn vsn;
        const char *text;
        bool ok;
        const char *join_ref, *ref, *topic, *event;
    } rows[] = {
        {"a frame of version 2", PHOENIX_V2, "[\"6\",\"7\",\"realtime:r\",\"phx_join\",{}]", true,
         "\"6\"", "\"7\"", "realtime:r", "phx_join"},
        {"refs may be null", PHOENIX_V2, "[null,null,\"phoenix\",\"heartbeat\",{}]", true, "null",
         "null", "phoenix", "heartbeat"},
        {"a ref may be a number and is echoed as one", PHOENIX_V2, "[1,2,\"t\",\"e\",[]]", true,
         "1", "2", "t", "e"},
        {"a ref is escaped again", PHOENIX_V2, "[\"a\\\"b\",null,\"t\",\"e\",0]", true,
         "\"a\\\"b\"", "null", "t", "e"},
        {"a frame of version 1", PHOENIX_V1,
         "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":\"1\",\"join_ref\":\"2\"}", true,
         "\"2\"", "\"1\"", "t", "e"},
        {"without refs", PHOENIX_V1, "{\"topic\":\"t\",\"event\":\"e\",\"payload\":null}", true,
         "null", "null", "t", "e"},
        {"escapes are undone", PHOENIX_V2, "[null,null,\"t\\u0041\\n\",\"\\u00e9\",{}]", true,
         "null", "null", "tA\n", "\xc3\xa9"},
        {"of two members with one name the last counts", PHOENIX_V1,
         "{\"topic\":\"a\",\"event\":\"e\",\"payload\":{},\"topic\":\"b\"}", true, "null", "null",
         "b", "e"},
        {"names within the payload are not the frame's", PHOENIX_V1,
         "{\"topic\":\"a\",\"event\":\"e\",\"payload\":{\"topic\":\"b\",\"ref\":\"1\"}}", true,
         "null", "null", "a", "e"},
        {"nothing", PHOENIX_V2, "", false, 0, 0, 0, 0},
        {"no JSON", PHOENIX_V2, "hello", false, 0, 0, 0, 0},
        {"cut off", PHOENIX_V2, "[\"6\",\"7\",\"t\",\"e\",{}", false, 0, 0, 0, 0},
        {"something behind it", PHOENIX_V2, "[\"6\",\"7\",\"t\",\"e\",{}]]", false, 0, 0, 0, 0},
        {"four parts", PHOENIX_V2, "[\"6\",\"7\",\"t\",\"e\"]", false, 0, 0, 0, 0},
        {"six parts", PHOENIX_V2, "[\"6\",\"7\",\"t\",\"e\",{},1]", false, 0, 0, 0, 0},
        {"the other version's shape", PHOENIX_V2, "{\"topic\":\"t\"}", false, 0, 0, 0, 0},
        {"the other version's shape", PHOENIX_V1, "[1,2,\"t\",\"e\",{}]", false, 0, 0, 0, 0},
        {"no topic", PHOENIX_V1, "{\"event\":\"e\",\"payload\":{}}", false, 0, 0, 0, 0},
        {"an empty topic", PHOENIX_V2, "[null,null,\"\",\"e\",{}]", false, 0, 0, 0, 0},
        {"a topic that is a number", PHOENIX_V2, "[null,null,1,\"e\",{}]", false, 0, 0, 0, 0},
        {"an event that is null", PHOENIX_V2, "[null,null,\"t\",null,{}]", false, 0, 0, 0, 0},
        {"no payload", PHOENIX_V1, "{\"topic\":\"t\",\"event\":\"e\"}", false, 0, 0, 0, 0},
        {"a ref that is an object", PHOENIX_V2, "[{},null,\"t\",\"e\",{}]", false, 0, 0, 0, 0},
        {"a ref that is a fraction", PHOENIX_V2, "[1.5,null,\"t\",\"e\",{}]", false, 0, 0, 0, 0},
        {"a ref that is true", PHOENIX_V2, "[true,null,\"t\",\"e\",{}]", false, 0, 0, 0, 0},
        {"a ref that is too long", PHOENIX_V2,
         "[\"0123456789012345678901234567890123456789012345678901234567890\",null,\"t\",\"e\",{}]",
         false, 0, 0, 0, 0},
        {"a NUL in a topic", PHOENIX_V2, "[null,null,\"a\\u0000\",\"e\",{}]", false, 0, 0, 0, 0},
        {"bytes that are no UTF-8", PHOENIX_V2, "[null,null,\"a\xff\",\"e\",{}]", false, 0, 0, 0,
         0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phoenix_frame frame;
        struct err err = {0};
        bool ok = phoenix_parse(str_c(rows[i].text), rows[i].vsn, &frame, &err) == OK;

        if (ok != rows[i].ok)
            fail_msg("%s: %s", rows[i].says, ok ? "was taken" : err.message);
        if (!ok) {
            assert_true(err.message[0] != '\0');
            continue;
        }
        assert_string_equal(frame.join_ref.json, rows[i].join_ref);
        assert_string_equal(frame.ref.json, rows[i].ref);
        check_text(rows[i].says, frame.topic, rows[i].topic);
        check_text(rows[i].says, frame.event, rows[i].event);
        assert_true(frame.payload.len > 0);
        phoenix_frame_fini(&frame);
    }
}

/* What a client sends is passed on as it is: no digit is lost, whatever a library makes of it. */
static void test_payload(void **state)
{
    static const struct {
        const char *says, *text, *payload;
        bool tree;
    } rows[] = {
        {"an object", "[null,null,\"t\",\"e\", { \"a\" : [1, 2.50] } ]", "{ \"a\" : [1, 2.50] }",
         true},
        {"a word", "[null,null,\"t\",\"e\",null]", "null", true},
        {"a number that no double holds", "[null,null,\"t\",\"e\",{\"n\":123456789012345678901}]",
         "{\"n\":123456789012345678901}", false},
        {"a NUL", "[null,null,\"t\",\"e\",\"\\u0000\"]", "\"\\u0000\"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct phoenix_frame frame;
        struct err err = {0};

        if (phoenix_parse(str_c(rows[i].text), PHOENIX_V2, &frame, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        check_text(rows[i].says, frame.payload, rows[i].payload);
        CHECK((phoenix_payload(&frame) != NULL) == rows[i].tree, rows[i].says);
        phoenix_frame_fini(&frame);
    }
}

/* The longest names, every byte of them escaped: the room for them is made once. */
static void test_long_names(void **state)
{
    struct phoenix_frame frame;
    struct buf text;
    struct err err;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        buf_init(&text, 10000);
        buf_add_c(&text, "[null,null,\"");
        for (size_t i = 0; i < PHOENIX_MAX_TOPIC + over; i++)
            buf_add_c(&text, "\\u0041");
        buf_add_c(&text, "\",\"");
        for (size_t i = 0; i < PHOENIX_MAX_EVENT; i++)
            buf_add_c(&text, "\\n");
        buf_add_c(&text, "\",{}]");
        if (over) {
            assert_int_equal(phoenix_parse(buf_str(&text), PHOENIX_V2, &frame, &err), FAILED);
        } else {
            assert_int_equal(phoenix_parse(buf_str(&text), PHOENIX_V2, &frame, &err), OK);
            assert_int_equal(frame.topic.len, PHOENIX_MAX_TOPIC);
            assert_int_equal(frame.topic.data[PHOENIX_MAX_TOPIC - 1], 'A');
            assert_int_equal(frame.event.len, PHOENIX_MAX_EVENT);
            phoenix_frame_fini(&frame);
        }
        buf_fini(&text);
    }
}

/* Every prefix of a good frame is bad, and none is read beyond its end (the sanitizers watch). */
static void test_prefixes(void **state)
{
    static const char good[] = "[\"6\",\"7\",\"realtime:r\",\"phx_join\",{\"config\":{\"a\":[1]}}]";

    (void)state;
    for (size_t len = 0; len < sizeof(good) - 1; len++) {
        char *exact = malloc(len ? len : 1);
        struct phoenix_frame frame;
        struct err err;

        memcpy(exact, good, len);
        assert_int_equal(phoenix_parse(str_from(exact, len), PHOENIX_V2, &frame, &err), FAILED);
        free(exact);
    }
}

static void test_write(void **state)
{
    static const struct {
        const char *says;
        enum phoenix_vsn vsn;
        const char *want;
    } rows[] = {
        {"version 2", PHOENIX_V2, "[\"6\",\"7\",\"realtime:\\\"r\",\"phx_reply\",{\"a\":1}]"},
        {"version 1, without join_ref", PHOENIX_V1,
         "{\"topic\":\"realtime:\\\"r\",\"event\":\"phx_reply\",\"payload\":{\"a\":1},"
         "\"ref\":\"7\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct phoenix_ref join_ref = {"\"6\""}, ref = {"\"7\""};
        struct buf out;

        buf_init(&out, 1000);
        phoenix_write(&out, rows[i].vsn, join_ref, ref, STR("realtime:\"r"), STR("phx_reply"),
                      STR("{\"a\":1}"));
        check_text(rows[i].says, buf_str(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void test_vsn(void **state)
{
    enum phoenix_vsn vsn;

    (void)state;
    assert_true(phoenix_vsn_parse(STR(""), &vsn) && vsn == PHOENIX_V1);
    assert_true(phoenix_vsn_parse(STR("1.0.0"), &vsn) && vsn == PHOENIX_V1);
    assert_true(phoenix_vsn_parse(STR("2.0.0"), &vsn) && vsn == PHOENIX_V2);
    assert_false(phoenix_vsn_parse(STR("3.0.0"), &vsn));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_payload),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_write),      cmocka_unit_test(test_vsn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
