#include "pg/copy.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"

#define TEXT_OID 25
#define JSONB_VERSION 1
/* Source: PGSQL_AF_INET and PGSQL_AF_INET6, inet.h. */
#define INET_V4 2
#define INET_V6 3

void copy_add_header(struct buf *out)
{
    static const char signature[11] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', '\377', '\r', '\n', 0};

    buf_add(out, signature, sizeof(signature));
    buf_add_be32(out, 0); /* flags */
    buf_add_be32(out, 0); /* header extension */
}

void copy_add_trailer(struct buf *out)
{
    buf_add_be16(out, 0xffff);
}

void copy_begin_row(struct buf *out, uint16_t fields)
{
    buf_add_be16(out, fields);
}

void copy_add_null(struct buf *out)
{
    buf_add_be32(out, 0xffffffff);
}

void copy_add_int64(struct buf *out, int64_t v)
{
    buf_add_be32(out, 8);
    buf_add_be64(out, (uint64_t)v);
}

void copy_add_timestamptz(struct buf *out, int64_t us_since_1970)
{
    copy_add_int64(out, us_since_1970 - CLOCK_PG_EPOCH_US);
}

void copy_add_uuid(struct buf *out, const uint8_t uuid[16])
{
    buf_add_be32(out, 16);
    buf_add(out, uuid, 16);
}

bool copy_add_inet(struct buf *out, struct str address)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    bool v4;

    if (address.len == 0 || address.len >= sizeof(text))
        return false;
    memcpy(text, address.data, address.len);
    text[address.len] = '\0';
    v4 = inet_pton(AF_INET, text, bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    buf_add_be32(out, v4 ? 8 : 20);
    buf_add_char(out, v4 ? INET_V4 : INET_V6);
    buf_add_char(out, (char)(v4 ? 32 : 128)); /* bits of the netmask: one host */
    buf_add_char(out, 0);                     /* not a cidr */
    buf_add_char(out, v4 ? 4 : 16);
    buf_add(out, bytes, v4 ? 4 : 16);
    return true;
}

void copy_add_text(struct buf *out, struct str s)
{
    buf_add_be32(out, (uint32_t)s.len);
    buf_add_str(out, s);
}

size_t copy_begin_field(struct buf *out)
{
    buf_add_be32(out, 0);
    return out->len;
}

void copy_end_field(struct buf *out, size_t begun)
{
    if (buf_ok(out))
        buf_set_be32(out, begun - 4, (uint32_t)(out->len - begun));
}

size_t copy_begin_jsonb(struct buf *out)
{
    size_t begun = copy_begin_field(out);

    buf_add_char(out, JSONB_VERSION);
    return begun;
}

size_t copy_begin_text_array(struct buf *out)
{
    size_t begun = copy_begin_field(out);

    buf_add_be32(out, 1); /* dimensions */
    buf_add_be32(out, 0); /* no NULLs */
    buf_add_be32(out, TEXT_OID);
    buf_add_be32(out, 0); /* elements, set at the end */
    buf_add_be32(out, 1); /* lower bound */
    return begun;
}

void copy_end_text_array(struct buf *out, size_t begun, uint32_t elements)
{
    if (!buf_ok(out))
        return;
    if (elements == 0) { /* an empty array has no dimensions */
        buf_truncate(out, begun + 12);
        buf_set_be32(out, begun, 0);
    } else {
        buf_set_be32(out, begun + 12, elements);
    }
    copy_end_field(out, begun);
}
