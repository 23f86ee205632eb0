#include "unit.h"

static void compares(void **state)
{
    static const struct row {
        const char *says, *a, *b;
        bool equal, equal_nocase;
        int order;
    } rows[] = {
        {"two empty views", "", "", true, true, 0},
        {"the same bytes", "abc", "abc", true, true, 0},
        {"upper and lower case", "aBc", "AbC", false, true, 1},
        {"a prefix comes first", "ab", "abc", false, false, -1},
        {"bytes above 0x7f come last", "\xc3\xa9", "z", false, false, 1},
        {"only letters fold: @ and ` differ", "@", "`", false, false, -1},
        {"nothing against something", "", "a", false, false, -1},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            int order = str_cmp(str_c(r->a), str_c(r->b));

            CHECK(str_eq(str_c(r->a), str_c(r->b)) == r->equal, r->says);
            CHECK(str_eq_nocase(str_c(r->a), str_c(r->b)) == r->equal_nocase, r->says);
            CHECK((order > 0) - (order < 0) == r->order, r->says);
            CHECK((str_hash(str_c(r->a)) == str_hash(str_c(r->b))) == r->equal, r->says);
        }
}

static void finds_ends(void **state)
{
    static const struct row {
        const char *says, *s, *part;
        bool starts, ends;
    } rows[] = {
        {"everything starts and ends with nothing", "abc", "", true, true},
        {"nothing does too", "", "", true, true},
        {"itself", "abc", "abc", true, true},
        {"longer than the text", "ab", "abc", false, false},
        {"in front", "abc", "ab", true, false},
        {"behind", "abc", "bc", false, true},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            CHECK(str_starts(str_c(r->s), str_c(r->part)) == r->starts, r->says);
            CHECK(str_ends(str_c(r->s), str_c(r->part)) == r->ends, r->says);
        }
    assert_true(str_starts((struct str){0}, (struct str){0}));
    assert_true(str_ends((struct str){0}, (struct str){0}));
}

static void splits_and_trims(void **state)
{
    static const struct row {
        const char *says, *s;
        bool found;
        const char *head, *tail;
    } rows[] = {
        {"one separator", "a,b", true, "a", "b"},
        {"only the first counts", "a,b,c", true, "a", "b,c"},
        {"none: the whole is the head", "abc", false, "abc", ""},
        {"at the start", ",b", true, "", "b"},
        {"at the end", "a,", true, "a", ""},
        {"nothing to split", "", false, "", ""},
    };
    static const char *const trimmed[][2] = {
        {"  a b\t\r\n", "a b"}, {"", ""}, {" \n ", ""}, {"a", "a"}, {"\va", "\va"}};
    struct str head, tail;

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            CHECK(str_split(str_c(r->s), ',', &head, &tail) == r->found, r->says);
            CHECK_STR(head, str_c(r->head), r->says);
            CHECK_STR(tail, str_c(r->tail), r->says);
        }
    assert_false(str_split((struct str){0}, ',', &head, &tail));
    for (size_t i = 0; i < COUNT(trimmed); i++)
        CHECK_STR(str_trim(str_c(trimmed[i][0])), str_c(trimmed[i][1]), trimmed[i][0]);
}

