/* Small files, read whole. */
#ifndef PGHERALD_BASE_FILE_H
#define PGHERALD_BASE_FILE_H

#include "base/buf.h"

/* Appends what the file holds; a file that does not fit in out->max is an error, like one that
 * cannot be read. err names the file. All of the maximum is reserved at once, since growing would
 * leave copies of secrets behind. */
enum result file_read(const char *path, struct buf *out, struct err *err) MUST_CHECK;

#endif
