#include "stream/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define LENGTH_BYTES 4
#define MAX_RECORD ((size_t)1 << 30) /* PostgreSQL's own maximum of a message */

struct spool {
    const char *directory;
    uint64_t bytes;   /* of all records, also of those that were read */
    int fd;           /* -1: all is in `tail` */
    uint64_t written; /* bytes in the file: whole records */
    struct buf tail;  /* the records behind them */

    /* reading */
    uint64_t taken;    /* bytes of the file that have been in the window */
    struct buf window; /* of the file, then the tail */
    size_t at;         /* in the window */
};

struct spool *spool_new(const char *directory)
{
    struct spool *spool = mem_alloc(sizeof(*spool));

    spool->directory = directory;
    spool->fd = -1;
    buf_init(&spool->tail, MAX_RECORD + SPOOL_MEMORY);
    buf_init(&spool->window, MAX_RECORD + SPOOL_MEMORY);
    return spool;
}

void spool_free(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    buf_fini(&spool->tail);
    buf_fini(&spool->window);
    free(spool);
}

/* Without a name; -1 if it cannot be made. */
static int open_file(const char *directory, struct err *err)
{
    struct buf path;
    int fd;

    buf_init(&path, 4096);
    buf_addf(&path, "%s/pgherald-spool.XXXXXX", directory);
    fd = buf_ok(&path) ? mkstemp(path.data) : -1;
    if (fd < 0) {
        err_set_errno(err, buf_ok(&path) ? errno : ENAMETOOLONG,
                      "spool_directory: no file can be made in %s", directory);
    } else if (unlink(path.data) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        err_set_errno(err, errno, "spool_directory: %s", path.data);
        close(fd);
        fd = -1;
    }
    buf_fini(&path);
    return fd;
}

enum result spool_try(const char *directory, struct err *err)
{
    int fd = open_file(directory, err);

    if (fd < 0)
        return FAILED;
    close(fd);
    return OK;
}

/* Adding */

static enum result write_file(struct spool *spool, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t put = pwrite(spool->fd, bytes.data, bytes.len, (off_t)spool->written);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set_errno(err, errno,
                                 "spool_directory: cannot write %zu bytes behind %llu in %s",
                                 bytes.len, (unsigned long long)spool->written, spool->directory);
        spool->written += (uint64_t)put;
        bytes = str_from(bytes.data + put, bytes.len - (size_t)put);
    }
    return OK;
}

static enum result spill(struct spool *spool, struct err *err)
{
    if (spool->fd < 0 && (spool->fd = open_file(spool->directory, err)) < 0)
        return FAILED;
    if (write_file(spool, buf_str(&spool->tail), err) != OK)
        return FAILED;
    buf_shrink(&spool->tail, 2 * SPOOL_MEMORY);
    return OK;
}

enum result spool_add(struct spool *spool, struct str head, struct str rest, struct err *err)
{
    buf_add_be32(&spool->tail, (uint32_t)(head.len + rest.len));
    buf_add_str(&spool->tail, head);
    buf_add_str(&spool->tail, rest);
    spool->bytes += LENGTH_BYTES + head.len + rest.len;
    if (!buf_ok(&spool->tail))
        return err_set(err, "no memory for a message of %zu bytes", head.len + rest.len);
    return spool->tail.len > SPOOL_MEMORY ? spill(spool, err) : OK;
}

uint64_t spool_bytes(const struct spool *spool)
{
    return spool->bytes;
}

enum result spool_cut(struct spool *spool, uint64_t bytes, struct err *err)
{
    spool->bytes = bytes;
    if (bytes >= spool->written) {
        buf_truncate(&spool->tail, (size_t)(bytes - spool->written));
        return OK;
    }
    buf_clear(&spool->tail);
    spool->written = bytes;
    if (ftruncate(spool->fd, (off_t)bytes) != 0) /* gives the disk back */
        return err_set_errno(err, errno, "spool_directory: cannot cut a file in %s",
                             spool->directory);
    return OK;
}

/* Reading */

static enum result read_file(struct spool *spool, size_t wanted, struct err *err)
{
    struct buf *window = &spool->window;

    while (wanted > 0) {
        ssize_t got = pread(spool->fd, window->data + window->len, wanted, (off_t)spool->taken);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set_errno(err, got < 0 ? errno : EIO,
                                 "spool_directory: cannot read a file in %s", spool->directory);
        window->len += (size_t)got;
        spool->taken += (uint64_t)got;
        wanted -= (size_t)got;
    }
    return OK;
}

/* Has at least `bytes` behind `at`; the file and the tail hold whole records, so that a record
 * never lies in both. */
static enum result fill(struct spool *spool, size_t bytes, struct err *err)
{
    struct buf *window = &spool->window;
    uint64_t in_file = spool->written - spool->taken;
    size_t left = window->len - spool->at, wanted;

    if (left >= bytes)
        return OK;
    if (left > 0)
        memmove(window->data, window->data + spool->at, left);
    window->len = left;
    spool->at = 0;
    wanted = bytes - left > SPOOL_MEMORY ? bytes - left : SPOOL_MEMORY;
    if (wanted > in_file)
        wanted = (size_t)in_file;
    if (left + wanted < bytes)
        return err_set(err, "a spool ends inside a record");
    if (!buf_reserve(window, wanted))
        return err_set(err, "no memory for a message of %zu bytes", bytes);
    return read_file(spool, wanted, err);
}

static void take_tail(struct spool *spool)
{
    buf_fini(&spool->window);
    spool->window = spool->tail;
    buf_init(&spool->tail, 0);
    spool->at = 0;
}

static uint32_t read_length(const char *p)
{
    uint32_t length = 0;

    for (int i = 0; i < LENGTH_BYTES; i++)
        length = length << 8 | (unsigned char)p[i];
    return length;
}

enum result spool_next(struct spool *spool, struct str *record, bool *more, struct err *err)
{
    size_t length;

    if (spool->at == spool->window.len && spool->taken == spool->written)
        take_tail(spool);
    *more = spool->at < spool->window.len || spool->taken < spool->written;
    if (!*more)
        return OK;
    if (fill(spool, LENGTH_BYTES, err) != OK)
        return FAILED;
    length = read_length(spool->window.data + spool->at);
    if (fill(spool, LENGTH_BYTES + length, err) != OK)
        return FAILED;
    *record = str_from(spool->window.data + spool->at + LENGTH_BYTES, length);
    spool->at += LENGTH_BYTES + length;
    return OK;
}