static void globs(void **state)
{
    static const struct row {
        const char *says, *pattern, *s;
        bool matches;
    } rows[] = {
        {"the same text", "memories", "memories", true},
        {"a star is anything", "*", "x", true},
        {"and nothing", "*", "", true},
        {"no pattern matches only nothing", "", "", true},
        {"and not something", "", "a", false},
        {"in front", "*_token", "access_token", true},
        {"in front, with nothing there", "*_token", "_token", true},
        {"behind", "memories.*", "memories.insert", true},
        {"the dot is a dot", "memories.*", "memoriesXinsert", false},
        {"a star goes back to a later match", "*ab", "aab", true},
        {"stars in a row", "a**b", "ab", true},
        {"two stars", "*password*", "my_password_hash", true},
        {"the rest must match", "a*b", "abc", false},
        {"only stars are special", "a?c", "abc", false},
        {"many stars end soon", "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(str_glob(str_c(r->pattern), str_c(r->s)) == r->matches, r->says);
}

static void reads_numbers(void **state)
{
    static const struct row {
        const char *says, *s;
        bool good;
        uint64_t value;
    } rows[] = {
        {"zero", "0", true, 0},
        {"leading zeros", "007", true, 7},
        {"the largest", "18446744073709551615", true, UINT64_MAX},
        {"one more", "18446744073709551616", false, 0},
        {"ten times the largest", "184467440737095516150", false, 0},
        {"nothing", "", false, 0},
        {"a sign", "-1", false, 0},
        {"a plus", "+1", false, 0},
        {"white space", " 1", false, 0},
        {"a letter behind", "1a", false, 0},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            uint64_t value = 0;

            CHECK(str_to_u64(str_c(r->s), &value) == r->good, r->says);
            CHECK(value == r->value, r->says);
        }
}

static void reads_uuids(void **state)
{
    static const struct row {
        const char *says, *s;
        bool good;
    } rows[] = {
        {"lower case", "00112233-4455-6677-8899-aabbccddeeff", true},
        {"upper case", "00112233-4455-6677-8899-AABBCCDDEEFF", true},
        {"a dash missing", "001122334455-6677-8899-aabbccddeeff0", false},
        {"a dash elsewhere", "0011223-34455-6677-8899-aabbccddeeff", false},
        {"too short", "00112233-4455-6677-8899-aabbccddeef", false},
        {"too long", "00112233-4455-6677-8899-aabbccddeeff0", false},
        {"no digit", "g0112233-4455-6677-8899-aabbccddeeff", false},
        {"braces", "{0112233-4455-6677-8899-aabbccddeef}", false},
        {"nothing", "", false},
    };
    static const uint8_t want[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                     0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            uint8_t got[16];

            CHECK(str_to_uuid(str_c(r->s), got) == r->good, r->says);
            if (r->good)
                assert_memory_equal(got, want, sizeof(want));
        }
}

static void knows_utf8(void **state)
{
    static const struct row {
        const char *says;
        struct str s;
        bool good;
    } rows[] = {
        {"nothing", {"", 0}, true},
        {"ASCII", STR("abc\x7f"), true},
        {"NUL", {"\0", 1}, true},
        {"two, three and four bytes", STR("\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80"), true},
        {"the last of each", STR("\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf"), true},
        {"around the surrogates", STR("\xed\x9f\xbf\xee\x80\x80"), true},
        {"a surrogate", STR("\xed\xa0\x80"), false},
        {"overlong in two", STR("\xc1\xbf"), false},
        {"overlong in three", STR("\xe0\x9f\xbf"), false},
        {"overlong in four", STR("\xf0\x8f\xbf\xbf"), false},
        {"above the last", STR("\xf4\x90\x80\x80"), false},
        {"far above", STR("\xf5\x80\x80\x80"), false},
        {"a byte that follows nothing", STR("a\x80"), false},
        {"cut after one of two", STR("\xc3"), false},
        {"cut after two of three", STR("\xe2\x82"), false},
        {"cut after three of four", STR("\xf0\x9f\x98"), false},
        {"the third byte is none", STR("\xe2\x82\x41"), false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
    CHECK(str_is_utf8(r->s) == r->good, r->says);
}

static void copies(void **state)
{
    char *copy = str_dup(str_from("abcdef", 3)), *empty = str_dup((struct str){0});

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

static void keeps_characters_whole(void **state)
{
    static const struct row {
        const char *says, *text, *whole;
    } rows[] = {
        {"nothing", "", ""},
        {"letters", "abc", "abc"},
        {"a whole character at the end", "ab\xc3\xa9", "ab\xc3\xa9"},
        {"half of it", "ab\xc3", "ab"},
        {"two of three bytes", "ab\xe2\x82", "ab"},
        {"three of four", "ab\xf0\x9f\x98", "ab"},
        {"one of four", "ab\xf0", "ab"},
        {"all four", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"the beginning is all there is", "\xe2\x82", ""},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            CHECK_STR(str_whole_utf8(str_c(r->text)), str_c(r->whole), r->says);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(finds_ends),
        cmocka_unit_test(splits_and_trims),
        cmocka_unit_test(globs),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_uuids),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(copies),
        cmocka_unit_test(keeps_characters_whole),
    };

    return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
