/* memmem() */
#define _GNU_SOURCE
#include "fixture.h"

#include "daemon/auth_event.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define ANN_BYTES "\xaa\xaa\xaa\xaa\0\0\x40\0\x80\0\0\0\0\0\0\1"
#define ENTRY(payload, address)                                                                    \
    "{\"action\":\"I\",\"schema\":\"auth\",\"table\":\"audit_log_entries\",\"columns\":["          \
    "{\"name\":\"id\",\"typeoid\":2950,\"value\":\"7d9f0b7e-1111-4222-8333-444455556666\"},"       \
    "{\"name\":\"payload\",\"typeoid\":114,\"value\":" payload "},"                                \
    "{\"name\":\"ip_address\",\"typeoid\":1043,\"value\":\"" address "\"}]}"
#define LOGIN                                                                                      \
    "\"{\\\"action\\\":\\\"login\\\",\\\"actor_id\\\":\\\"" ANN                                    \
    "\\\",\\\"traits\\\":{\\\"provider\\\":\\\"email\\\"}}\""

static struct batch batch;

static void add(const char *message)
{
    static const struct position position = {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036208),
                                             771};
    struct decoder *decoder = decoder_new_wal2json();
    struct change change = fixture_read(decoder, message);
    struct err err = {0};

    batch_reset(&batch);
    assert_int_equal(auth_event_add(&batch, &change, &position, &err), OK);
    decoder_free(decoder);
}

static bool has(struct str bytes)
{
    return memmem(batch.audit.data, batch.audit.len, bytes.data, bytes.len) != NULL;
}

static void test_login(void **state)
{
    (void)state;
    add(ENTRY(LOGIN, "203.0.113.9"));
    assert_int_equal(batch.audit_rows, 1);
    assert_true(has(STR("\0\0\0\5login\0\0\0\4auth\xff\xff\xff\xff\xff\xff\xff\xff")));
    assert_true(has(STR("\0\0\0\x10" ANN_BYTES "\0\0\0\x08\2\x20\0\4\xcb\0\x71\x09")));
    assert_true(has(STR("\1{\"source\":\"auth\",\"id\":\"7d9f0b7e-1111-4222-8333-444455556666\","
                        "\"event\":{\"action\":\"login\",\"actor_id\":\"" ANN
                        "\",\"traits\":{\"provider\":\"email\"}}}")));
    add(ENTRY(LOGIN, ""));
    assert_int_equal(batch.audit_rows, 1);
    assert_true(has(STR(ANN_BYTES "\xff\xff\xff\xff")));
}

static void test_no_entry(void **state)
{
    static const struct {
        const char *says, *message;
    } rows[] = {
        {"no payload", ENTRY("null", "")},
        {"no object", ENTRY("\"[]\"", "")},
        {"cut JSON", ENTRY("\"{\\\"action\\\":\"", "")},
        {"no action", ENTRY("\"{\\\"a\\\":1}\"", "")},
        {"an action that is no text", ENTRY("\"{\\\"action\\\":1}\"", "")},
        {"what jsonb does not take",
         ENTRY("\"{\\\"action\\\":\\\"x\\\",\\\"b\\\":\\\"\\\\u0000\\\"}\"", "")},
        {"other columns", "{\"action\":\"I\",\"schema\":\"auth\",\"table\":\"audit_log_entries\","
                          "\"columns\":[]}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        add(rows[i].message);
        if (batch.audit_rows > 0)
            fail_msg("%s: an entry", rows[i].says);
    }
}

static int set_up(void **state)
{
    (void)state;
    batch_init(&batch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    batch_fini(&batch);
    return 0;
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_login), TEST(test_no_entry)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
