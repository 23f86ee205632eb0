#include "cli/moment.h"

#include <stdio.h>

#include "base/clock.h"

#define US_PER_SECOND UINT64_C(1000000)
#define LONGEST_S (UINT64_C(100) * 366 * 24 * 3600)

static const struct {
    struct str name;
    uint64_t seconds;
} units[] = {{STR("s"), 1},
             {STR("min"), 60},
             {STR("h"), 3600},
             {STR("d"), 24 * 3600u},
             {STR("w"), 7 * 24 * 3600u}};

static bool read_span(struct str text, int64_t *us)
{
    struct str number = str_from(text.data, 0), unit;
    uint64_t count, seconds;

    while (number.len < text.len && text.data[number.len] >= '0' && text.data[number.len] <= '9')
        number.len++;
    unit = str_from(text.data + number.len, text.len - number.len);
    if (!str_to_u64(number, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (!str_eq(unit, units[i].name) && !(count == 0 && unit.len == 0))
            continue;
        if (__builtin_mul_overflow(count, units[i].seconds, &seconds) || seconds > LONGEST_S)
            return false;
        *us = (int64_t)(seconds * US_PER_SECOND);
        return true;
    }
    return false;
}

/* clock_parse() wants all of it, so what was left out is put behind the text. */
static bool read_time(struct str text, int64_t *us)
{
    static const char *const rests[] = {"", "Z", ":00Z", "T00:00:00Z"};
    char whole[MOMENT_TEXT + 16];

    if (text.len >= MOMENT_TEXT)
        return false;
    for (size_t i = 0; i < sizeof(rests) / sizeof(*rests); i++) {
        snprintf(whole, sizeof(whole), "%.*s%s", STR_ARG(text), rests[i]);
        if (clock_parse(str_c(whole), us))
            return true;
    }
    return false;
}

enum result moment_parse(struct str text, int64_t now_us, int64_t *us, struct err *err)
{
    int64_t span;

    text = str_trim(text);
    if (read_span(text, &span)) {
        *us = now_us - span;
        return OK;
    }
    if (read_time(text, us))
        return OK;
    return err_set(err,
                   "\"%.*s\" is no time: give one like 2026-11-23, 2026-11-23T10:00:00Z, or a span "
                   "back from now like 90s, 15min, 2h, 7d, 1w",
                   STR_ARG(str_from(text.data, text.len < MOMENT_TEXT ? text.len : MOMENT_TEXT)));
}

enum result moment_parse_span(struct str text, int64_t *us, struct err *err)
{
    text = str_trim(text);
    if (read_span(text, us))
        return OK;
    return err_set(err, "\"%.*s\" is no span of time: give one like 90s, 15min, 24h, 7d, 1w, or 0",
                   STR_ARG(str_from(text.data, text.len < MOMENT_TEXT ? text.len : MOMENT_TEXT)));
}
