#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#define OVER "\r\033[K" /* to the start of the line, and erase it (ECMA-48: EL) */

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

void progress_write(struct buf *out, const char *name, unsigned percent, const char *message)
{
    size_t columns = 0;
    struct buf line;

    buf_init(&line, 64 * 1024);
    buf_addf(&line, "%s  %3u %%  %s", name, percent, message);
    buf_add_c(out, OVER);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];

        if (begins_character(line.data[i]) && columns++ == PROGRESS_WIDTH)
            break;
        buf_add_char(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    buf_fini(&line);
}

static void show(struct buf *out)
{
    fwrite(buf_str(out).data, 1, out->len, stderr);
    fflush(stderr);
}

void progress_show(const char *name, unsigned percent, const char *message)
{
    struct buf out;

    if (!isatty(STDERR_FILENO))
        return;
    buf_init(&out, 1024);
    progress_write(&out, name, percent, message);
    show(&out);
    buf_fini(&out);
}

void progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs(OVER, stderr);
}
