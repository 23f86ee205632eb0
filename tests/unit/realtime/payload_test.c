#include "fixture.h"
#include "realtime/payload.h"
#include "realtime/question.h"

#define PK "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"
#define INSERT                                                                                     \
    "{\"action\":\"I\",\"timestamp\":\"2026-01-02 03:04:05.678901+00\",\"schema\":\"public\","     \
    "\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"typeoid\":20,\"value\":9007199254740993},"    \
    "{\"name\":\"b\",\"typeoid\":17,\"value\":\"\\\\x0aff\"},"                                     \
    "{\"name\":\"n\",\"typeoid\":1700,\"value\":1.10}],"
#define UPDATE_KEY                                                                                 \
    "{\"action\":\"U\",\"timestamp\":\"2026-01-02 03:04:05.678901+00\",\"schema\":\"public\","     \
    "\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                   \
    "{\"name\":\"v\",\"typeoid\":25,\"value\":\"new\"}],"                                          \
    "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1}],"
#define UPDATE_FULL                                                                                \
    "{\"action\":\"U\",\"timestamp\":\"2026-01-02 03:04:05.678901+00\",\"schema\":\"public\","     \
    "\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                   \
    "{\"name\":\"v\",\"typeoid\":25,\"value\":\"new\"}],"                                          \
    "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                                  \
    "{\"name\":\"v\",\"typeoid\":25,\"value\":\"old\"},"                                           \
    "{\"name\":\"big\",\"typeoid\":25,\"value\":\"toast\"}],"
#define DELETE                                                                                     \
    "{\"action\":\"D\",\"timestamp\":\"2026-01-02 03:04:05.678901+00\",\"schema\":\"public\","     \
    "\"table\":\"t\",\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                  \
    "{\"name\":\"v\",\"typeoid\":25,\"value\":\"old\"}],"
#define LONG                                                                                       \
    "{\"action\":\"I\",\"timestamp\":\"2026-01-02 03:04:05.678901+00\",\"schema\":\"public\","     \
    "\"table\":\"t\",\"columns\":[{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                   \
    "{\"name\":\"v\",\"typeoid\":25,\"value\":\"0123456789012345678901234567890123456789"          \
    "0123456789012345678901234\"}],"

#define HEAD(type)                                                                                 \
    "{\"schema\":\"public\",\"table\":\"t\",\"commit_timestamp\":\"2026-01-02T03:04:05.678Z\","    \
    "\"type\":\"" type "\",\"commit_lsn\":\"1/2A\",\"ordinal\":7,"

static void test_payload(void **state)
{
    static const struct {
        const char *says, *message;
        const char *hidden, *select; /* JSON arrays */
        bool old_whole;
        size_t source_bytes;
        const char *want;
    } rows[] = {
        {"INSERT: every digit, bytea without \\x, no old row", INSERT PK, "", "", true, 100,
         HEAD("INSERT") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"b\",\"type\":"
                        "\"bytea\"},{\"name\":\"n\",\"type\":\"numeric\"}],\"record\":{\"id\":"
                        "9007199254740993,\"b\":\"0aff\",\"n\":1.10},\"errors\":null}"},
        {"columns that may not be read are left out", INSERT PK, "[\"b\",\"n\"]", "", true, 100,
         HEAD("INSERT") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"}],\"record\":{\"id\":"
                        "9007199254740993},\"errors\":null}"},
        {"select adds the key by itself", INSERT PK, "", "[\"n\"]", true, 100,
         HEAD("INSERT") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"n\",\"type\":"
                        "\"numeric\"}],\"record\":{\"id\":9007199254740993,\"n\":1.10},"
                        "\"errors\":null}"},
        {"select does not lift the veil", INSERT PK, "[\"n\"]", "[\"n\"]", true, 100,
         HEAD("INSERT") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"}],\"record\":{\"id\":"
                        "9007199254740993},\"errors\":null}"},
        {"no primary key", INSERT "\"pk\":[]}", "", "", true, 100,
         HEAD("INSERT") "\"columns\":[],\"record\":{},\"errors\":"
                        "[\"Error 400: Bad Request, no primary key\"]}"},
        {"a key that may not be read", INSERT PK, "[\"id\"]", "", true, 100,
         HEAD("INSERT") "\"columns\":[],\"record\":{},\"errors\":[\"Error 401: Unauthorized\"]}"},
        {"too large: short values only", LONG PK, "", "", true, PAYLOAD_MAX_SOURCE + 1,
         HEAD("INSERT") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"v\",\"type\":"
                        "\"text\"}],\"record\":{\"id\":1},"
                        "\"errors\":[\"Error 413: Payload Too Large\"]}"},
        {"UPDATE with a key", UPDATE_KEY PK, "", "", true, 100,
         HEAD("UPDATE") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"v\",\"type\":"
                        "\"text\"}],\"record\":{\"id\":1,\"v\":\"new\"},\"old_record\":{\"id\":1},"
                        "\"errors\":null}"},
        {"UPDATE with the full old row, which fills in what did not change", UPDATE_FULL PK, "", "",
         true, 100,
         HEAD("UPDATE") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"v\",\"type\":"
                        "\"text\"},{\"name\":\"big\",\"type\":\"text\"}],\"record\":{\"id\":1,"
                        "\"v\":\"new\",\"big\":\"toast\"},\"old_record\":{\"id\":1,\"v\":\"old\","
                        "\"big\":\"toast\"},\"errors\":null}"},
        {"the same for somebody who could not read the old row", UPDATE_FULL PK, "", "", false, 100,
         HEAD("UPDATE") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"v\",\"type\":"
                        "\"text\"},{\"name\":\"big\",\"type\":\"text\"}],\"record\":{\"id\":1,"
                        "\"v\":\"new\",\"big\":\"toast\"},\"old_record\":{\"id\":1},"
                        "\"errors\":null}"},
        {"DELETE without row level security", DELETE PK, "", "", true, 100,
         HEAD("DELETE") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"v\",\"type\":"
                        "\"text\"}],\"old_record\":{\"id\":1,\"v\":\"old\"},\"errors\":null}"},
        {"DELETE with it: the key alone", DELETE PK, "", "", false, 100,
         HEAD("DELETE") "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"}],"
                        "\"old_record\":{\"id\":1},\"errors\":null}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decoder *decoder = decoder_new_wal2json();
        struct event_row row = {.change = fixture_read(decoder, rows[i].message),
                                .commit_lsn = UINT64_C(0x10000002a),
                                .ordinal = 7,
                                .source_bytes = rows[i].source_bytes,
                                .types = fixture_types()};
        struct names hidden, select;
        const struct view view = {
            .hidden = &hidden, .select = &select, .old_whole = rows[i].old_whole};
        struct buf out;

        assert_true(names_parse(str_c(rows[i].hidden), &hidden));
        assert_true(names_parse(str_c(rows[i].select), &select));
        buf_init(&out, 100000);
        payload_write(&out, &row, &view);
        check_text(rows[i].says, buf_str(&out), rows[i].want);
        buf_fini(&out);
        names_fini(&hidden);
        names_fini(&select);
        types_unref(row.types);
        decoder_free(decoder);
    }
}

/* An UPDATE that took the row out of view is told as a DELETE, by the old key alone. */
static void test_left(void **state)
{
    static const struct names none;
    const struct view view = {.hidden = &none, .select = &none, .left = true};
    struct decoder *decoder = decoder_new_wal2json();
    struct event_row row = {.change = fixture_read(decoder, UPDATE_FULL PK),
                            .commit_lsn = UINT64_C(0x10000002a),
                            .ordinal = 7,
                            .source_bytes = PAYLOAD_MAX_SOURCE + 1,
                            .types = fixture_types()};
    struct buf out;

    (void)state;
    buf_init(&out, 100000);
    payload_write(&out, &row, &view);
    check_text("left", buf_str(&out),
               HEAD("DELETE") "\"left\":true,\"columns\":[{\"name\":\"id\",\"type\":\"int8\"}],"
                              "\"old_record\":{\"id\":1},\"errors\":null}");
    buf_fini(&out);
    types_unref(row.types);
    decoder_free(decoder);
}

static void test_names(void **state)
{
    struct names a, b, none;

    (void)state;
    assert_true(names_parse(STR("[\"b\",\"a\",\"b\"]"), &a));
    assert_true(names_parse(STR("[\"a\",\"b\"]"), &b));
    assert_true(names_parse(STR(""), &none));
    assert_int_equal(a.count, 2);
    assert_true(names_equal(&a, &b));
    assert_false(names_equal(&a, &none));
    assert_true(names_has(&a, STR("a")) && !names_has(&a, STR("ab")) &&
                !names_has(&none, STR("a")));
    names_fini(&a);
    names_fini(&b);
    assert_false(names_parse(STR("{}"), &a));
    assert_false(names_parse(STR("[1]"), &a));
    assert_false(names_parse(STR("nonsense"), &a));
}

/* What PostgreSQL is asked: the text of each value, the old row where more than the key is in it,
 * and each session once. */
static void test_question(void **state)
{
    static const struct {
        const char *says, *message, *want;
    } rows[] = {
        {"INSERT", INSERT PK,
         "[{\"schema\":\"public\",\"table\":\"t\",\"delete\":false,\"kind\":\"INSERT\",\"row\":{"
         "\"id\":"
         "\"9007199254740993\",\"b\":\"\\\\x0aff\",\"n\":\"1.10\"},\"key\":[\"id\"],"
         "\"sessions\":[0,1]}]"},
        {"UPDATE with a key", UPDATE_KEY PK,
         "[{\"schema\":\"public\",\"table\":\"t\",\"delete\":false,\"kind\":\"UPDATE\",\"row\":{"
         "\"id\":\"1\",\"v\":"
         "\"new\"},\"key\":[\"id\"],\"sessions\":[0,1]}]"},
        {"UPDATE with the old row", UPDATE_FULL PK,
         "[{\"schema\":\"public\",\"table\":\"t\",\"delete\":false,\"kind\":\"UPDATE\",\"row\":{"
         "\"id\":\"1\",\"v\":"
         "\"new\",\"big\":\"toast\"},\"old\":{\"id\":\"1\",\"v\":\"old\",\"big\":\"toast\"},"
         "\"key\":[\"id\"],\"sessions\":[0,1]}]"},
        {"DELETE", DELETE PK,
         "[{\"schema\":\"public\",\"table\":\"t\",\"delete\":true,\"kind\":\"DELETE\",\"row\":{"
         "\"id\":\"1\",\"v\":"
         "\"old\"},\"key\":[\"id\"],\"sessions\":[0,1]}]"},
        {"NULL of numeric, which may be NaN",
         "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t\",\"columns\":[{\"name\":\"n\","
         "\"typeoid\":1700,\"value\":null},{\"name\":\"v\",\"typeoid\":25,\"value\":null}]," PK,
         "[{\"schema\":\"public\",\"table\":\"t\",\"delete\":false,\"kind\":\"INSERT\",\"row\":{"
         "\"v\":null},"
         "\"key\":[\"id\"],\"sessions\":[0,1]}]"},
    };
    struct sessions sessions = {0};
    const struct token tokens[] = {
        {.role = (char *)"anon", .claims = (char *)"{\"a\":1}", .claims_len = 7},
        {.role = (char *)"authenticated", .claims = (char *)"{}", .claims_len = 2}};
    struct session *anon = session_get(&sessions, &tokens[0]);
    struct session *user = session_get(&sessions, &tokens[1]);

    (void)state;
    assert_ptr_equal(session_get(&sessions, &tokens[0]), anon);
    session_unref(anon);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct decoder *decoder = decoder_new_wal2json();
        struct types *types = fixture_types();
        struct change change = fixture_read(decoder, rows[i].message);
        struct event *event = event_new_row(&change, 1, 1, 100, types);
        struct question question, *batch[] = {&question};
        uint64_t stamp = sessions_stamp(&sessions);
        struct buf questions, who;

        question_init(&question, event);
        assert_int_equal(question_place(&question, anon, stamp), 0);
        assert_int_equal(question_place(&question, user, stamp), 1);
        assert_int_equal(question_place(&question, anon, stamp), 0);
        assert_int_equal(question_open(&question), 2);
        buf_init(&questions, 10000);
        buf_init(&who, 10000);
        question_write(batch, 1, &questions, &who);
        check_text(rows[i].says, buf_str(&questions), rows[i].want);
        check_text(rows[i].says, buf_str(&who),
                   "[{\"role\":\"anon\",\"claims\":\"{\\\"a\\\":1}\"},"
                   "{\"role\":\"authenticated\",\"claims\":\"{}\"}]");
        question.verdicts[0].state = VERDICT_NO;
        buf_clear(&who);
        buf_clear(&questions);
        question_write(batch, 1, &questions, &who);
        check_text("what is known is not asked", buf_str(&who),
                   "[{\"role\":\"authenticated\",\"claims\":\"{}\"}]");
        buf_fini(&questions);
        buf_fini(&who);
        question_fini(&question);
        msg_unref(&event->msg);
        types_unref(types);
        decoder_free(decoder);
    }
    session_unref(anon);
    session_unref(user);
    sessions_fini(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
