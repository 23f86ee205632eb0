#include "unit.h"

#include "decode/streamed.h"

static struct buf message;
static uint32_t block;

static int set_up(void **state)
{
    (void)state;
    buf_init(&message, 65536);
    block = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&message);
    return 0;
}

/* A type, then numbers of four bytes, then text. */
static void write_message(char type, size_t count, const uint32_t *numbers, const char *rest)
{
    buf_clear(&message);
    buf_add_char(&message, type);
    for (size_t i = 0; i < count; i++)
        buf_add_be32(&message, numbers[i]);
    buf_add_c(&message, rest);
}

#define WRITE(type, rest, ...)                                                                     \
    write_message(type, COUNT(((const uint32_t[]){__VA_ARGS__})), (const uint32_t[]){__VA_ARGS__}, \
                  rest)

static struct streamed_message read_good(const char *says)
{
    struct streamed_message out;
    struct err err;

    if (streamed_read(&block, buf_str(&message), &out, &err) != OK)
        fail_msg("%s: %s", says, err.message);
    return out;
}

static void read_bad(const char *says)
{
    struct streamed_message out;
    char *copy = malloc(message.len ? message.len : 1);
    struct err err;

    if (message.len)
        memcpy(copy, message.data, message.len);
    if (streamed_read(&block, str_from(copy, message.len), &out, &err) == OK)
        fail_msg("%s: was taken", says);
    CHECK(strstr(err.message, "expected"), says);
    free(copy);
}

static void open_block(uint32_t xid)
{
    WRITE('S', "\1", xid);
    assert_int_equal(read_good("a block begins").kind, STREAMED_START);
}

static void test_blocks(void **state)
{
    struct streamed_message out;

    (void)state;
    write_message('I', 0, NULL, "row");
    out = read_good("outside of blocks a message is as it is without streaming");
    assert_int_equal(out.kind, STREAMED_NONE);
    CHECK_STR(out.body, STR("row"), "and whole");
    open_block(7);
    assert_int_equal(block, 7);
    for (const char *type = "IUDTMRY"; *type; type++) {
        WRITE(*type, "what is said", 9);
        out = read_good("inside one it has a number");
        assert_int_equal(out.kind, STREAMED_PART);
        assert_int_equal(out.xid, 7);
        assert_int_equal(out.sub_xid, 9);
        assert_int_equal(out.type, *type);
        CHECK_STR(out.body, STR("what is said"), "which is left out");
    }
    write_message('O', 0, NULL, "origin");
    out = read_good("an origin has none");
    assert_int_equal(out.sub_xid, 7);
    CHECK_STR(out.body, STR("origin"), "and is whole");
    write_message('E', 0, NULL, "");
    assert_int_equal(read_good("the block ends").kind, STREAMED_STOP);
    assert_int_equal(block, 0);
}

static void test_ends(void **state)
{
    static const char commit[] = "f"
                                 "llllLLLL"
                                 "eeeeEEEE"
                                 "ttttTTTT";
    struct streamed_message out;
    struct buf made;

    (void)state;
    WRITE('A', "", 7, 9);
    out = read_good("a subtransaction is rolled back");
    assert_int_equal(out.kind, STREAMED_ABORT);
    assert_int_equal(out.xid, 7);
    assert_int_equal(out.sub_xid, 9);
    WRITE('c', commit, 0x61626364);
    out = read_good("a commit");
    assert_int_equal(out.kind, STREAMED_COMMIT);
    assert_int_equal(out.xid, 0x61626364);
    buf_init(&made, 100);
    streamed_add_begin(&made, &out);
    CHECK_STR(buf_str(&made), STR("<llllLLLLttttTTTTabcd"), "begins as B does: LSN, time, number");
    buf_clear(&made);
    streamed_add_end(&made, &out);
    CHECK_STR(buf_str(&made),
              STR("Cf"
                  "llllLLLL"
                  "eeeeEEEE"
                  "ttttTTTT"),
              "and ends as C does");
    buf_fini(&made);
}

static void test_refused(void **state)
{
    (void)state;
    write_message('E', 0, NULL, "");
    read_bad("the end of no block");
    WRITE('S', "\1", 0);
    read_bad("a block of no transaction");
    WRITE('S', "\1and more", 5);
    read_bad("bytes behind the start");
    WRITE('S', "", 5);
    read_bad("a start that is cut off");
    WRITE('c', "short", 5);
    read_bad("a commit that is cut off");
    WRITE('A', "", 5);
    read_bad("half an abort");
    write_message(STREAMED_BEGIN, 0, NULL, "x");
    read_bad("a begin of our own");
    write_message(STREAMED_RELATION, 0, NULL, "x");
    read_bad("a description of our own");
    buf_clear(&message);
    read_bad("nothing");
    open_block(7);
    for (const char *type = "SBCcA<#?"; *type; type++) {
        WRITE(*type, "", 7);
        read_bad("what does not belong into a block");
    }
    for (const char *type = "IUDTMRY"; *type; type++) {
        write_message(*type, 0, NULL, "abc");
        read_bad("a message without a number");
        WRITE(*type, "", 0);
        read_bad("a message of no transaction");
    }
    write_message('E', 0, NULL, "more");
    read_bad("bytes behind the stop");
}

static const struct {
    const char *says;
    char type;
    struct str body;
    bool told;
} told_rows[] = {
    {"who is at work", 'M', {"\1LLLLLLLLpgherald:context\0\0\0\0\0", 30}, true},
    {"what became of the schema", 'M', {"\1LLLLLLLLpgherald:schema\0\0\0\0\0", 29}, true},
    {"a message of another program", 'M', {"\1LLLLLLLLother\0\0\0\0\0", 19}, false},
    {"one whose prefix begins so", 'M', {"\1LLLLLLLLpgherald:contexts\0\0\0\0\0", 31}, false},
    {"one that is cut off", 'M', {"\1LLLLLLLLpgherald:context", 25}, false},
    {"a row", 'I', {"\1LLLLLLLLpgherald:context\0\0\0\0\0", 30}, false},
};

static void test_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(told_rows); i++) {
        const struct streamed_message part = {
            .kind = STREAMED_PART, .type = told_rows[i].type, .body = told_rows[i].body};

        CHECK(streamed_is_told(&part) == told_rows[i].told, told_rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(test_blocks),
        TEST(test_ends),
        TEST(test_refused),
        TEST(test_told),
    };

    return cmocka_run_group_tests_name("decode/streamed", tests, NULL, NULL);
}
