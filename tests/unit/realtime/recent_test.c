#include "fixture.h"

#include "realtime/recent.h"

static void check(const char *says, const struct recent *recent, uint64_t now_ms, const char *want)
{
    struct buf out;

    buf_init(&out, 65536);
    recent_write(recent, now_ms, &out);
    check_text(says, buf_str(&out), want);
    buf_fini(&out);
}

static void test_recent(void **state)
{
    struct recent recent = {0};

    (void)state;
    check("nothing yet", &recent, 1000, "{}");
    recent_note(&recent, 7, 1000);
    for (int i = 0; i < 10000; i++) /* the messages of one transaction */
        recent_note(&recent, 8, 2000);
    recent_note(&recent, UINT32_MAX, 3000);
    check("each transaction once", &recent, 3000, "{7,8,4294967295}");
    check("for ten seconds", &recent, 11500, "{8,4294967295}");
    check("and no longer", &recent, 20000, "{}");
}

static void test_many(void **state)
{
    struct recent recent = {0};
    struct buf out;

    (void)state;
    for (uint32_t xid = 1; xid <= RECENT_MAX + 2; xid++)
        recent_note(&recent, xid, 1000);
    buf_init(&out, 65536);
    recent_write(&recent, 1000, &out);
    assert_true(str_starts(buf_str(&out), STR("{257,258,3,4,"))); /* the oldest are replaced */
    assert_true(str_ends(buf_str(&out), STR(",255,256}")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recent),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
