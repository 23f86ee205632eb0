#include "base/lsn.h"

#include <inttypes.h>
#include <stdio.h>

static bool hex32(struct str s, uint32_t *out)
{
    uint32_t v = 0;

    if (s.len == 0 || s.len > 8)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

bool lsn_parse(struct str s, lsn_t *out)
{
    struct str high_text, low_text;
    uint32_t high, low;

    if (!str_split(s, '/', &high_text, &low_text) || !hex32(high_text, &high) ||
        !hex32(low_text, &low))
        return false;
    *out = (lsn_t)high << 32 | low;
    return true;
}

const char *lsn_format(lsn_t lsn, char out[LSN_TEXT])
{
    snprintf(out, LSN_TEXT, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
    return out;
}
