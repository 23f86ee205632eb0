/* The line that a command rewrites while it works. */
#ifndef PGHERALD_CLI_PROGRESS_H
#define PGHERALD_CLI_PROGRESS_H

#include "base/buf.h"

#define PROGRESS_WIDTH 79 /* columns: a line that wraps could not be rewritten */

/* Appends the line over the one before: `name   40 %  message`, cut to the width. Control
 * characters are shown as "?". */
void progress_write(struct buf *out, const char *name, unsigned percent, const char *message);

/* To stderr if that is a terminal; nothing otherwise. */
void progress_show(const char *name, unsigned percent, const char *message);
void progress_clear(void); /* takes the line away */

#endif
