#include "unit.h"

#include "base/clock.h"
#include "cli/moment.h"

#define NOW INT64_C(1795405721036208) /* 2026-11-23T03:48:41.036208Z */
#define SECOND INT64_C(1000000)

static void reads_times(void **state)
{
    static const struct row {
        const char *text;
        const char *iso; /* NULL: refused */
    } rows[] = {
        {"2026-11-23", "2026-11-23T00:00:00.000000Z"},
        {"2026-11-23T10:00", "2026-11-23T10:00:00.000000Z"},
        {"2026-11-23T10:00:01", "2026-11-23T10:00:01.000000Z"},
        {"2026-11-23 10:00:01", "2026-11-23T10:00:01.000000Z"},
        {"2026-11-23T10:00:01.5Z", "2026-11-23T10:00:01.500000Z"},
        {"2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000000Z"},
        {" 2026-11-23 ", "2026-11-23T00:00:00.000000Z"},
        {"1s", "2026-11-23T03:48:40.036208Z"},
        {"90min", "2026-11-23T02:18:41.036208Z"},
        {"2h", "2026-11-23T01:48:41.036208Z"},
        {"7d", "2026-11-16T03:48:41.036208Z"},
        {"1w", "2026-11-16T03:48:41.036208Z"},
        {"0", "2026-11-23T03:48:41.036208Z"},
        {"", NULL},
        {"yesterday", NULL},
        {"2h ago", NULL},
        {"-2h", NULL},
        {"2m", NULL},
        {"12", NULL},
        {"2026-02-30", NULL},
        {"2026-11", NULL},
        {"99999999999999999999w", NULL},
        {"9999999w", NULL},
        {"2026-11-23T10:00:00+02:00 and a long tail behind it that is nothing", NULL},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            char iso[CLOCK_ISO_TEXT];
            struct err err;
            int64_t us;
            enum result result = moment_parse(str_c(r->text), NOW, &us, &err);

            CHECK((result == OK) == (r->iso != NULL), r->text);
            if (r->iso)
                CHECK_STR(str_c(clock_iso_us(us, iso)), str_c(r->iso), r->text);
            else
                CHECK(strstr(err.message, "is no time: give one like"), r->text);
        }
}

static void reads_spans(void **state)
{
    struct err err;
    int64_t us;

    (void)state;
    CHECK(moment_parse_span(STR("24h"), &us, &err) == OK && us == 24 * 3600 * SECOND, "24h");
    CHECK(moment_parse_span(STR("0"), &us, &err) == OK && us == 0, "0");
    CHECK(moment_parse_span(STR("2026-11-23"), &us, &err) == FAILED, "a date is no span");
    CHECK(moment_parse_span(STR("h"), &us, &err) == FAILED, "a unit alone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(reads_spans),
    };

    return cmocka_run_group_tests_name("cli/moment", tests, NULL, NULL);
}
