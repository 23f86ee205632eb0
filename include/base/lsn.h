/* Log sequence numbers: positions in the WAL, printed as X/X. Source: pg_lsn.c. */
#ifndef PGHERALD_BASE_LSN_H
#define PGHERALD_BASE_LSN_H

#include "base/str.h"

#define LSN_TEXT 18 /* "FFFFFFFF/FFFFFFFF" and NUL */

typedef uint64_t lsn_t; /* 0 is "none", as InvalidXLogRecPtr */

bool lsn_parse(struct str s, lsn_t *out);
const char *lsn_format(lsn_t lsn, char out[LSN_TEXT]); /* returns out */

#endif
