#include "base/mem.h"
#include "unit.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/memory.h"

#define MORE_THAN_THERE_IS (SIZE_MAX / 4)

/* The address sanitizer ends a program that asks for so much, unless it is told otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void block(void)
{
    mem_block(MORE_THAN_THERE_IS);
}

static void zeroed(void)
{
    mem_alloc(MORE_THAN_THERE_IS);
}

static void array(void)
{
    mem_array(MORE_THAN_THERE_IS, 8);
}

static void array_beyond_numbers(void)
{
    mem_grow(NULL, SIZE_MAX, 2);
}

static void buffer(void)
{
    struct buf b;

    buf_init(&b, SIZE_MAX / 2);
    buf_reserve(&b, MORE_THAN_THERE_IS);
}

static void json(void)
{
    json_t *text = json_stringn_nocheck("", 0);
    json_malloc_t allocate;
    json_free_t release;

    json_get_alloc_funcs(&allocate, &release);
    json_decref(text);
    allocate(MORE_THAN_THERE_IS);
}

static void openssl(void)
{
    OPENSSL_malloc(MORE_THAN_THERE_IS);
}

/* Runs it in a process of its own; what that says goes to `said`. */
static int end_of(void (*ask)(void), char *said, size_t size)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        ask();
        _exit(0);
    }
    close(ends[1]);
    while (len + 1 < size && (got = read(ends[0], said + len, size - 1 - len)) > 0)
        len += (size_t)got;
    said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_no_memory(void **state)
{
    static const struct {
        const char *says;
        void (*ask)(void);
    } rows[] = {
        {"a block", block},
        {"zeroed memory", zeroed},
        {"an array", array},
        {"an array of more bytes than a number counts", array_beyond_numbers},
        {"a buffer within its maximum", buffer},
        {"what jansson asks for", json},
        {"what OpenSSL asks for", openssl},
    };
    static char said[65536]; /* a sanitizer has much to say */

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int code = end_of(rows[i].ask, said, sizeof(said));

        if (code != EX_OSERR)
            fail_msg("%s: it ended with %d: %s", rows[i].says, code, said);
        if (!strstr(said, "pgherald: out of memory; whatever is not checkpointed will be read "
                          "again at the next start\n"))
            fail_msg("%s: it said: %s", rows[i].says, said);
    }
}

static void test_no_bytes(void **state)
{
    (void)state;
    free(mem_alloc(0));
    free(mem_block(0));
    free(mem_array(0, 8));
    free(mem_grow(NULL, 0, 8));
    assert_null(mem_strdup(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_no_bytes)};

    memory_of_libraries();
    return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
