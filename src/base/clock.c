#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)

int64_t clock_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Days since 1970-01-01 of a Gregorian date; Howard Hinnant's days_from_civil. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t era;
    unsigned year_of_era, day_of_year, day_of_era;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = (unsigned)(year - era * 400);
    day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static bool digits(struct str *s, size_t count, unsigned *out)
{
    unsigned v = 0;

    if (s->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned char)s->data[i] - '0';

        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    s->data += count;
    s->len -= count;
    *out = v;
    return true;
}

static bool skip(struct str *s, char c)
{
    if (s->len == 0 || s->data[0] != c)
        return false;
    s->data++;
    s->len--;
    return true;
}

/* Rounded to microseconds, so up to 1000000. */
static void parse_fraction(struct str *s, unsigned *us)
{
    unsigned scale = 100000;
    bool rounded = false;

    *us = 0;
    if (!skip(s, '.'))
        return;
    for (; s->len > 0 && s->data[0] >= '0' && s->data[0] <= '9'; s->data++, s->len--) {
        if (scale == 0 && !rounded) {
            *us += s->data[0] >= '5';
            rounded = true;
        }
        *us += (unsigned)(s->data[0] - '0') * scale;
        scale /= 10;
    }
}

/* `Z`, `+HH`, `+HH:MM` or `+HH:MM:SS`, as seconds east of UTC. */
static bool parse_zone(struct str *s, int *seconds)
{
    unsigned hours, minutes = 0, rest = 0;
    int sign = 1;

    if (skip(s, 'Z')) {
        *seconds = 0;
        return true;
    }
    if (skip(s, '-'))
        sign = -1;
    else if (!skip(s, '+'))
        return false;
    if (!digits(s, 2, &hours) || (skip(s, ':') && !digits(s, 2, &minutes)) ||
        (skip(s, ':') && !digits(s, 2, &rest)))
        return false;
    if (hours > 15 || minutes > 59 || rest > 59) /* MAX_TZDISP_HOUR of timestamp.h */
        return false;
    *seconds = sign * (int)(hours * 3600 + minutes * 60 + rest);
    return true;
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (year == 0 || month < 1 || month > 12)
        return false;
    return day >= 1 && day <= lengths[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool is_time(unsigned hour, unsigned minute, unsigned second, unsigned fraction)
{
    if (hour == 24) /* the end of a day */
        return minute == 0 && second == 0 && fraction == 0;
    return hour < 24 && minute <= 59 && second <= 60;
}

static bool parse_second(struct str *s, unsigned *second, unsigned *fraction)
{
    if (!digits(s, 2, second))
        return false;
    parse_fraction(s, fraction);
    return true;
}

bool clock_parse(struct str s, int64_t *us)
{
    unsigned year, month, day, hour, minute, second, fraction;
    int zone;

    if (!digits(&s, 4, &year) || !skip(&s, '-') || !digits(&s, 2, &month) || !skip(&s, '-') ||
        !digits(&s, 2, &day) || !(skip(&s, ' ') || skip(&s, 'T')) || !digits(&s, 2, &hour) ||
        !skip(&s, ':') || !digits(&s, 2, &minute) || !skip(&s, ':') ||
        !parse_second(&s, &second, &fraction) || !parse_zone(&s, &zone) || s.len != 0)
        return false;
    if (!is_date(year, month, day) || !is_time(hour, minute, second, fraction))
        return false;
    *us = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 * US_PER_SECOND +
          (int64_t)second * US_PER_SECOND + fraction - zone * US_PER_SECOND;
    return true;
}

static void split_utc(int64_t us, struct tm *tm, int64_t *fraction)
{
    time_t seconds = (time_t)(us / US_PER_SECOND);

    *fraction = us % US_PER_SECOND;
    if (*fraction < 0) {
        *fraction += US_PER_SECOND;
        seconds--;
    }
    gmtime_r(&seconds, tm);
}

/* Not strftime: its %Y has no leading zeros. */
static size_t write_seconds(const struct tm *tm, char out[CLOCK_ISO_TEXT])
{
    return (size_t)snprintf(out, CLOCK_ISO_TEXT, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d",
                            (int64_t)tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday, tm->tm_hour,
                            tm->tm_min, tm->tm_sec);
}

const char *clock_iso_ms(int64_t us, char out[CLOCK_ISO_TEXT])
{
    struct tm tm;
    int64_t fraction;
    size_t len;

    split_utc(us, &tm, &fraction);
    len = write_seconds(&tm, out);
    snprintf(out + len, CLOCK_ISO_TEXT - len, ".%03" PRId64 "Z", fraction / 1000);
    return out;
}

const char *clock_iso_us(int64_t us, char out[CLOCK_ISO_TEXT])
{
    struct tm tm;
    int64_t fraction;
    size_t len;

    split_utc(us, &tm, &fraction);
    len = write_seconds(&tm, out);
    snprintf(out + len, CLOCK_ISO_TEXT - len, ".%06" PRId64 "Z", fraction);
    return out;
}
