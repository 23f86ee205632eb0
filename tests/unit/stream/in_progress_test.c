#include "unit.h"

#include <stdio.h>

#include "base/buf.h"
#include "stream/in_progress.h"

/* A message is written down as its letter and what follows; inside a block the number of who wrote
 * it stands in between. What is handed out is joined by spaces: "<7" is the begin of transaction 7.
 */
static struct in_progress *all;
static struct stats stats;
static struct buf out;
static uint32_t block;

static void make(uint64_t bytes, size_t transactions, size_t subtransactions)
{
    const struct in_progress_limits limits = {"/tmp", bytes, transactions, subtransactions};

    in_progress_free(all);
    stats = (struct stats){0};
    all = in_progress_new(&limits, &stats);
    block = 0;
}

static int set_up(void **state)
{
    (void)state;
    make(1 << 20, 10, 10);
    buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    in_progress_free(all);
    all = NULL;
    buf_fini(&out);
    return 0;
}

static void show(struct str message)
{
    struct str rest = str_from(message.data + 1, message.len - 1);

    if (out.len)
        buf_add_char(&out, ' ');
    buf_add_char(&out, message.data[0]);
    if (message.data[0] == '<') {
        buf_addf(&out, "%u", (unsigned char)message.data[message.len - 1]);
    } else if (message.data[0] == '#') { /* with its number */
        buf_addf(&out, "%u", (unsigned char)message.data[8]);
        buf_add(&out, message.data + 9, message.len - 9);
    } else if (message.data[0] == 'M') {
        buf_add_c(&out, "told");
    } else if (message.data[0] != 'C') {
        buf_add_str(&out, rest);
    }
}

static void write_message(struct buf *message, char type, const char *rest)
{
    unsigned xid = 0, sub = 0;

    buf_add_char(message, type);
    switch (type) {
    case 'S':
    case 'c':
    case 'A':
        sscanf(rest, "%u,%u", &xid, &sub);
        buf_add_be32(message, xid);
        if (type == 'A')
            buf_add_be32(message, sub ? sub : xid);
        if (type == 'S')
            buf_add_char(message, 1);
        if (type == 'c')
            buf_add(message, "fllllllllLLLLLLLLtttttttt", 25);
        block = type == 'S' ? xid : 0;
        return;
    case 'E':
        block = 0;
        return;
    default:
        if (block && type != 'O') {
            char *end;

            buf_add_be32(message, (uint32_t)strtoul(rest, &end, 10));
            rest = end;
        }
        if (type == 'M')
            buf_add(message, "\1LLLLLLLLpgherald:context\0\0\0\0\0", 30);
        else
            buf_add_c(message, rest);
    }
}

static enum result take_one(const char *text, bool *is_full, struct err *err)
{
    enum in_progress_verdict verdict;
    struct str passing;
    struct buf message;
    enum result result;
    bool more = false;

    buf_init(&message, 65536);
    write_message(&message, text[0], text + 1);
    result = in_progress_take(all, buf_str(&message), &verdict, &passing, is_full, err);
    if (result == OK && verdict == IN_PROGRESS_PASSES)
        show(passing);
    more = result == OK && verdict == IN_PROGRESS_ENDS;
    while (more && result == OK) {
        result = in_progress_next(all, &passing, &more, err);
        if (more && result == OK)
            show(passing);
    }
    buf_fini(&message);
    return result;
}

/* Words, each a message; the first that is not taken ends it. */
static enum result take(const char *words, bool *is_full, struct err *err)
{
    struct str rest = str_c(words), word;
    enum result result = OK;

    buf_clear(&out);
    while (rest.len > 0 && result == OK) {
        char *copy;

        str_split(rest, ' ', &word, &rest);
        copy = str_dup(word);
        result = take_one(copy, is_full, err);
        free(copy);
    }
    return result;
}

