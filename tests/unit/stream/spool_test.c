#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/spool.h"

static char folder[] = "/tmp/pgherald-spool-test.XXXXXX";
static struct spool *spool;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    spool = spool_new(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spool_free(spool);
    return 0;
}

/* Record `i` says so, and is so long. */
static struct str record(size_t i, size_t len, char *space)
{
    int n = snprintf(space, 32, "%zu:", i);

    memset(space + n, 'a' + (int)(i % 26), len);
    return str_from(space, (size_t)n + len);
}

static void add(size_t from, size_t to, size_t len)
{
    char *space = malloc(len + 32);

    for (size_t i = from; i < to; i++)
        if (spool_add(spool, STR("h"), record(i, len, space), &err) != OK)
            fail_msg("record %zu: %s", i, err.message);
    free(space);
}

static void expect(size_t from, size_t to, size_t len)
{
    char *space = malloc(len + 32);

    for (size_t i = from; i < to; i++) {
        struct str want = record(i, len, space), got;
        bool more;

        if (spool_next(spool, &got, &more, &err) != OK)
            fail_msg("record %zu: %s", i, err.message);
        CHECK(more, "there is a record");
        if (got.len != want.len + 1 || got.data[0] != 'h' ||
            memcmp(got.data + 1, want.data, want.len) != 0)
            fail_msg("record %zu: got %.40s", i, got.data);
    }
    free(space);
}

static void expect_end(void)
{
    for (int i = 0; i < 2; i++) {
        struct str got;
        bool more;

        assert_int_equal(spool_next(spool, &got, &more, &err), OK);
        CHECK(!more, "nothing is behind the last record");
    }
}

static void test_nothing(void **state)
{
    (void)state;
    assert_true(spool_bytes(spool) == 0);
    expect_end();
}

static const struct {
    const char *says;
    size_t count, len;
} sizes[] = {
    {"what fits into memory", 100, 10},
    {"empty records", 1000, 0},
    {"just beyond memory, so that the file is read and then memory", 3000, 100},
    {"a file of many pieces", 40000, 97},
    {"records longer than a piece", 7, 700000},
};

static void test_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        spool_free(spool);
        spool = spool_new(folder);
        add(0, sizes[i].count, sizes[i].len);
        CHECK(spool_bytes(spool) >= sizes[i].count * sizes[i].len, sizes[i].says);
        expect(0, sizes[i].count, sizes[i].len);
        expect_end();
    }
}

static void test_cut(void **state)
{
    uint64_t early, late;

    (void)state;
    add(0, 1000, 100);
    early = spool_bytes(spool);
    add(1000, 20000, 100); /* into the file */
    late = spool_bytes(spool);
    add(20000, 20100, 100);
    assert_int_equal(spool_cut(spool, late, &err), OK); /* what is still in memory */
    assert_true(spool_bytes(spool) == late);
    assert_int_equal(spool_cut(spool, early, &err), OK); /* what is in the file */
    assert_true(spool_bytes(spool) == early);
    add(1000, 9000, 100);
    expect(0, 9000, 100);
    expect_end();
}

static void test_cut_to_nothing(void **state)
{
    (void)state;
    add(0, 20000, 100);
    assert_int_equal(spool_cut(spool, 0, &err), OK);
    add(5, 10, 100);
    expect(5, 10, 100);
    expect_end();
}

/* Nobody can open it, and nothing is left of it. */
static void test_no_name(void **state)
{
    (void)state;
    add(0, 20000, 100);
    assert_int_equal(rmdir(folder), 0); /* it is empty */
    assert_int_equal(mkdir(folder, 0700), 0);
    expect(0, 20000, 100);
}

static void test_no_folder(void **state)
{
    struct spool *lost = spool_new("/nowhere");
    struct str large = str_from(calloc(1, SPOOL_MEMORY), SPOOL_MEMORY);

    (void)state;
    assert_int_equal(spool_try(folder, &err), OK);
    assert_int_equal(spool_try("/nowhere", &err), FAILED);
    CHECK_STR(str_c(err.message),
              STR("spool_directory: no file can be made in /nowhere: No such file or directory"),
              "the setting is named");
    assert_int_equal(spool_add(lost, STR("h"), STR("small"), &err), OK);
    assert_int_equal(spool_add(lost, STR("h"), large, &err), FAILED);
    spool_free(lost);
    free((void *)(uintptr_t)large.data);
}

static void test_full(void **state)
{
    const struct rlimit small = {1 << 20, RLIM_INFINITY};
    struct rlimit was;
    struct str text;
    enum result result = OK;

    (void)state;
    getrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    text =
        STR("a record that is long enough to fill a file in a while, if it comes again and again");
    for (int i = 0; i < 100000 && result == OK; i++)
        result = spool_add(spool, STR("h"), text, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(result, FAILED);
    CHECK(strstr(err.message, "cannot write") && strstr(err.message, "File too large"),
          err.message);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(test_nothing), TEST(test_in_order),  TEST(test_cut),  TEST(test_cut_to_nothing),
        TEST(test_no_name), TEST(test_no_folder), TEST(test_full),
    };

    return cmocka_run_group_tests_name("stream/spool", tests, make_folder, remove_folder);
}
