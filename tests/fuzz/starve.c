/* Runs a fuzz target over files, each again and again, and lets another one of its allocations fail
 * each time: the process has to end then and there, with the code of mem.h, and neither crash nor
 * go on. Each run is a process of its own. Linked with --wrap for malloc() and its kin, which are
 * ours alone: what libraries allocate comes through cli/memory.c, or is not looked at. */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/memory.h"

#define MOST_RUNS 40 /* of a file, evenly spread over its allocations */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static unsigned *allocations; /* of the child; shared */
static unsigned failing;      /* which of them; 0: none */

static bool fails(void)
{
    return allocations && ++*allocations == failing;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* How it ended: the exit code, or below 0 the signal. */
static int run(unsigned which, const uint8_t *data, size_t size)
{
    pid_t child;
    int status;

    *allocations = 0;
    child = fork();
    if (child == 0) {
        int silent = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (which)
            dup2(silent, STDERR_FILENO);
        failing = which;
        LLVMFuzzerTestOneInput(data, size);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* `before`: allocations that every run begins with, whatever its input; they are left alone. */
static bool starve(const char *path, const uint8_t *data, size_t size, unsigned before)
{
    int code = run(0, data, size);
    unsigned count = *allocations, first = count > before ? before + 1 : 1;
    unsigned step = (count - first) / MOST_RUNS + 1;

    if (code != 0) {
        fprintf(stderr, "%s: it ended with %d with all the memory it asked for\n", path, code);
        return false;
    }
    for (unsigned which = first; which <= count; which += step) {
        code = run(which, data, size);
        if (code == EX_OSERR || (code == 0 && *allocations < which)) /* it came to fewer */
            continue;
        fprintf(stderr, "%s: it ended with %d without allocation %u of %u\n", path, code, which,
                count);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static uint8_t data[1 << 16];
    unsigned before;
    int failed = 0;

    memory_of_libraries();
    allocations =
        mmap(NULL, sizeof(*allocations), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (allocations == MAP_FAILED)
        return EX_OSERR;
    (void)run(0, data, 0);
    before = *allocations;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t size = file ? fread(data, 1, sizeof(data), file) : 0;

        if (file)
            fclose(file);
        failed += !starve(argv[i], data, size, before);
    }
    printf("%d passed, %d failed\n", argc - 1 - failed, failed);
    return failed > 0;
}
