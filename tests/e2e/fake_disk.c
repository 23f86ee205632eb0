/* A disk that is full when a test wants it: put in front of libc with LD_PRELOAD, it refuses to let
 * files grow whose path contains a line of the file $FAKE_FULL. Without that file nothing is
 * refused. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_full(int fd, off_t end)
{
    const char *list = getenv("FAKE_FULL");
    FILE *file = list ? fopen(list, "r") : NULL;
    char link[64], path[512], line[512];
    struct stat now;
    ssize_t len;
    int full = 0;

    if (!file)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = 0;
    if (fstat(fd, &now) == 0 && end > now.st_size)
        while (!full && fgets(line, sizeof(line), file)) {
            line[strcspn(line, "\n")] = 0;
            full = *line && strstr(path, line);
        }
    fclose(file);
    return full;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");

    if (is_full(fd, at + (off_t)len)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, data, len, at);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
    int (*real)(int, off_t, off_t) =
        (int (*)(int, off_t, off_t))dlsym(RTLD_NEXT, "posix_fallocate");

    return is_full(fd, at + len) ? ENOSPC : real(fd, at, len);
}
