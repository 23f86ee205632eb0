#include "unit.h"

#include "base/lsn.h"

static void parses(void **state)
{
    static const struct row {
        const char *says, *text;
        bool good;
        lsn_t lsn;
    } rows[] = {
        {"none", "0/0", true, 0},
        {"both halves", "16/B374D848", true, UINT64_C(0x16B374D848)},
        {"lower case", "16/b374d848", true, UINT64_C(0x16B374D848)},
        {"the largest", "FFFFFFFF/FFFFFFFF", true, UINT64_MAX},
        {"too many digits", "100000000/0", false, 0},
        {"too many behind", "0/100000000", false, 0},
        {"no slash", "16B374D848", false, 0},
        {"nothing before it", "/0", false, 0},
        {"nothing behind it", "0/", false, 0},
        {"two slashes", "0/0/0", false, 0},
        {"no digit", "0/G", false, 0},
        {"a space", "0/ 1", false, 0},
        {"nothing", "", false, 0},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            lsn_t lsn = 0;

            CHECK(lsn_parse(str_c(r->text), &lsn) == r->good, r->says);
            CHECK(lsn == r->lsn, r->says);
        }
}

static void writes(void **state)
{
    char out[LSN_TEXT];

    (void)state;
    assert_string_equal(lsn_format(0, out), "0/0");
    assert_string_equal(lsn_format(UINT64_C(0x16B374D848), out), "16/B374D848");
    assert_string_equal(lsn_format(UINT64_C(0x100000001), out), "1/1");
    assert_string_equal(lsn_format(UINT64_MAX, out), "FFFFFFFF/FFFFFFFF");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(writes),
    };

    return cmocka_run_group_tests_name("base/lsn", tests, NULL, NULL);
}
