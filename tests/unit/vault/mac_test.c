#include "unit.h"

#include "base/encode.h"
#include "vault/mac.h"

/* RFC 4231, test case 2: a key is filled up with zeros, so this one has 32 bytes as well. */
#define KEY "4a65666500000000000000000000000000000000000000000000000000000000"
#define TEXT "what do ya want for nothing?"
#define CODE "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

static void read_code(uint8_t out[MAC_BYTES])
{
    struct buf bytes;

    buf_init(&bytes, MAC_BYTES);
    assert_true(hex_decode(&bytes, STR(CODE)));
    memcpy(out, bytes.data, MAC_BYTES);
    buf_fini(&bytes);
}

static void test_code(void **state)
{
    uint8_t code[MAC_BYTES];
    struct mac_key key;

    (void)state;
    read_code(code);
    assert_true(mac_key_read(&key, STR(KEY)));
    assert_true(mac_is_valid(&key, STR(TEXT), code));
    assert_false(mac_is_valid(&key, STR(TEXT "?"), code));
    key.bytes[31] ^= 1;
    assert_false(mac_is_valid(&key, STR(TEXT), code));
    key.bytes[31] ^= 1;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        code[i] ^= 1;
        assert_false(mac_is_valid(&key, STR(TEXT), code));
        code[i] ^= 1;
    }
}

static void test_unknown_key(void **state)
{
    static const char *const wrong[] = {"", "00", KEY "00", "zz" KEY};
    uint8_t code[MAC_BYTES];
    struct mac_key key = {.is_known = true};

    (void)state;
    read_code(code);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(mac_key_read(&key, str_c(wrong[i])));
        assert_false(mac_is_valid(&key, STR(TEXT), code));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_unknown_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
