#include "fixture.h"

#include "base/log.h"
#include "daemon/transaction.h"

static struct ruleset *rules;
static struct transaction txn;
static struct stats stats;

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    rules = ruleset_new(fixture_config(), &stats);
    txn = (struct transaction){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transaction_reset(&txn);
    ruleset_free(rules);
    return 0;
}

static const struct change begin = {
    .kind = CHANGE_BEGIN, .xid = 771, .commit_time = 99, .commit_lsn = 0x100, .end_lsn = 0x108};

static void test_begin(void **state)
{
    static const struct {
        const char *says;
        lsn_t checkpoint;
        bool covered;
    } rows[] = {
        {"nothing is stored yet", 0, false},
        {"the transaction before this one is stored", 0xff, false},
        {"this very one is stored: it is sent again after a crash", 0x100, true},
        {"a later one is stored", 0x200, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        txn.own = true; /* of the transaction before */
        txn.position.ordinal = 7;
        transaction_begin(&txn, &begin, rows[i].checkpoint);
        assert_true(txn.open);
        assert_false(txn.own);
        if (txn.covered != rows[i].covered)
            fail_msg("%s", rows[i].says);
        assert_int_equal(txn.position.commit_lsn, 0x100);
        assert_int_equal(txn.position.commit_time, 99);
        assert_int_equal(txn.position.xid, 771);
        assert_int_equal(txn.position.ordinal, 0);
        assert_int_equal(txn.end_lsn, 0x108);
    }
}

static void test_marks(void **state)
{
    static const struct {
        const char *says;
        enum change_kind kind;
        const char *name;
        bool own, upkeep, silent;
    } rows[] = {
        {"a store marks with its slot's name", CHANGE_UPDATE, "pgherald", true, false, false},
        {"also one whose name begins alike", CHANGE_INSERT, "job_x", true, false, false},
        {"a job with its own, which no slot can have", CHANGE_INSERT, "job:x", false, true, false},
        {"so does counted use", CHANGE_UPDATE, "usage:api_keys", false, false, true},
        {"and only that", CHANGE_UPDATE, "usage", true, false, false},
        {"a mark of nobody", CHANGE_TRUNCATE, NULL, true, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct column name = {
            .name = STR("slot_name"), .form = VALUE_ESCAPED, .value = str_c(rows[i].name)};
        const struct change change = {.kind = rows[i].kind,
                                      .record = {&name, rows[i].name ? 1 : 0}};

        transaction_begin(&txn, &begin, 0);
        if (txn.own || txn.upkeep || txn.silent)
            fail_msg("%s: not before the mark", rows[i].says);
        transaction_mark(&txn, &change);
        if (txn.own != rows[i].own || txn.upkeep != rows[i].upkeep || txn.silent != rows[i].silent)
            fail_msg("%s", rows[i].says);
    }
}

static void test_upkeep(void **state)
{
    static const struct {
        const char *says;
        enum change_kind kind;
        const char *schema, *table, *queue;
        bool upkeep;
    } rows[] = {
        {"a job's run begins", CHANGE_INSERT, "public", "job_logs", "pgherald", true},
        {"goes on", CHANGE_UPDATE, "public", "job_logs", "pgherald", true},
        {"and is cleaned away", CHANGE_DELETE, "public", "job_logs", "pgherald", true},
        {"with the application's, which ended long ago", CHANGE_DELETE, "public", "job_logs",
         "default", true},
        {"but that stale_jobs failed a job is the application's business", CHANGE_UPDATE, "public",
         "job_logs", "default", false},
        {"an expired notification goes", CHANGE_DELETE, "public", "notifications", NULL, true},
        {"none is made", CHANGE_INSERT, "public", "notifications", NULL, false},
        {"usage of long ago goes", CHANGE_DELETE, "public", "api_key_usage", NULL, true},
        {"what a trigger deletes elsewhere is nobody's upkeep", CHANGE_DELETE, "public", "memories",
         NULL, false},
        {"a table of that name elsewhere", CHANGE_DELETE, "app", "notifications", NULL, false},
        {"an empty table would be no upkeep", CHANGE_TRUNCATE, "public", "notifications", NULL,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct column queue = {
            .name = STR("queue"), .form = VALUE_ESCAPED, .value = str_c(rows[i].queue)};
        const struct columns row = {&queue, rows[i].queue ? 1 : 0}, none = {0};
        const struct change change = {.kind = rows[i].kind,
                                      .schema = str_c(rows[i].schema),
                                      .table = str_c(rows[i].table),
                                      .record = rows[i].kind == CHANGE_DELETE ? none : row,
                                      .identity = row};

        transaction_begin(&txn, &begin, 0);
        if (transaction_is_upkeep(&txn, &change))
            fail_msg("%s: not in a transaction of somebody else", rows[i].says);
        txn.upkeep = true;
        if (transaction_is_upkeep(&txn, &change) != rows[i].upkeep)
            fail_msg("%s", rows[i].says);
    }
}

static bool is_audited(void)
{
    const struct change change = {
        .kind = CHANGE_INSERT, .schema = STR("public"), .table = STR("notes")};

    return ruleset_table(rules, &change)->audited;
}

static void note(const char *id, const char *row)
{
    char id_copy[64] = {0}, row_copy[256] = {0};

    strncpy(id_copy, id, sizeof(id_copy) - 1);
    strncpy(row_copy, row, sizeof(row_copy) - 1);
    transaction_add_rule_change(&txn, RULE_AUDIT_POLICY, str_c(id_copy), str_c(row_copy));
    memset(id_copy, 'x', sizeof(id_copy)); /* the message is gone when the commit comes */
    memset(row_copy, 'x', sizeof(row_copy));
}

#define OFF "{\"table_name\":\"public.notes\",\"is_enabled\":false}"
#define ON "{\"table_name\":\"public.notes\",\"is_enabled\":true}"

/* A rule is of the transaction after the one that made it. */
static void test_apply_at_commit(void **state)
{
    (void)state;
    transaction_begin(&txn, &begin, 0);
    note("public.notes", OFF);
    assert_true(is_audited());
    transaction_apply_rules(&txn, rules);
    assert_false(is_audited());
    transaction_reset(&txn);
    assert_int_equal(txn.rule_change_count, 0);

    transaction_begin(&txn, &begin, 0);
    note("public.notes", "");
    transaction_apply_rules(&txn, rules);
    assert_true(is_audited());
}

static void test_forgotten(void **state)
{
    (void)state;
    transaction_begin(&txn, &begin, 0);
    note("public.notes", OFF);
    transaction_reset(&txn); /* the session ended before the commit */
    transaction_apply_rules(&txn, rules);
    assert_true(is_audited());
}

static void test_order(void **state)
{
    static const struct {
        const char *says;
        const char *changes[4][2];
        bool audited;
    } rows[] = {
        {"the last one counts", {{"public.notes", OFF}, {"public.notes", ON}}, true},
        {"made and deleted", {{"public.notes", OFF}, {"public.notes", ""}}, true},
        {"deleted and made again", {{"public.notes", ""}, {"public.notes", OFF}}, false},
        {"TRUNCATE and then one more",
         {{"public.notes", ON}, {"", ""}, {"public.notes", OFF}},
         false},
        {"one more and then TRUNCATE", {{"public.notes", OFF}, {"", ""}}, true},
        {"one that cannot be read does not stop the next",
         {{"a.b", "{\"redact\":1}"}, {"public.notes", OFF}},
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        ruleset_clear(rules, RULE_AUDIT_POLICY);
        transaction_begin(&txn, &begin, 0);
        for (size_t c = 0; c < 4 && rows[i].changes[c][0]; c++)
            note(rows[i].changes[c][0], rows[i].changes[c][1]);
        transaction_apply_rules(&txn, rules);
        if (is_audited() != rows[i].audited)
            fail_msg("%s", rows[i].says);
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_begin),           TEST(test_marks),     TEST(test_upkeep),
        TEST(test_apply_at_commit), TEST(test_forgotten), TEST(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
