#include "realtime/snapshot.h"
#include "unit.h"

static void test_texts(void **state)
{
    static const struct {
        const char *says, *text;
        bool good;
    } rows[] = {
        {"nobody is running", "100:100:", true},
        {"somebody is", "100:105:100,103", true},
        {"beyond 32 bits", "4294967396:4294967400:4294967397", true},
        {"nothing", "", false},
        {"one number", "100", false},
        {"two numbers", "100:105", false},
        {"words", "a:b:c", false},
        {"a word in the list", "100:105:100,x", false},
        {"a hole in the list", "100:105:100,,103", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct snapshot snapshot;

        CHECK(snapshot_read(str_c(rows[i].text), &snapshot) == rows[i].good, rows[i].says);
        CHECK(rows[i].good || (!snapshot.running && snapshot.xmax == 0), rows[i].says);
        snapshot_fini(&snapshot);
    }
}

static void test_sees(void **state)
{
    static const struct {
        const char *says, *text;
        uint32_t xid;
        bool seen;
    } rows[] = {
        {"ended long ago", "100:105:100,103", 7, true},
        {"the oldest that runs", "100:105:100,103", 100, false},
        {"ended in between", "100:105:100,103", 101, true},
        {"runs in between", "100:105:100,103", 103, false},
        {"the next one", "100:105:100,103", 105, false},
        {"begun since", "100:105:100,103", 4000, false},
        {"not known", "100:105:100,103", 0, true},
        {"of the second round: ended", "4294967396:4294967400:4294967397", 98, true},
        {"of the second round: runs", "4294967396:4294967400:4294967397", 101, false},
        {"of the second round: ended in between", "4294967396:4294967400:4294967397", 102, true},
        {"of the second round: not begun", "4294967396:4294967400:4294967397", 104, false},
        {"of the first round, by now", "4294967300:4294967300:", 4294967290, true},
        {"of the next round", "4294967290:4294967290:", 5, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct snapshot snapshot;

        assert_true(snapshot_read(str_c(rows[i].text), &snapshot));
        CHECK(snapshot_sees(&snapshot, rows[i].xid) == rows[i].seen, rows[i].says);
        snapshot_fini(&snapshot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_sees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
