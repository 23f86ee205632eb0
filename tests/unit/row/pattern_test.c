#include "unit.h"

#include "row/pattern.h"

static const struct row {
    const char *says;
    enum pattern_kind kind;
    bool ignore_case;
    const char *pattern, *text;
    bool matches;
} rows[] = {
    {"the same text", PATTERN_LIKE, false, "abc", "abc", true},
    {"a quantifier that is not greedy matches all the same", PATTERN_REGEX, false, "^a+?b*?c??$",
     "aab", true},
    {"and no less", PATTERN_REGEX, false, "^a+?$", "b", false},
    {"many quantifiers side by side", PATTERN_REGEX, false, "^a+b+c+d*e?f{2}g{1,}(h+)+$",
     "aabcdffgghh", true},
    {"capitals differ", PATTERN_LIKE, false, "abc", "aBc", false},
    {"unless they do not matter", PATTERN_LIKE, true, "abc", "aBC", true},
    {"percent is anything", PATTERN_LIKE, false, "%b%", "abc", true},
    {"and nothing", PATTERN_LIKE, false, "%abc%", "abc", true},
    {"a star is a percent", PATTERN_LIKE, false, "a*c", "abbbc", true},
    {"the whole text has to match", PATTERN_LIKE, false, "b", "abc", false},
    {"underscore is one character", PATTERN_LIKE, false, "a_c", "abc", true},
    {"not none", PATTERN_LIKE, false, "a_c", "ac", false},
    {"one of several bytes", PATTERN_LIKE, false, "a_c",
     "a\xc3\xa9"
     "c",
     true},
    {"not half of one", PATTERN_LIKE, false, "a__c",
     "a\xc3\xa9"
     "c",
     false},
    {"an escaped percent", PATTERN_LIKE, false, "100\\%", "100%", true},
    {"is no wildcard", PATTERN_LIKE, false, "100\\%", "1000", false},
    {"an escaped star", PATTERN_LIKE, false, "\\*", "*", true},
    {"an escaped underscore", PATTERN_LIKE, false, "a\\_c", "abc", false},
    {"an escaped backslash", PATTERN_LIKE, false, "a\\\\b", "a\\b", true},
    {"an escaped letter is the letter", PATTERN_LIKE, false, "\\a", "a", true},
    {"going back to a later start", PATTERN_LIKE, false, "%ab", "aaab", true},
    {"to one that overlaps", PATTERN_LIKE, false, "%ab", "aab", true},
    {"two runs", PATTERN_LIKE, false, "a%b%c", "a--b--b-c", true},
    {"no text", PATTERN_LIKE, false, "%", "", true},
    {"no pattern", PATTERN_LIKE, false, "", "a", false},
    {"neither", PATTERN_LIKE, false, "", "", true},
    {"more pattern than text", PATTERN_LIKE, false, "abc", "ab", false},

    {"an expression matches anywhere", PATTERN_REGEX, false, "b", "abc", true},
    {"unless it is anchored", PATTERN_REGEX, false, "^b", "abc", false},
    {"alternatives", PATTERN_REGEX, false, "^(a|b)+$", "abba", true},
    {"capitals differ in one", PATTERN_REGEX, false, "B", "abc", false},
    {"unless they do not matter there", PATTERN_REGEX, true, "B", "abc", true},
    {"digits", PATTERN_REGEX, false, "^\\d{3}$", "123", true},
    {"no digits", PATTERN_REGEX, false, "^\\D+$", "12a", false},
    {"digits within brackets", PATTERN_REGEX, false, "^[\\d.]+$", "1.2.3", true},
    {"words", PATTERN_REGEX, false, "^\\w+$", "a_1", true},
    {"words within brackets", PATTERN_REGEX, false, "^[\\w-]+$", "a-1", true},
    {"white space", PATTERN_REGEX, false, "a\\sb", "a\tb", true},
    {"the start of a word", PATTERN_REGEX, false, "\\mfoo", "a foo", true},
    {"not within one", PATTERN_REGEX, false, "\\mfoo", "afoo", false},
    {"the end of a word", PATTERN_REGEX, false, "foo\\M", "foob", false},
    {"the edge of a word", PATTERN_REGEX, false, "\\yfoo\\y", "a foo b", true},
    {"the start of all", PATTERN_REGEX, false, "\\Aab\\Z", "ab", true},
    {"an escaped dot", PATTERN_REGEX, false, "^a\\.b$", "axb", false},
    {"a dot within brackets", PATTERN_REGEX, false, "^a[.]b$", "axb", false},
    {"a bracket that comes first within brackets", PATTERN_REGEX, false, "^[]a]+$", "]a", true},
    {"and does not end them", PATTERN_REGEX, false, "^[]\\d]+$", "]5]", true},
    {"a negated one", PATTERN_REGEX, false, "^[^]a]+$", "bc", true},
    {"a named class", PATTERN_REGEX, false, "^[[:alpha:]]+$", "ab", true},
    {"an escaped slash within brackets", PATTERN_REGEX, false, "^[\\/]$", "/", true},
    {"non-greedy changes nothing", PATTERN_REGEX, false, "a.*?b", "axxb", true},
    {"no text at all", PATTERN_REGEX, false, "^$", "", true},
};

