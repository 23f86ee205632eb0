#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#define MAX 10000

/* A file of so many bytes is read into a buffer of MAX. */
static enum result read_file_of(size_t bytes, struct buf *out, struct err *err)
{
    char path[] = "/tmp/pgherald-file-XXXXXX", *content = malloc(bytes + 1);
    int fd = mkstemp(path);
    enum result result;

    memset(content, 'x', bytes);
    assert_int_equal(write(fd, content, bytes), bytes);
    close(fd);
    result = file_read(path, out, err);
    if (result != OK)
        assert_non_null(strstr(err->message, path));
    unlink(path);
    free(content);
    return result;
}

static void reads_whole_files(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, MAX - 1, MAX};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buf out;

        buf_init(&out, MAX);
        assert_int_equal(read_file_of(sizes[i], &out, &err), OK);
        assert_int_equal(out.len, sizes[i]);
        buf_fini(&out);
    }
}

static void refuses_what_does_not_fit(void **state)
{
    static const size_t sizes[] = {MAX + 1, 5 * MAX};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buf out;

        buf_init(&out, MAX);
        assert_int_equal(read_file_of(sizes[i], &out, &err), FAILED);
        assert_non_null(strstr(err.message, "longer than 10000 bytes"));
        buf_fini(&out);
    }
}

static void says_why(void **state)
{
    struct buf out;
    struct err err;

    (void)state;
    buf_init(&out, MAX);
    assert_int_equal(file_read("/nonexistent/file", &out, &err), FAILED);
    assert_string_equal(err.message, "cannot open /nonexistent/file: No such file or directory");
    assert_int_equal(file_read("/tmp", &out, &err), FAILED);
    assert_string_equal(err.message, "cannot read /tmp: Is a directory");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(says_why),
    };

    return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
