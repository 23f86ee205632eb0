#include "fixture.h"

#include "base/log.h"
#include "daemon/stumble.h"

#define PLUGIN                                                                                     \
    "ERROR:  invalid memory alloc request size 1200000003\nCONTEXT:  slot \"s\", output plugin "   \
    "\"wal2json\", in the change callback, associated LSN 0/265C468"

static struct stats stats;
static struct stumble stumble;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR + 1);
    stats = (struct stats){0};
    stumble_init(&stumble, fixture_config(), &stats);
    return 0;
}

static struct transaction txn_at(lsn_t commit_lsn, bool open)
{
    return (struct transaction){.position.commit_lsn = commit_lsn, .open = open};
}

static void note(lsn_t commit_lsn, bool open, const char *message)
{
    struct transaction txn = txn_at(commit_lsn, open);
    struct err err;

    err_set(&err, "%s", message);
    stumble_note(&stumble, &txn, &err);
}

static bool passes_over(lsn_t commit_lsn)
{
    struct transaction txn = txn_at(commit_lsn, true);

    assert_true(stumble_begin(&stumble, &txn) == txn.covered);
    return txn.covered;
}

static void test_sure(void **state)
{
    static const struct {
        const char *says;
        lsn_t first, second;
        bool open;
        const char *message;
        bool sure;
    } rows[] = {
        {"the plugin fails twice at the same transaction", 5, 5, true, PLUGIN, true},
        {"in another language the plugin has the same name", 5, 5, true, "KONTEXT:  »wal2json«",
         true},
        {"at two places: something else is wrong", 5, 6, true, PLUGIN, false},
        {"between transactions: none is to blame", 5, 5, false, PLUGIN, false},
        {"the connection breaks twice in a large one: it may come yet", 5, 5, true,
         "server closed the connection unexpectedly", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        set_up(state);
        note(rows[i].first, rows[i].open, rows[i].message);
        if (passes_over(rows[i].first))
            fail_msg("once is not enough: %s", rows[i].says);
        note(rows[i].second, rows[i].open, rows[i].message);
        if (passes_over(rows[i].second) != rows[i].sure)
            fail_msg("%s", rows[i].says);
        assert_int_equal(stat_get(&stats.stuck_lsn), rows[i].sure ? 5 : 0);
    }
}

static void test_others_pass(void **state)
{
    struct transaction stored = txn_at(4, true);

    (void)state;
    note(5, true, PLUGIN);
    note(5, true, PLUGIN);
    assert_false(passes_over(4));
    assert_false(passes_over(6));
    stored.covered = true;
    assert_false(stumble_begin(&stumble, &stored));
    assert_true(stored.covered); /* by the checkpoint, as before */
}

static void test_over(void **state)
{
    struct transaction before = txn_at(4, true), it = txn_at(5, true), after = txn_at(6, true);

    (void)state;
    note(5, true, PLUGIN);
    note(5, true, PLUGIN);
    assert_false(stumble_is_over(&stumble, &before)); /* it is still to come */
    assert_true(passes_over(5));
    assert_true(stumble_is_over(&stumble, &it)); /* it came after all: read it again */
    assert_false(passes_over(5));
    assert_false(stumble_is_over(&stumble, &it));
    assert_int_equal(stat_get(&stats.stuck_lsn), 0);

    note(5, true, PLUGIN);
    note(5, true, PLUGIN);
    assert_false(stumble_is_over(&stumble, &after)); /* it was skipped by hand */
    assert_int_equal(stat_get(&stats.stuck_lsn), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sure, set_up),
        cmocka_unit_test_setup(test_others_pass, set_up),
        cmocka_unit_test_setup(test_over, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
