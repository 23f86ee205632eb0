#include "unit.h"

#include "vault/keys.h"

#define A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define B "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define A_URL "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define SHORT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="
#define LONG "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"

static void reads(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *ids; /* in order, a blank behind each */
    } rows[] = {
        {"one key", "k1:" A, "k1 "},
        {"two, the first of which seals", "k2:" B ",k1:" A, "k2 k1 "},
        {"lines, as a file has them", "k2:" B "\nk1:" A "\n", "k2 k1 "},
        {"lines of another system", "k2:" B "\r\nk1:" A "\r\n", "k2 k1 "},
        {"white space anywhere between", "\n , k2 : " B " ,\n\n\tk1:\t" A ",", "k2 k1 "},
        {"the alphabet of URLs, without padding", "k1:" A_URL, "k1 "},
        {"all that an id may be", "A-z_0.9:" A, "A-z_0.9 "},
        {"an id of 32 bytes", "a2345678901234567890123456789012:" A,
         "a2345678901234567890123456789012 "},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct vault_keys *keys;
            struct err err;
            struct buf ids;

            if (vault_keys_parse(str_c(r->text), &keys, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            buf_init(&ids, 1000);
            for (size_t i = 0; i < vault_keys_count(keys); i++)
                buf_addf(&ids, "%s ", vault_keys_at(keys, i)->id);
            CHECK_STR(buf_str(&ids), str_c(r->ids), r->says);
            buf_fini(&ids);
            vault_keys_free(keys);
        }
}

static void keeps_the_bytes(void **state)
{
    struct vault_keys *keys;
    struct err err;

    (void)state;
    assert_int_equal(vault_keys_parse(STR("k1:" A ",k2:" B), &keys, &err), OK);
    for (uint8_t i = 0; i < VAULT_KEY_BYTES; i++) {
        assert_int_equal(vault_keys_find(keys, STR("k1"))->bytes[i], i);
        assert_int_equal(vault_keys_find(keys, STR("k2"))->bytes[i], i + 32);
    }
    assert_null(vault_keys_find(keys, STR("k")));
    assert_null(vault_keys_find(keys, STR("k11")));
    assert_null(vault_keys_find(keys, STR("")));
    vault_keys_free(keys);
}

static void refuses_without_quoting_a_key(void **state)
{
    static const struct row {
        const char *says, *text, *error;
    } rows[] = {
        {"nothing", "", "no key in it; make one with: pgherald oauth keygen"},
        {"only separators", " ,\n, ", "no key in it"},
        {"no id", A, "key 1: it has to be id:base64"},
        {"an empty id", ":" A, "key 1: it has to be id:base64"},
        {"a bad character", "k1:" A ",k/2:" B, "key 2: it has to be id:base64"},
        {"an id of 33 bytes", "a23456789012345678901234567890123:" A, "1 to 32 of the characters"},
        {"the wrong order", A ":k1", "key 1: it has to be id:base64"},
        {"the wrong order, where all characters are allowed", A_URL ":k1", "key 1: it has to be"},
        {"31 bytes", "k1:" SHORT, "key 1 (k1): 31 bytes, 32 are needed; make one with"},
        {"33 bytes", "k1:" LONG, "key 1 (k1): 33 bytes, 32 are needed"},
        {"no bytes", "k1:", "key 1 (k1): 0 bytes, 32 are needed"},
        {"many bytes", "k1:" LONG LONG LONG, "key 1 (k1): more than 64 bytes"},
        {"no base64", "k1:" A "!", "key 1 (k1): not base64"},
        {"two ids", "k1:k2:" A, "key 1 (k1): not base64"},
        {"an id twice", "k1:" A ",k1:" B, "key 2 (k1): another key has this id already"},
        {"a key twice", "k1:" A ",k2:" A, "key 2 (k2): the same bytes as key k1"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct vault_keys *keys;
            struct err err = {""};

            CHECK(vault_keys_parse(str_c(r->text), &keys, &err) == FAILED && !keys, r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
            CHECK(!strstr(err.message, "AwQF") && !strstr(err.message, "IyQl"), r->says);
        }
}

static void reads_text_cut_anywhere(void **state)
{
    static const char text[] = "k2:" B ",k1:" A "\nk3:";
    struct vault_keys *keys;
    struct err err;

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        char *block = malloc(len ? len : 1);

        memcpy(block, text, len);
        if (vault_keys_parse(str_from(block, len), &keys, &err) == OK)
            vault_keys_free(keys);
        free(block);
    }
}

static void takes_a_bounded_number(void **state)
{
    struct vault_keys *keys;
    struct err err = {""};
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    for (int i = 0; i <= VAULT_KEYS_MAX; i++) {
        assert_int_equal(vault_key_generate(&text, 0, &err), OK);
        buf_add_char(&text, '\n');
        /* two random ends may be the same, so the ids are made to differ */
        text.data[text.len - 60] = (char)('A' + i % 26);
        text.data[text.len - 59] = (char)('A' + i / 26);
        if (i == VAULT_KEYS_MAX - 1) {
            assert_int_equal(vault_keys_parse(buf_str(&text), &keys, &err), OK);
            assert_int_equal(vault_keys_count(keys), VAULT_KEYS_MAX);
            vault_keys_free(keys);
        }
    }
    assert_int_equal(vault_keys_parse(buf_str(&text), &keys, &err), FAILED);
    assert_string_equal(err.message, "more than 64 keys");
    buf_wipe(&text);
}

static void generates(void **state)
{
    struct vault_keys *keys;
    struct buf first, second;
    struct err err;

    (void)state;
    buf_init(&first, 1000);
    buf_init(&second, 1000);
    assert_int_equal(vault_key_generate(&first, INT64_C(1795405721000000), &err), OK);
    assert_int_equal(vault_key_generate(&second, INT64_C(1795405721000000), &err), OK);
    CHECK(str_starts(buf_str(&first), STR("k20261123-")), "the id begins with the day");
    CHECK(memcmp(first.data + 15, second.data + 15, 44) != 0, "each is another key");
    assert_int_equal(vault_keys_parse(buf_str(&first), &keys, &err), OK);
    vault_keys_free(keys);
    buf_wipe(&first);
    buf_wipe(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(keeps_the_bytes),
        cmocka_unit_test(refuses_without_quoting_a_key),
        cmocka_unit_test(reads_text_cut_anywhere),
        cmocka_unit_test(takes_a_bounded_number),
        cmocka_unit_test(generates),
    };

    return cmocka_run_group_tests_name("vault/keys", tests, NULL, NULL);
}
