/* Records of a transaction in progress, kept until it is known whether it commits. What does not
 * fit into the memory of one is in a file without a name, so that nobody else opens it, and that is
 * gone with the process.
 *
 * First records are added (and cut off again), then they are read, once. Files are written by the
 * calling thread: what the page cache takes does not block, a disk that is overwhelmed does. */
#ifndef PGHERALD_STREAM_SPOOL_H
#define PGHERALD_STREAM_SPOOL_H

#include "base/buf.h"
#include "base/err.h"

#define SPOOL_MEMORY ((size_t)256 << 10) /* beyond that what is there goes to the file */

struct spool;

struct spool *spool_new(const char *directory); /* borrowed */
void spool_free(struct spool *spool);           /* NULL is fine */

/* One record of the two parts. After a failure the spool can only be freed. */
enum result spool_add(struct spool *spool, struct str head, struct str rest,
                      struct err *err) MUST_CHECK;

/* With the records' lengths. */
uint64_t spool_bytes(const struct spool *spool);

/* Drops what was added since spool_bytes() was `bytes`. */
enum result spool_cut(struct spool *spool, uint64_t bytes, struct err *err) MUST_CHECK;

/* The next record, valid until the next call; *more is false behind the last one. */
enum result spool_next(struct spool *spool, struct str *record, bool *more,
                       struct err *err) MUST_CHECK;

/* Whether a file can be made in the directory. */
enum result spool_try(const char *directory, struct err *err) MUST_CHECK;

#endif
