#include "unit.h"

#include "base/buf.h"

static void appends(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    CHECK_STR(buf_str(&b), STR(""), "a new buffer is empty and has no memory yet");
    buf_add(&b, "ab\0c", 4);
    buf_add(&b, NULL, 0);
    buf_add_str(&b, STR("-"));
    buf_add_c(&b, "x");
    buf_add_char(&b, 'y');
    CHECK_STR(buf_str(&b), str_from("ab\0c-xy", 7), "bytes pass, NUL too");
    assert_int_equal(b.data[b.len], 0);
    buf_truncate(&b, 2);
    buf_truncate(&b, 5);
    CHECK_STR(buf_str(&b), STR("ab"), "truncate never lengthens");
    buf_addf(&b, "%s=%d", "n", 5);
    CHECK_STR(buf_str(&b), STR("abn=5"), "formatted text");
    assert_true(buf_ok(&b));
    buf_fini(&b);
}

static void writes_numbers(void **state)
{
    static const struct row {
        const char *says;
        int64_t value;
        const char *text;
    } rows[] = {
        {"zero", 0, "0"},
        {"negative", -12, "-12"},
        {"the largest", INT64_MAX, "9223372036854775807"},
        {"the smallest", INT64_MIN, "-9223372036854775808"},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    for
        EACH(struct row, r, rows)
        {
            buf_clear(&b);
            buf_add_i64(&b, r->value);
            CHECK_STR(buf_str(&b), str_c(r->text), r->says);
        }
    buf_clear(&b);
    buf_add_u64(&b, UINT64_MAX);
    CHECK_STR(buf_str(&b), STR("18446744073709551615"), "unsigned");
    buf_fini(&b);
}

static void writes_big_endian(void **state)
{
    static const uint8_t want[] = {1, 2, 0xfe, 0xfd, 0xfc, 0xfb, 1, 2, 3, 4, 5, 6, 7, 8};
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_add_be16(&b, 0x0102);
    buf_add_be32(&b, 0);
    buf_add_be64(&b, UINT64_C(0x0102030405060708));
    buf_set_be32(&b, 2, 0xfefdfcfb);
    buf_set_be32(&b, 11, 0); /* would reach beyond the end */
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    buf_fini(&b);
}

static void keeps_its_maximum(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    buf_add(&b, "abcd", 4);
    CHECK(buf_ok(&b), "the maximum itself fits");
    buf_add_char(&b, 'e');
    CHECK(!buf_ok(&b), "one more does not");
    buf_truncate(&b, 0);
    buf_add_char(&b, 'f');
    CHECK_STR(buf_str(&b), STR(""), "a failed buffer ignores what follows");
    buf_clear(&b);
    buf_addf(&b, "%s", "abcde");
    CHECK(!buf_ok(&b) && b.len == 0, "formatted text that does not fit leaves nothing");
    buf_clear(&b);
    buf_add_c(&b, "ok");
    CHECK_STR(buf_str(&b), STR("ok"), "clear forgets the failure");
    CHECK(!buf_reserve(&b, SIZE_MAX), "no overflow");
    buf_fini(&b);

    buf_init(&b, 0);
    buf_add(&b, "", 0);
    CHECK(buf_ok(&b), "a maximum of 0 takes nothing");
    buf_add_char(&b, 'a');
    CHECK(!buf_ok(&b), "and not more");
    buf_fini(&b);

    buf_init(&b, SIZE_MAX);
    buf_add_c(&b, "abc");
    CHECK_STR(buf_str(&b), STR("abc"), "no maximum at all");
    buf_fini(&b);
}

static void gives_memory_back(void **state)
{
    struct buf b;
    size_t len;
    char *taken;

    (void)state;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        buf_add_char(&b, 'a');
    CHECK(b.cap > 10000, "it grew");
    buf_shrink(&b, 1000);
    CHECK(b.cap == 0 && b.len == 0, "memory above the limit is given back");
    buf_add_c(&b, "abc");
    buf_shrink(&b, 1000);
    CHECK(b.cap > 0 && b.len == 0, "memory below it is kept");
    buf_add_c(&b, "abc");
    taken = buf_take(&b, &len);
    assert_string_equal(taken, "abc");
    assert_int_equal(len, 3);
    free(taken);
    taken = buf_take(&b, NULL);
    assert_string_equal(taken, "");
    free(taken);
    buf_add_c(&b, "abc");
    buf_wipe(&b);
    CHECK(b.cap == 0 && b.len == 0, "a wiped buffer holds nothing");
    buf_wipe(&b);
    buf_add_c(&b, "again");
    CHECK_STR(buf_str(&b), STR("again"), "and can be used again");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),           cmocka_unit_test(writes_numbers),
        cmocka_unit_test(writes_big_endian), cmocka_unit_test(keeps_its_maximum),
        cmocka_unit_test(gives_memory_back),
    };

    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
