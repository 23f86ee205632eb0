#include "unit.h"

#include "base/clock.h"

static void parses(void **state)
{
    static const struct row {
        const char *says, *text;
        bool good;
        int64_t us;
    } rows[] = {
        {"the epoch", "1970-01-01 00:00:00+00", true, 0},
        {"PostgreSQL's epoch", "2000-01-01 00:00:00+00", true, CLOCK_PG_EPOCH_US},
        {"microseconds", "2026-11-23 03:48:41.036208+00", true, INT64_C(1795405721036208)},
        {"fewer digits", "1970-01-01 00:00:00.5+00", true, 500000},
        {"more digits are rounded", "1970-01-01 00:00:00.0000015+00", true, 2},
        {"up to the next second", "1970-01-01 00:00:00.9999996+00", true, 1000000},
        {"rounded down", "1970-01-01 00:00:00.00000149+00", true, 1},
        {"T and Z", "1970-01-01T00:00:01Z", true, 1000000},
        {"east of Greenwich", "1970-01-01 05:30:00+05:30", true, 0},
        {"west of it", "1969-12-31 16:00:00-08", true, 0},
        {"a zone with seconds", "1970-01-01 00:19:32+00:19:32", true, 0},
        {"before 1970", "1969-12-31 23:59:59.999999+00", true, -1},
        {"the first year", "0001-01-01 00:00:00+00", true, INT64_C(-62135596800000000)},
        {"the last year", "9999-12-31 23:59:59.999999+00", true, INT64_C(253402300799999999)},
        {"a leap day", "2024-02-29 00:00:00+00", true, INT64_C(1709164800000000)},
        {"a leap day of a century", "2000-02-29 00:00:00+00", true, INT64_C(951782400000000)},
        {"no leap day", "2023-02-29 00:00:00+00", false, 0},
        {"no leap day of a century", "1900-02-29 00:00:00+00", false, 0},
        {"31 April", "2026-04-31 00:00:00+00", false, 0},
        {"the end of a day", "1970-01-01 24:00:00+00", true, INT64_C(86400000000)},
        {"beyond it", "1970-01-01 24:00:01+00", false, 0},
        {"a leap second", "1970-01-01 00:00:60+00", true, 60000000},
        {"hour 25", "1970-01-01 25:00:00+00", false, 0},
        {"minute 60", "1970-01-01 00:60:00+00", false, 0},
        {"month 13", "1970-13-01 00:00:00+00", false, 0},
        {"day 0", "1970-01-00 00:00:00+00", false, 0},
        {"year 0", "0000-01-01 00:00:00+00", false, 0},
        {"a zone of 16 hours", "1970-01-01 00:00:00+16", false, 0},
        {"no zone", "1970-01-01 00:00:00", false, 0},
        {"BC", "0044-03-15 00:00:00+00 BC", false, 0},
        {"five digits of a year", "10000-01-01 00:00:00+00", false, 0},
        {"infinity", "infinity", false, 0},
        {"nothing", "", false, 0},
        {"cut short", "1970-01-01 00:00", false, 0},
        {"something behind", "1970-01-01 00:00:00Zx", false, 0},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            int64_t us = 0;

            CHECK(clock_parse(str_c(r->text), &us) == r->good, r->says);
            CHECK(!r->good || us == r->us, r->says);
        }
}

static void writes(void **state)
{
    static const struct row {
        const char *says;
        int64_t us;
        const char *ms_text, *us_text;
    } rows[] = {
        {"the epoch", 0, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000000Z"},
        {"microseconds are cut, not rounded", INT64_C(1795405721036999), "2026-11-23T03:48:41.036Z",
         "2026-11-23T03:48:41.036999Z"},
        {"before 1970", -1, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999999Z"},
        {"a year of one digit", INT64_C(-62135596800000000), "0001-01-01T00:00:00.000Z",
         "0001-01-01T00:00:00.000000Z"},
        {"the largest fits", INT64_MAX, "294247-01-10T04:00:54.775Z",
         "294247-01-10T04:00:54.775807Z"},
    };
    char out[CLOCK_ISO_TEXT];

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            CHECK_STR(str_c(clock_iso_ms(r->us, out)), str_c(r->ms_text), r->says);
            CHECK_STR(str_c(clock_iso_us(r->us, out)), str_c(r->us_text), r->says);
        }
    clock_iso_us(INT64_MIN, out); /* must not overrun */
}

static void goes_on(void **state)
{
    uint64_t before = clock_monotonic_ms();

    (void)state;
    CHECK(clock_now_us() > INT64_C(1700000000000000), "it is later than 2023");
    CHECK(clock_monotonic_ms() >= before, "it never goes back");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(writes),
        cmocka_unit_test(goes_on),
    };

    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