static const struct {
    const char *says, *in, *out;
} rows[] = {
    {"what is not streamed passes", "B Ia C", "B Ia C"},
    {"what is streamed comes when it commits", "S7 I7a E S7 U7b E c7", "<7 Ia Ub C"},
    {"others pass in the meantime", "S7 I7a E B Ix C S7 I7b E c7", "B Ix C <7 Ia Ib C"},
    {"in the order of the commits", "S7 I7a E S8 I8x E S7 I7b E c8 c7", "<8 Ix C <7 Ia Ib C"},
    {"nothing comes of what is rolled back", "S7 I7a E S8 I8x E A7 c8", "<8 Ix C"},
    {"nor of a subtransaction", "S7 I7a I9b I9c E A7,9 S7 I7d E c7", "<7 Ia Id C"},
    {"nor of those inside it", "S7 I7a I9b I10c I9d E A7,10 A7,9 c7", "<7 Ia C"},
    {"one inside that was released goes with it", "S7 I9a I10b I9c E A7,10 A7,9 S7 I7d E c7",
     "<7 Id C"},
    {"the one around it stays", "S7 I9a I10b E A7,10 S7 I9c E c7", "<7 Ia Ic C"},
    {"one rolled back in a later block than it began", "S7 I7a I9b E S7 I9c E A7,9 S7 I7d E c7",
     "<7 Ia Id C"},
    {"a savepoint used again is a subtransaction of its own",
     "S7 I9a E A7,9 S7 I10b E A7,10 S7 I11c E c7", "<7 Ic C"},
    {"one that has changed nothing is rolled back", "S7 I7a E A7,9 c7", "<7 Ia C"},
    {"so is a transaction that nothing came of", "A8 S7 I7a E c7", "<7 Ia C"},
    {"TRUNCATE, types and origins are kept too", "S7 Oo T7t Y7y D7d E c7", "<7 Oo Tt Yy Dd C"},
    {"descriptions are numbered as they come", "Rx S7 R7y I7a E Rz c7", "#1x #3z <7 #2y Ia C"},
    {"one that is rolled back comes again", "S7 R9y I9a E A7,9 S7 R7y I7b E c7", "<7 #2y Ib C"},
    {"an empty transaction has both ends", "S7 E c7", "<7 C"},
    {"who is at work is told in its place", "S7 M7 I7a I7b M7 I7c E c7",
     "<7 Mtold Ia Ib Mtold Ic C"},
    {"what a subtransaction tells behind its first row goes with it", "S7 I7a I9b M7 I9c E A7,9 c7",
     "<7 Ia C"},
    {"what was told before a row that stays, stays", "S7 M7 I7a I9b E A7,9 c7", "<7 Mtold Ia C"},
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        bool is_full;

        make(1 << 20, 10, 10);
        if (take(rows[i].in, &is_full, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        CHECK_STR(buf_str(&out), str_c(rows[i].out), rows[i].says);
        CHECK(stat_get(&stats.spool_bytes) == 0, "nothing is kept of what has ended");
        CHECK(stat_get(&stats.streamed_in_progress) == 0, "nothing is in progress");
    }
}

static const struct {
    const char *says, *in, *err;
    bool is_full;
} failures[] = {
    {"a commit of what never began", "S7 I7a E c8", "transaction 8 has committed, and never",
     false},
    {"what is no message", "?S E", "expected a block around this", false},
    {"more than spool_max", "S7 I7aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa I7bbb",
     "spool_max", true},
    {"of all together", "S7 I7aaaaaaaaaaaaaaaaaaaaaaaaaaaa E S8 I8aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "spool_max", true},
    {"too many transactions", "S7 E S8 E S9 E", "more than 2 transactions", true},
    {"too many subtransactions", "S7 I10a I11b E S8 I12c I13d", "more than 3 subtransactions",
     true},
    {"the one rolled back may have told it before its first row", "S7 I7a M7 I9b E A7,9",
     "subtransaction 9 is rolled back, and pgoutput does not say", true},
    {"it may have told it and done nothing else", "S7 I7a M7 E A7,9", "does not say", true},
    {"its description stands in between", "S7 I7a M7 R9r I9b E A7,9", "does not say", true},
    {"the one inside it has told it, or it has", "S7 I7a M7 I10b E A7,10", "does not say", true},
};

static void test_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct err err = {0};
        bool is_full = false;

        make(64, 2, 3);
        if (take(failures[i].in, &is_full, &err) == OK)
            fail_msg("%s: was taken", failures[i].says);
        if (!strstr(err.message, failures[i].err))
            fail_msg("%s: %s", failures[i].says, err.message);
        CHECK(is_full == failures[i].is_full, failures[i].says);
    }
}

/* Subtransactions that are over no longer count. */
static void test_room(void **state)
{
    struct err err = {0};
    bool is_full;

    (void)state;
    make(64, 2, 3);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(
            take("S7 I10a I11b I12c E A7,12 A7,11 A7,10 S7 I13d E c7 S8 I9x E A8", &is_full, &err),
            OK);
        CHECK_STR(buf_str(&out), STR("<7 Id C"), "again and again");
    }
    assert_int_equal(stat_get(&stats.streamed_transactions_total), 100);
    assert_int_equal(stat_get(&stats.streamed_aborts_total), 400);
    assert_int_equal(stat_get(&stats.spooled_bytes_total), 1000);
    assert_int_equal(take("S7 I10a E S8 I8b E", &is_full, &err), OK);
    assert_int_equal(stat_get(&stats.streamed_in_progress), 2);
    CHECK(stat_get(&stats.spool_bytes) > 0, "what is in progress is kept");
    make(64, 2, 3); /* what is in progress goes with the session */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(test_streams),
        TEST(test_failures),
        TEST(test_room),
    };

    return cmocka_run_group_tests_name("stream/in_progress", tests, NULL, NULL);
}
