#include "realtime/key_row.h"

#include <string.h>

#include "base/encode.h"

static bool read_hash(struct str base64, uint8_t out[KEY_HASH_BYTES])
{
    struct buf bytes;
    bool sane;

    buf_init(&bytes, KEY_HASH_BYTES);
    sane = base64_decode(&bytes, base64) && buf_ok(&bytes) && bytes.len == KEY_HASH_BYTES;
    if (sane)
        memcpy(out, bytes.data, KEY_HASH_BYTES);
    buf_fini(&bytes);
    return sane;
}

bool key_row_read(const struct pg_result *result, size_t row, struct key_row *out)
{
    uint64_t per_minute, ends = KEY_FOREVER;

    *out = (struct key_row){.id = pg_result_value(result, row, 0),
                            .user_id = pg_result_value(result, row, 1),
                            .name = pg_result_value(result, row, 2),
                            .scopes = pg_result_value(result, row, 4)};
    if (!read_hash(pg_result_value(result, row, 3), out->hash) ||
        !str_to_u64(pg_result_value(result, row, 5), &per_minute) || per_minute > UINT32_MAX ||
        (!pg_result_is_null(result, row, 6) && !str_to_u64(pg_result_value(result, row, 6), &ends)))
        return false;
    out->per_minute = (uint32_t)per_minute;
    out->expires = (int64_t)ends;
    return true;
}
