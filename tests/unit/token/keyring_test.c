#include "token/keyring.h"
#include "unit.h"

#include "token/keys.h"

#define USER "aaaaaaaa-0000-4000-8000-000000000001"

static void test_finding(void **state)
{
    struct keyring *ring = keyring_new(10);
    struct test_key one, two;

    (void)state;
    test_key_init(&one, 1, USER, "[\"realtime\"]");
    test_key_init(&two, 2, NULL, "[]");
    two.row.expires = 100;
    assert_true(keyring_put(ring, &one.row, 0));
    assert_true(keyring_put(ring, &two.row, 0));
    assert_int_equal(keyring_count(ring), 2);
    assert_string_equal(keyring_find(ring, str_c(one.text), 50)->user_id, USER);
    assert_string_equal(keyring_find_id(ring, str_c(one.id), 50)->name, "a \"key\"");
    assert_null(keyring_find(ring, str_c(two.text), 50)->user_id);
    CHECK(!keyring_find(ring, str_c(two.text), 100), "expired, this very second");
    CHECK(!keyring_find_id(ring, str_c(two.id), 100), "by its id too");
    CHECK(!keyring_find(ring, str_from(one.text, 67), 50), "a part of a key");
    CHECK(!keyring_find(ring, str_from(one.text, 69), 50), "with a byte more");
    CHECK(!keyring_find(ring, STR(""), 50), "nothing");
    CHECK(!keyring_find(ring, str_from((char *)one.row.hash, 32), 50), "the hash is no key");
    keyring_free(ring);
}

static void test_junk(void **state)
{
    struct keyring *ring = keyring_new(10);
    char text[4096];
    struct test_key key, wide;

    (void)state;
    test_key_init(&key, 1, NULL, "[]");
    assert_true(keyring_put(ring, &key.row, 0));
    memset(text, 0xff, sizeof(text));
    for (size_t len = 0; len < sizeof(text); len += 7)
        CHECK(!keyring_find(ring, str_from(text, len), 0), "bytes that are no text");
    test_key_init(&wide, 2, NULL, "[]");
    SHA256((const uint8_t *)text, sizeof(text), wide.row.hash);
    assert_true(keyring_put(ring, &wide.row, 0));
    CHECK(!keyring_find(ring, str_from(text, sizeof(text)), 0), "no key is so long: not hashed");
    keyring_free(ring);
}

/* Whether what was opened by a key has to be looked at again. */
static void test_generation(void **state)
{
    static const char *const users[] = {USER, "bbbbbbbb-0000-4000-8000-000000000002"};
    struct keyring *ring = keyring_new(10);
    uint64_t generation = keyring_generation(ring);
    struct test_key key;

#define EXPECT(moved, says)                                                                        \
    do {                                                                                           \
        CHECK((keyring_generation(ring) != generation) == (moved), says);                          \
        generation = keyring_generation(ring);                                                     \
    } while (0)

    (void)state;
    test_key_init(&key, 1, users[0], "[\"realtime\"]");
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(false, "a key that is new");
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(false, "the same once more");
    key.row.per_minute = 1;
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(false, "another rate");
    key.row.expires = 5;
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(true, "an end, as after a rotation with grace");
    key.row.scopes = STR("[]");
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(true, "other scopes");
    key.row.user_id = str_c(users[1]);
    assert_true(keyring_put(ring, &key.row, 0));
    EXPECT(true, "another user");
    assert_int_equal(keyring_count(ring), 1);
    keyring_drop_missing(ring, str_c(key.id));
    EXPECT(false, "read again, and found");
    keyring_begin(ring);
    keyring_drop_missing(ring, str_c(key.id));
    EXPECT(true, "gone");
    keyring_drop_missing(ring, str_c(key.id));
    EXPECT(false, "gone already");
    assert_int_equal(keyring_count(ring), 0);
    keyring_free(ring);
}

static void test_loading(void **state)
{
    struct keyring *ring = keyring_new(1000);
    struct test_key keys[300];
    struct allowance left;

    (void)state;
    for (unsigned i = 0; i < COUNT(keys); i++)
        test_key_init(&keys[i], i, NULL, "[]");
    keyring_begin(ring);
    for (unsigned i = 0; i < 200; i++)
        assert_true(keyring_put(ring, &keys[i].row, 0));
    keyring_end(ring);
    assert_int_equal(keyring_count(ring), 200);
    assert_int_equal(quota_take(keyring_find_id(ring, str_c(keys[150].id), 0)->quota, 0, &left), 0);
    keyring_begin(ring);
    for (unsigned i = 100; i < 300; i++)
        assert_true(keyring_put(ring, &keys[i].row, 0));
    keyring_end(ring);
    assert_int_equal(keyring_count(ring), 200);
    for (unsigned i = 0; i < COUNT(keys); i++)
        CHECK(!keyring_find(ring, str_c(keys[i].text), 0) == (i < 100), "what is gone is gone");
    assert_int_equal(quota_left(keyring_find_id(ring, str_c(keys[150].id), 0)->quota, 0).remaining,
                     59);
    keyring_begin(ring);
    keyring_end(ring);
    assert_int_equal(keyring_count(ring), 0);
    keyring_free(ring);
}

