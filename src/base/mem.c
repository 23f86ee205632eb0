#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static void *or_exit(void *p)
{
    static const char message[] = "pgherald: out of memory; whatever is not checkpointed will be "
                                  "read again at the next start\n";

    if (!p) {
        ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

        (void)ignored;
        _exit(EX_OSERR);
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return or_exit(calloc(1, size ? size : 1));
}

void *mem_block(size_t size)
{
    return or_exit(malloc(size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    return or_exit(calloc(count ? count : 1, size));
}

void *mem_grow(void *old, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return or_exit(NULL);
    return or_exit(realloc(old, total > 0 ? total : 1));
}

char *mem_strdup(const char *s)
{
    return s ? or_exit(strdup(s)) : NULL;
}
