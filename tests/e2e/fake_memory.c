/* Memory that cannot be had when a test wants it: put in front of libc with LD_PRELOAD, one of so
 * many allocations fails. How many, and whose, stands in the file $FAKE_MEMORY, two int64; without
 * it none fails. The file is mapped, so that looking costs nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum whose { EVERYBODYS, LIBRARIES };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static const volatile struct wanted {
    int64_t one_in; /* 0: none */
    int64_t whose;
} * wanted; /* NULL: nobody has asked for failures */

static uintptr_t program_start, program_end;

static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    program_start = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            program_end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    return 1; /* the first is the program */
}

__attribute__((constructor)) static void look(void)
{
    const char *path = getenv("FAKE_MEMORY");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map;

    if (fd < 0)
        return;
    dl_iterate_phdr(find_program, NULL);
    map = mmap(NULL, sizeof(*wanted), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        wanted = map;
}

static int is_meant(const void *caller)
{
    int ours = (uintptr_t)caller >= program_start && (uintptr_t)caller < program_end;

    return wanted->whose == EVERYBODYS || !ours;
}

/* xorshift; two threads that disturb each other make it no less random. */
static int fails(const void *caller)
{
    static uint64_t state = 0;
    int64_t one_in = wanted ? wanted->one_in : 0;

    if (one_in <= 0 || !is_meant(caller))
        return 0;
    if (state == 0)
        state = (uint64_t)getpid() * 0x9E3779B97F4A7C15U + 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if (state % (uint64_t)one_in != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
