/* A growable byte buffer with a maximum that is set when it is made.
 *
 * Appending never fails loudly: once the maximum is exceeded the buffer is marked failed, ignores what follows, and buf_ok() says so. Callers append freely and check once.
 * The contents always have a NUL behind them that `len` does not count. */
#ifndef PGHERALD_BASE_BUF_H
#define PGHERALD_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Overwrites what it holds and frees it. Growing leaves copies behind, so reserve first. */
void buf_wipe(struct buf *b);
void buf_clear(struct buf *b);               /* empties, keeps the memory, forgets a failure */
void buf_shrink(struct buf *b, size_t keep); /* as buf_clear, and gives back memory above `keep` */
void buf_truncate(struct buf *b, size_t len);

static inline bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->data ? b->data : "", b->len};
}

/* Makes room for `extra` more bytes; false (and failed) if that exceeds the maximum. */
bool buf_reserve(struct buf *b, size_t extra);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_c(struct buf *b, const char *nul_terminated);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_add_i64(struct buf *b, int64_t v);  /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Big-endian integers, as PostgreSQL's wire formats want them. */
void buf_add_be16(struct buf *b, uint16_t v);
void buf_add_be32(struct buf *b, uint32_t v);
void buf_add_be64(struct buf *b, uint64_t v);
/* Overwrites four bytes at `at`, which must have been appended before. */
void buf_set_be32(struct buf *b, size_t at, uint32_t v);

/* Moves the bytes out: the caller frees them; the buffer is empty and usable again. */
char *buf_take(struct buf *b, size_t *len);

#endif