static void test_replacing(void **state)
{
    struct keyring *ring = keyring_new(10);
    struct test_key key, other;
    struct allowance left;

    (void)state;
    test_key_init(&key, 1, NULL, "[]");
    test_key_init(&other, 2, NULL, "[]");
    assert_true(keyring_put(ring, &key.row, 0));
    assert_int_equal(quota_take(keyring_find_id(ring, str_c(key.id), 0)->quota, 0, &left), 0);
    memcpy(key.row.hash, other.row.hash, sizeof(key.row.hash));
    key.row.per_minute = 30;
    assert_true(keyring_put(ring, &key.row, 0));
    CHECK(!keyring_find(ring, str_c(key.text), 0), "the old text of the same key");
    CHECK(keyring_find(ring, str_c(other.text), 0), "its new one");
    assert_int_equal(quota_left(keyring_find_id(ring, str_c(key.id), 0)->quota, 0).remaining, 29);
    keyring_free(ring);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *says, *id, *scopes;
        uint32_t per_minute;
    } rows[] = {
        {"no uuid", "x", "[]", 60},
        {"no id", "", "[]", 60},
        {"scopes that are no list", "00000000-0000-4000-8000-000000000001", "{}", 60},
        {"no rate", "00000000-0000-4000-8000-000000000001", "[]", 0},
    };
    struct keyring *ring = keyring_new(2);
    struct test_key keys[3];

    (void)state;
    for (unsigned i = 0; i < COUNT(keys); i++)
        test_key_init(&keys[i], i + 1, NULL, "[]");
    assert_true(keyring_put(ring, &keys[0].row, 0));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct key_row row = keys[0].row;

        row.id = str_c(rows[i].id);
        row.scopes = str_c(rows[i].scopes);
        row.per_minute = rows[i].per_minute;
        CHECK(!keyring_put(ring, &row, 0), rows[i].says);
    }
    CHECK(!keyring_find_id(ring, str_c(keys[0].id), 0), "and its old version is not believed");
    assert_true(keyring_put(ring, &keys[0].row, 0));
    assert_true(keyring_put(ring, &keys[1].row, 0));
    CHECK(!keyring_put(ring, &keys[2].row, 0), "one too many");
    CHECK(keyring_put(ring, &keys[1].row, 0), "one that is there is not");
    keyring_begin(ring);
    keyring_drop_missing(ring, str_c(keys[0].id));
    CHECK(keyring_put(ring, &keys[2].row, 0), "until another has gone");
    keyring_free(ring);
}

static void test_expiry(void **state)
{
    struct keyring *ring = keyring_new(10);
    struct test_key keys[3];

    (void)state;
    for (unsigned i = 0; i < COUNT(keys); i++) {
        test_key_init(&keys[i], i, NULL, "[]");
        keys[i].row.expires = i == 2 ? KEY_FOREVER : (int64_t)i * 100;
        assert_true(keyring_put(ring, &keys[i].row, 0));
    }
    assert_int_equal(keyring_drop_expired(ring, 99), 1);
    assert_int_equal(keyring_drop_expired(ring, 100), 1);
    assert_int_equal(keyring_drop_expired(ring, INT64_MAX - 1), 0);
    assert_int_equal(keyring_count(ring), 1);
    keyring_free(ring);
}

static void test_trust(void **state)
{
    struct keyring *ring = keyring_new(2);

    (void)state;
    CHECK(!keyring_is_trusted(ring, 0), "not before it was loaded");
    keyring_trust_until(ring, 1000);
    CHECK(keyring_is_trusted(ring, 999), "until then");
    CHECK(!keyring_is_trusted(ring, 1000), "and no longer");
    keyring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding),    cmocka_unit_test(test_junk),
        cmocka_unit_test(test_generation), cmocka_unit_test(test_loading),
        cmocka_unit_test(test_replacing),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_expiry),     cmocka_unit_test(test_trust),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
