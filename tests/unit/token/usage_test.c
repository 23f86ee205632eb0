#include "token/usage.h"
#include "unit.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"
#define HOUR INT64_C(3600000000)

static void add(struct usage *usage, const char *id, int64_t us, uint64_t requests, uint64_t errors)
{
    struct usage_count count = {.last_us = us, .requests = requests, .errors = errors};

    memcpy(count.key_id, id, sizeof(count.key_id));
    usage_add(usage, &count);
}

static void check(const struct usage_count *got, const char *id, int64_t us, uint64_t requests,
                  uint64_t errors)
{
    assert_string_equal(got->key_id, id);
    assert_int_equal(got->last_us, us);
    assert_int_equal(got->requests, requests);
    assert_int_equal(got->errors, errors);
}

static void test_counting(void **state)
{
    struct usage_count out[8];
    struct usage usage;

    (void)state;
    usage_init(&usage, 10);
    assert_true(usage_is_empty(&usage));
    assert_int_equal(usage_take(&usage, out, 8), 0);
    add(&usage, A, 5 * HOUR, 1, 0);
    add(&usage, B, 6 * HOUR, 1, 1);
    add(&usage, A, 7 * HOUR, 1, 1);
    add(&usage, A, 4 * HOUR, 1, 0);  /* a clock that was set back */
    add(&usage, A, 24 * HOUR, 1, 0); /* the next day is a count of its own */
    add(&usage, A, -1, 1, 0);        /* before 1970 too */
    assert_int_equal(usage_take(&usage, out, 2), 2);
    check(&out[0], A, 7 * HOUR, 3, 1);
    check(&out[1], B, 6 * HOUR, 1, 1);
    assert_false(usage_is_empty(&usage));

    add(&usage, A, 8 * HOUR, 1, 0); /* while those are being written */
    usage_add(&usage, &out[0]);     /* which then failed */
    usage_add(&usage, &out[1]);
    assert_int_equal(usage_take(&usage, out, 8), 5 - 1);
    check(&out[0], A, 24 * HOUR, 1, 0);
    check(&out[1], A, -1, 1, 0);
    check(&out[2], A, 8 * HOUR, 4, 1);
    check(&out[3], B, 6 * HOUR, 1, 1);
    assert_true(usage_is_empty(&usage));
    add(&usage, B, 1, 1, 0);
    assert_int_equal(usage_take(&usage, out, 8), 1);
    add(&usage, B, 1, 1, 0); /* freed with it */
    usage_fini(&usage);
}

static void test_bound(void **state)
{
    struct usage_count out[8];
    struct usage usage;

    (void)state;
    usage_init(&usage, 2);
    add(&usage, A, 0, 1, 0);
    add(&usage, B, 0, 1, 0);
    add(&usage, A, 24 * HOUR, 7, 0);
    add(&usage, A, 1, 1, 0);
    assert_int_equal(usage.lost, 7);
    assert_int_equal(usage_take(&usage, out, 8), 2);
    add(&usage, A, 24 * HOUR, 7, 0);
    assert_int_equal(usage.lost, 7);
    usage_fini(&usage);
}

static void test_writing(void **state)
{
    const struct usage_count counts[] = {{A, INT64_C(1795421179609511), 6, 1}, {B, 0, 1, 0}};
    struct buf text;

    (void)state;
    buf_init(&text, 4096);
    usage_write(&text, counts, 0);
    usage_write(&text, counts, 2);
    CHECK_STR(buf_str(&text),
              STR("[][{\"id\":\"" A "\",\"used_at\":\"2026-11-23T08:06:19.609511Z\",\"requests\":6,"
                  "\"errors\":1},{\"id\":\"" B "\",\"used_at\":\"1970-01-01T00:00:00.000000Z\","
                  "\"requests\":1,\"errors\":0}]"),
              "none, and two");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counting),
                                       cmocka_unit_test(test_bound),
                                       cmocka_unit_test(test_writing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
