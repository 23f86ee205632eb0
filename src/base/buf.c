#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAPACITY 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_fini(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (b->cap > keep)
        buf_fini(b);
    else
        buf_clear(b);
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len < b->len) {
        b->len = len;
        b->data[len] = '\0';
    }
}

bool buf_reserve(struct buf *b, size_t extra)
{
    size_t need, cap;

    if (b->failed || extra > b->max || b->len > b->max - extra) {
        b->failed = true;
        return false;
    }
    need = b->len + extra + 1;
    if (need <= b->cap)
        return true;
    cap = b->cap ? b->cap : FIRST_CAPACITY;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap - 1 > b->max)
        cap = b->max + 1;
    b->data = mem_grow(b->data, cap, 1);
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (!buf_reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.data, s.len);
}

void buf_add_c(struct buf *b, const char *nul_terminated)
{
    buf_add(b, nul_terminated, strlen(nul_terminated));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    if (len < 0)
        b->failed = true;
    else if (buf_reserve(b, (size_t)len)) {
        vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
    va_end(ap);
}

void buf_add_be16(struct buf *b, uint16_t v)
{
    uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

    buf_add(b, bytes, sizeof(bytes));
}

static void put_be32(uint8_t *bytes, uint32_t v)
{
    bytes[0] = (uint8_t)(v >> 24);
    bytes[1] = (uint8_t)(v >> 16);
    bytes[2] = (uint8_t)(v >> 8);
    bytes[3] = (uint8_t)v;
}

void buf_add_be32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4];

    put_be32(bytes, v);
    buf_add(b, bytes, sizeof(bytes));
}

void buf_add_be64(struct buf *b, uint64_t v)
{
    uint8_t bytes[8];

    put_be32(bytes, (uint32_t)(v >> 32));
    put_be32(bytes + 4, (uint32_t)v);
    buf_add(b, bytes, sizeof(bytes));
}

void buf_set_be32(struct buf *b, size_t at, uint32_t v)
{
    if (!b->failed && b->len >= 4 && at <= b->len - 4)
        put_be32((uint8_t *)b->data + at, v);
}

char *buf_take(struct buf *b, size_t *len)
{
    char *data;

    if (!b->data)
        buf_reserve(b, 0);
    data = b->data;
    if (!data)
        return NULL;
    data[b->len] = '\0';
    if (len)
        *len = b->len;
    *b = (struct buf){.max = b->max};
    return data;
}
