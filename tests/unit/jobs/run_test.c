#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "jobs/run.h"

#define ID "7d9f0b7e-1111-4222-8333-444455556666"
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 */

static void reads(void **state)
{
    static const struct row {
        const char *says;
        const char *columns[RUN_COLUMNS];
        bool good, is_running;
        const char *lost_by;
    } rows[] = {
        {"a run that waited", {ID, "expired_notifications", "t", "1", "3", ""}, true, true, ""},
        {"one that lost its runner", {ID, "a", "t", "2", "3", "vm/x/7"}, true, true, "vm/x/7"},
        {"and has no attempt left", {ID, "a", "f", "3", "3", "vm/x/7"}, true, false, "vm/x/7"},
        {"no id", {"", "a", "t", "1", "3", ""}, false, false, ""},
        {"an id that is none", {ID "0", "a", "t", "1", "3", ""}, false, false, ""},
        {"no name", {ID, "", "t", "1", "3", ""}, false, false, ""},
        {"a name that has no room", {ID, LONG, "t", "1", "3", ""}, false, false, ""},
        {"attempts that are no number", {ID, "a", "t", "-1", "3", ""}, false, false, ""},
        {"or too large", {ID, "a", "t", "1", "4294967296", ""}, false, false, ""},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct str columns[RUN_COLUMNS];
            struct run run;
            struct err err = {0};

            for (unsigned i = 0; i < RUN_COLUMNS; i++)
                columns[i] = str_c(r->columns[i]);
            CHECK((run_read(&run, columns, &err) == OK) == r->good, r->says);
            if (!r->good) {
                CHECK(strstr(err.message, "pgherald init") != NULL, r->says);
                continue;
            }
            CHECK_STR(str_c(run.id), str_c(r->columns[RUN_ID]), r->says);
            CHECK_STR(str_c(run.name), str_c(r->columns[RUN_NAME]), r->says);
            CHECK_STR(str_c(run.lost_by), str_c(r->lost_by), r->says);
            CHECK(run.is_running == r->is_running, r->says);
            CHECK(run.attempt == (unsigned)atoi(r->columns[RUN_ATTEMPT]), r->says);
            CHECK(run.max_attempts == (unsigned)atoi(r->columns[RUN_MAX_ATTEMPTS]), r->says);
        }
}

/* The name of a runner is another machine's word: however long, it is cut between characters. */
static void cuts_the_name_of_a_runner(void **state)
{
    char worker[2 * RUN_WORKER_MAX];
    struct str columns[RUN_COLUMNS] = {str_c(ID), str_c("a"), str_c("t"), str_c("1"), str_c("1")};
    struct run run;
    struct err err;

    (void)state;
    memset(worker, 'x', sizeof(worker));
    memcpy(worker + RUN_WORKER_MAX - 2, "\xc3\xa9", 2);
    columns[RUN_LOST_BY] = str_from(worker, sizeof(worker));
    assert_int_equal(run_read(&run, columns, &err), OK);
    assert_int_equal(strlen(run.lost_by), RUN_WORKER_MAX - 2);
}

static void names_the_worker(void **state)
{
    char worker[RUN_WORKER_MAX], end[32], longest[200];

    (void)state;
    snprintf(end, sizeof(end), "/slot_1/%ld", (long)getpid());
    CHECK(str_ends(str_c(run_worker(worker, "slot_1")), str_c(end)), "host, slot, process");
    CHECK(worker[0] != '/', "the host is named");
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    CHECK(strlen(run_worker(worker, longest)) < RUN_WORKER_MAX, "a name has an end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(cuts_the_name_of_a_runner),
        cmocka_unit_test(names_the_worker),
    };

    return cmocka_run_group_tests_name("jobs/run", tests, NULL, NULL);
}
