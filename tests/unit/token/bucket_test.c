#include "token/bucket.h"
#include "unit.h"

/* Each row goes on from the one before. */
static void test_course(void **state)
{
    static const struct {
        const char *says;
        uint64_t at_ms;
        unsigned takes, got, retry_s; /* of `takes` so many were given; the last refusal */
        uint32_t remaining, reset_s;
    } rows[] = {
        {"a minute's worth at once", 1000, 60, 60, 0, 0, 60},
        {"and no more", 1000, 1, 0, 1, 0, 60},
        {"nor half a second later", 1500, 1, 0, 1, 0, 60},
        {"one a second", 2000, 2, 1, 1, 0, 60},
        {"refusals cost nothing", 12000, 11, 10, 1, 0, 60},
        {"a clock that goes back gives nothing", 11000, 1, 0, 1, 0, 60},
        {"half a minute is half of it", 42000, 0, 0, 0, 30, 30},
        {"after a long time it is full, not more", 99999999, 61, 60, 1, 0, 60},
    };
    struct bucket bucket;

    (void)state;
    bucket_init(&bucket, 60, 1000);
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned got = 0, retry = 0;
        struct allowance left;

        for (unsigned n = 0; n < rows[i].takes; n++) {
            unsigned wait = bucket_take(&bucket, rows[i].at_ms);

            got += wait == 0;
            retry = wait ? wait : retry;
        }
        left = bucket_allowance(&bucket, rows[i].at_ms);
        CHECK(got == rows[i].got, rows[i].says);
        CHECK(retry == rows[i].retry_s, rows[i].says);
        CHECK(left.limit == 60 && left.remaining == rows[i].remaining, rows[i].says);
        CHECK(left.reset_s == rows[i].reset_s, rows[i].says);
    }
}

static void test_bounds(void **state)
{
    struct bucket slow, fast;

    (void)state;
    bucket_init(&slow, 1, 0);
    assert_int_equal(bucket_take(&slow, 0), 0);
    assert_int_equal(bucket_take(&slow, 0), 60);
    assert_int_equal(bucket_take(&slow, 59001), 1);
    assert_int_equal(bucket_take(&slow, 60000), 0);
    bucket_init(&fast, 1000000, 0);
    for (int i = 0; i < 1000000; i++)
        assert_int_equal(bucket_take(&fast, 0), 0);
    assert_int_equal(bucket_take(&fast, 0), 1);
    assert_int_equal(bucket_take(&fast, 1), 0);
    for (int i = 0; i < 15; i++)
        assert_int_equal(bucket_take(&fast, 1), 0);
    /* times a million that is a little more than 64 bits hold */
    assert_int_equal(bucket_allowance(&fast, UINT64_C(18446744073711)).remaining, 1000000);
    assert_int_equal(bucket_take(&fast, UINT64_MAX), 0);
    assert_int_equal(bucket_allowance(&fast, UINT64_MAX).remaining, 999999);
}

static void test_resize(void **state)
{
    struct bucket bucket;

    (void)state;
    bucket_init(&bucket, 10, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(bucket_take(&bucket, 0), 0);
    bucket_resize(&bucket, 100, 0);
    assert_int_equal(bucket_allowance(&bucket, 0).remaining, 96);
    bucket_resize(&bucket, 3, 0);
    assert_int_equal(bucket_allowance(&bucket, 0).remaining, 0);
    assert_int_equal(bucket_take(&bucket, 20000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_course), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_resize)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
