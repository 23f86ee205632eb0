#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* One byte more than fits, to see whether the file ends there. */
static enum result read_all(int fd, struct buf *out, bool *fits)
{
    ssize_t got = 1;
    char more;

    while (got > 0 && out->len < out->max) {
        got = read(fd, out->data + out->len, out->max - out->len);
        if (got > 0)
            out->len += (size_t)got;
    }
    out->data[out->len] = '\0';
    if (got > 0)
        got = read(fd, &more, 1);
    *fits = got <= 0;
    return got < 0 ? FAILED : OK;
}

enum result file_read(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum result result;
    bool fits;

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (!buf_reserve(out, out->max - out->len)) {
        close(fd);
        return err_set(err, "no memory for %s", path);
    }
    result = read_all(fd, out, &fits);
    if (result != OK)
        err_set_errno(err, errno, "cannot read %s", path);
    else if (!fits)
        result = err_set(err, "%s is longer than %zu bytes", path, out->max);
    close(fd);
    return result;
}
