#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "dispatch/report.h"

static const struct text {
    const char *says;
    struct str in;
    const char *out;
} texts[] = {
    {"ASCII", STR("abc"), "abc"},
    {"nothing", STR(""), ""},
    {"two, three and four bytes", STR("\u00e9\u20ac\U0001f600"), "\u00e9\u20ac\U0001f600"},
    {"NUL, which PostgreSQL has not", STR("a\0b"), "a\ufffdb"},
    {"Latin 1", STR("a\xe9z"), "a\ufffdz"},
    {"a lone continuation", STR("\x80"), "\ufffd"},
    {"cut at the end", STR("a\xe2\x82"), "a\ufffd\ufffd"},
    {"a surrogate", STR("\xed\xa0\x80"), "\ufffd\ufffd\ufffd"},
    {"an overlong slash", STR("\xc0\xaf"), "\ufffd\ufffd"},
    {"overlong in three bytes", STR("\xe0\x80\xaf"), "\ufffd\ufffd\ufffd"},
    {"overlong in four bytes", STR("\xf0\x80\x80\xaf"), "\ufffd\ufffd\ufffd\ufffd"},
    {"beyond Unicode", STR("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd"},
    {"the last of Unicode", STR("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf"},
    {"no UTF-8 at all", STR("\xff\xfe"), "\ufffd\ufffd"},
};

static void cleans_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf out;

        buf_init(&out, 1000);
        report_add_text(&out, texts[i].in);
        if (strcmp(buf_str(&out).data, texts[i].out) != 0)
            fail_msg("%s: %s", texts[i].says, out.data);
        buf_fini(&out);
    }
}

static struct delivery *sample(void)
{
    const struct str field[DELIVERY_FIELDS] = {
        [DELIVERY_ID] = STR("9007199254740993"),
        [DELIVERY_WEBHOOK_ID] = STR("aaaaaaaa-0000-0000-0000-000000000000"),
        [DELIVERY_MESSAGE_ID] = STR("msg_1"),
        [DELIVERY_EVENT_TYPE] = STR("memories.insert"),
        [DELIVERY_PAYLOAD] = STR("{\"data\":{\"commit_lsn\":\"0/2A\",\"ordinal\":3}}"),
        [DELIVERY_ENDPOINT_NAME] = STR("billing"),
        [DELIVERY_VERSION] = STR("2026-01-01 00:00:00+00"),
    };
    struct delivery *delivery = delivery_new(field);

    delivery->attempts = 2;
    delivery->attempt.started_ms = 1000;
    delivery->attempt.duration_ms = 7;
    buf_init(&delivery->attempt.response, 100);
    return delivery;
}

static json_t *report(struct delivery *delivery, uint64_t now_ms)
{
    struct buf out;
    json_t *array;

    buf_init(&out, 10000);
    report_add_json(&out, delivery, now_ms);
    report_add_json(&out, delivery, now_ms);
    buf_add_char(&out, ']');
    array = json_loadb(out.data, out.len, 0, NULL);
    buf_fini(&out);
    delivery_free(delivery);
    assert_int_equal(json_array_size(array), 2);
    return array;
}

static void expect_number(const json_t *array, const char *key, json_int_t value)
{
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 1), key)), value);
}

static void expect_text(const json_t *array, const char *key, const char *value)
{
    const char *got = json_string_value(json_object_get(json_array_get(array, 1), key));

    if (value) {
        assert_non_null(got);
        assert_string_equal(got, value);
    } else {
        assert_null(got);
    }
}

static void reports_a_delivery(void **state)
{
    struct delivery *delivery = sample();
    json_t *array;

    (void)state;
    delivery->attempt.status_code = 200;
    delivery->attempt.decision.verdict = SCHEDULE_DELIVERED;
    buf_add_str(&delivery->attempt.response, STR("\"o\nk\"\0\xff"));
    array = report(delivery, 1500);
    expect_number(array, "id", INT64_C(9007199254740993));
    expect_number(array, "attempt", 3);
    expect_text(array, "status", "delivered");
    expect_number(array, "age_ms", 500);
    expect_number(array, "duration_ms", 7);
    expect_number(array, "status_code", 200);
    expect_text(array, "error", NULL);
    expect_text(array, "response", "\"o\nk\"\ufffd\ufffd");
    expect_text(array, "gone", NULL);
    json_decref(array);
}

static void reports_a_retry(void **state)
{
    struct delivery *delivery = sample();
    json_t *array;

    (void)state;
    delivery->attempt.decision = (struct schedule_decision){SCHEDULE_RETRY, 86400000};
    err_set(&delivery->attempt.error, "connecting: \"no\"");
    array = report(delivery, 900); /* a clock that went back */
    expect_text(array, "status", "pending");
    expect_number(array, "age_ms", 0);
    expect_number(array, "delay_ms", 86400000);
    assert_null(json_object_get(json_array_get(array, 0), "status_code"));
    expect_text(array, "error", "connecting: \"no\"");
    expect_text(array, "response", NULL);
    json_decref(array);
}

static void reports_an_end(void **state)
{
    struct delivery *delivery = sample();
    json_t *array;

    (void)state;
    delivery->attempt.decision.verdict = SCHEDULE_EXHAUSTED;
    array = report(delivery, 1000);
    expect_text(array, "status", "failed");
    expect_text(array, "gone", NULL);
    json_decref(array);

    delivery = sample();
    delivery->attempt.decision.verdict = SCHEDULE_GONE;
    array = report(delivery, 1000);
    expect_text(array, "status", "failed");
    expect_text(array, "gone", "aaaaaaaa-0000-0000-0000-000000000000");
    expect_text(array, "version", "2026-01-01 00:00:00+00");
    json_decref(array);
}

static void tells_the_realtime_loop(void **state)
{
    struct delivery *delivery = sample();
    struct event_attempt event;

    (void)state;
    delivery->attempt.status_code = 200;
    event = report_event(delivery);
    assert_int_equal(event.commit_lsn, 42);
    assert_int_equal(event.ordinal, 3);
    assert_int_equal(event.attempt, 3);
    assert_int_equal(event.duration_ms, 7);
    assert_int_equal(event.status_code, 200);
    assert_true(event.delivered);
    assert_string_equal(event.endpoint, "billing");
    assert_string_equal(event.event_type, "memories.insert");
    assert_string_equal(event.message_id, "msg_1");
    delivery_free(delivery);
}

static void cuts_names_at_a_character(void **state)
{
    struct str field[DELIVERY_FIELDS];
    struct event_attempt event;
    struct delivery *delivery;
    char name[131];

    (void)state;
    for (int i = 0; i < DELIVERY_FIELDS; i++)
        field[i] = STR("");
    memset(name, 'a', sizeof(name));
    memcpy(name + 126, "\u20ac", 3); /* bytes 126 to 128; 127 fit */
    field[DELIVERY_ENDPOINT_NAME] = str_from(name, sizeof(name));
    delivery = delivery_new(field);
    event = report_event(delivery);
    assert_int_equal(strlen(event.endpoint), 126);
    delivery_free(delivery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_text),
        cmocka_unit_test(reports_a_delivery),
        cmocka_unit_test(reports_a_retry),
        cmocka_unit_test(reports_an_end),
        cmocka_unit_test(tells_the_realtime_loop),
        cmocka_unit_test(cuts_names_at_a_character),
    };

    return cmocka_run_group_tests_name("dispatch/report", tests, NULL, NULL);
}
