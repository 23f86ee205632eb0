#include "fixture.h"

#include "daemon/slot_watch.h"

#define MIB ((uint64_t)1 << 20)

static void test_judge(void **state)
{
    static const struct {
        const char *says;
        struct slot_facts_watched facts;
        uint64_t warning, critical, drop;
        enum slot_level level;
    } rows[] = {
        {"little is kept", {true, STR("reserved"), 9 * MIB, false, 0}, 10, 20, 30, SLOT_FINE},
        {"the limit itself is not beyond it",
         {true, STR("reserved"), 10 * MIB, false, 0},
         10,
         20,
         30,
         SLOT_FINE},
        {"more than slot_warning",
         {true, STR("reserved"), 11 * MIB, false, 0},
         10,
         20,
         30,
         SLOT_WARNING},
        {"more than slot_critical",
         {true, STR("extended"), 21 * MIB, false, 0},
         10,
         20,
         30,
         SLOT_CRITICAL},
        {"more than slot_drop_beyond",
         {true, STR("extended"), 31 * MIB, false, 0},
         10,
         20,
         30,
         SLOT_OVER},
        {"0 is never", {true, STR("extended"), 1000000 * MIB, false, 0}, 0, 0, 0, SLOT_FINE},
        {"slot_drop_beyond needs no other",
         {true, STR("extended"), 31 * MIB, false, 0},
         0,
         0,
         30,
         SLOT_OVER},
        {"the next checkpoint takes it away",
         {true, STR("unreserved"), MIB, true, 0},
         10,
         20,
         30,
         SLOT_CRITICAL},
        {"a tenth is left of the server's own limit",
         {true, STR("extended"), 9 * MIB, true, MIB},
         100,
         200,
         0,
         SLOT_FINE},
        {"less than a tenth is",
         {true, STR("extended"), 9 * MIB, true, MIB - 2},
         100,
         200,
         0,
         SLOT_CRITICAL},
        {"a slot that is lost", {true, STR("lost"), 0, true, 0}, 10, 20, 30, SLOT_LOST},
        {"no slot", {false, STR(""), 0, false, 0}, 10, 20, 30, SLOT_LOST},
        {"an old server says no wal_status", {true, STR(""), MIB, false, 0}, 10, 20, 30, SLOT_FINE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct config config = {.slot_warning_bytes = rows[i].warning * MIB,
                                      .slot_critical_bytes = rows[i].critical * MIB,
                                      .slot_drop_beyond_bytes = rows[i].drop * MIB};
        enum slot_level level = slot_judge(&config, &rows[i].facts);

        if (level != rows[i].level)
            fail_msg("%s: %s", rows[i].says, slot_level_name(level));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_judge)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