static void matches(void **state)
{
    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct err err = {""};
            struct pattern *pattern;

            if (pattern_new(str_c(r->pattern), r->kind, r->ignore_case, &pattern, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            CHECK(pattern_matches(pattern, str_c(r->text)) == r->matches, r->says);
            pattern_free(pattern);
        }
}

static void refuses(void **state)
{
    static const struct {
        const char *says;
        enum pattern_kind kind;
        const char *pattern, *error;
    } refused[] = {
        {"a backslash at the end", PATTERN_LIKE, "a\\", "must not end with a backslash"},
        {"in an expression too", PATTERN_REGEX, "a\\", "must not end with a backslash"},
        {"an open group", PATTERN_REGEX, "(a", "nmatched"},
        {"open brackets", PATTERN_REGEX, "[a", "bracket is not closed"},
        {"a back reference", PATTERN_REGEX, "(a)\\1", "\\1 is not known"},
        {"look-ahead", PATTERN_REGEX, "a(?=b)", "(? is not known"},
        {"an option", PATTERN_REGEX, "(?i)a", "(? is not known"},
        {"an unknown class", PATTERN_REGEX, "\\p", "\\p is not known; allowed: \\d"},
        {"one within brackets", PATTERN_REGEX, "[\\D]", "not known within brackets"},
        {"an escaped bracket within", PATTERN_REGEX, "[\\]]", "not known within brackets"},
        {"many repetitions", PATTERN_REGEX, "a{256}", "repeat more than 255"},
        {"nested ones multiply", PATTERN_REGEX, "((a{10}){10}){10}", "repeat more than 255"},
        {"a plus after a plus doubles each time", PATTERN_REGEX, "a++++++++++++++++++++++++",
         "a quantifier cannot follow another"},
        {"so does {1,}", PATTERN_REGEX, "a{1,}{1,}", "a quantifier cannot follow another"},
        {"and a plus behind a group that has one", PATTERN_REGEX,
         "((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+", "larger than 2048 nodes"},
        {"and {1,} there", PATTERN_REGEX,
         "((((((((((((a{1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}){1,}",
         "larger than 2048 nodes"},
        {"a long text, repeated", PATTERN_REGEX, "(0123456789abcdefghij){255}",
         "larger than 2048 nodes"},
        {"groups without end", PATTERN_REGEX,
         "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a",
         "nested deeper than 63"},
        {"an open brace", PATTERN_REGEX, "a{1", "brace is not closed"},
        {"an open range is counted by its start", PATTERN_REGEX, "(a{20,}){20}", "more than 255"},
        {"a number beyond any type", PATTERN_REGEX, "a{99999999999999999999}", "more than 255"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct err err = {""};
        struct pattern *pattern;

        CHECK(pattern_new(str_c(refused[i].pattern), refused[i].kind, false, &pattern, &err) ==
                  FAILED,
              refused[i].says);
        CHECK(pattern == NULL, refused[i].says);
        if (!strstr(err.message, refused[i].error))
            fail_msg("%s: the message is \"%s\"", refused[i].says, err.message);
    }
}

static void is_bounded(void **state)
{
    size_t len = PATTERN_MAX_SUBJECT + 1;
    char *text = malloc(1024 * 1024), pattern_text[PATTERN_MAX_BYTES + 1];
    struct pattern *pattern;
    struct err err;

    (void)state;
    memset(text, 'a', 1024 * 1024);
    assert_int_equal(pattern_new(STR("a"), PATTERN_REGEX, false, &pattern, &err), OK);
    CHECK(pattern_matches(pattern, str_from(text, len - 1)), "the longest text of an expression");
    CHECK(!pattern_matches(pattern, str_from(text, len)), "a longer one does not match");
    for (int i = 0; i < 40; i++) /* enough to be compiled anew */
        CHECK(pattern_matches(pattern, str_from(text, len - 1)), "again and again");
    pattern_free(pattern);

    memset(pattern_text, 'a', sizeof(pattern_text));
    CHECK(pattern_new(str_from(pattern_text, sizeof(pattern_text)), PATTERN_LIKE, false, &pattern,
                      &err) == FAILED,
          "a pattern has a length");
    memset(pattern_text, '_', sizeof(pattern_text));
    pattern_text[0] = '%';
    pattern_text[PATTERN_MAX_BYTES - 1] = 'b';
    assert_int_equal(
        pattern_new(str_from(pattern_text, PATTERN_MAX_BYTES), PATTERN_LIKE, false, &pattern, &err),
        OK);
    text[1024 * 1024 - 1] = 'b'; /* a match in the end */
    CHECK(!pattern_matches(pattern, str_from(text, 1024 * 1024)), "a slow one is given up");
    pattern_free(pattern);
    CHECK(pattern_new(str_from("[\0", 2), PATTERN_REGEX, false, &pattern, &err) == FAILED,
          "a NUL byte");
    pattern_free(NULL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(refuses),
        cmocka_unit_test(is_bounded),
    };

    return cmocka_run_group_tests_name("row/pattern", tests, NULL, NULL);
}
