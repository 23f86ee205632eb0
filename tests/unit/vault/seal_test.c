/* memmem() */
#define _GNU_SOURCE
#include "unit.h"

#include "base/encode.h"
#include "vault/seal.h"

#define USER "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define OTHER_USER "1b4e28ba-2fa1-41d2-883f-0016d3cca428"
#define ACCOUNT "108204268033311374519"
#define TOKEN "ya29.example-access-token"

/* The example of docs/oauth-tokens.md, made with node's crypto. */
#define EXAMPLE_KEY "example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define EXAMPLE_SEALED                                                                             \
    "01a0a1a2a3a4a5a6a7a8a9aaab9f794e146bae7ade0f15ebb62a1ba3bd15df2a3de6d82909f2"                 \
    "42b6a9e9e9e9d5cb3e81563d591ef78b"

static const struct seal_place place = {"google_oauth_tokens",
                                        {USER, sizeof(USER) - 1},
                                        {ACCOUNT, sizeof(ACCOUNT) - 1},
                                        "access_token_encrypted"};

static struct vault_keys *keys(const char *text)
{
    struct vault_keys *out;
    struct err err;

    if (vault_keys_parse(str_c(text), &out, &err) != OK)
        fail_msg("%s", err.message);
    return out;
}

static void opens_the_documented_example(void **state)
{
    struct vault_keys *set = keys(EXAMPLE_KEY);
    struct buf sealed, plain;
    struct err err;

    (void)state;
    buf_init(&sealed, SEAL_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    assert_true(hex_decode(&sealed, STR(EXAMPLE_SEALED)));
    if (seal_open(vault_keys_at(set, 0), &place, buf_str(&sealed), &plain, &err) != OK)
        fail_msg("%s", err.message);
    CHECK_STR(buf_str(&plain), STR(TOKEN), "what another program sealed");
    buf_wipe(&plain);
    buf_fini(&sealed);
    vault_keys_free(set);
}

static void seals_and_opens_every_length(void **state)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 2048, SEAL_PLAIN_MAX - 1, SEAL_PLAIN_MAX};
    static char text[SEAL_PLAIN_MAX + 1];
    struct vault_keys *set = keys(EXAMPLE_KEY);
    const struct vault_key *key = vault_keys_at(set, 0);
    struct buf sealed, plain;
    struct err err;

    (void)state;
    buf_init(&sealed, SEAL_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct str in = str_from(text, lengths[i]);

        buf_clear(&sealed);
        buf_clear(&plain);
        if (seal(key, &place, in, &sealed, &err) != OK ||
            seal_open(key, &place, buf_str(&sealed), &plain, &err) != OK)
            fail_msg("%zu bytes: %s", lengths[i], err.message);
        CHECK(sealed.len == lengths[i] + SEAL_OVERHEAD && sealed.data[0] == 1, "the form");
        CHECK_STR(buf_str(&plain), in, "what came in comes out");
        CHECK(lengths[i] < 16 || !memmem(sealed.data, sealed.len, text, 16), "and is hidden");
    }
    buf_clear(&sealed);
    assert_int_equal(seal(key, &place, str_from(text, sizeof(text)), &sealed, &err), FAILED);
    CHECK_STR(str_c(err.message), STR("65537 bytes, at most 65536 can be sealed"), "the limit");
    CHECK(sealed.len == 0, "nothing was appended");
    buf_wipe(&plain);
    buf_fini(&sealed);
    vault_keys_free(set);
}

static void never_seals_twice_alike(void **state)
{
    struct vault_keys *set = keys(EXAMPLE_KEY);
    struct buf first, second;
    struct err err;

    (void)state;
    buf_init(&first, SEAL_MAX);
    buf_init(&second, SEAL_MAX);
    for (int i = 0; i < 100; i++) {
        buf_clear(&second);
        assert_int_equal(seal(vault_keys_at(set, 0), &place, STR(TOKEN), &second, &err), OK);
        CHECK(first.len == 0 || memcmp(first.data + 1, second.data + 1, 12) != 0,
              "each has a nonce of its own");
        buf_clear(&first);
        buf_add_str(&first, buf_str(&second));
    }
    buf_fini(&first);
    buf_fini(&second);
    vault_keys_free(set);
}

/* In a block that ends where the value ends, so that a read beyond it is seen. */
static enum result open_exactly(const struct vault_key *key, const char *sealed, size_t len,
                                struct buf *plain, struct err *err)
{
    char *block = malloc(len ? len : 1);
    enum result result;

    memcpy(block, sealed, len);
    result = seal_open(key, &place, str_from(block, len), plain, err);
    free(block);
    return result;
}

static void notices_every_change(void **state)
{
    struct vault_keys *set = keys(EXAMPLE_KEY);
    const struct vault_key *key = vault_keys_at(set, 0);
    struct buf sealed, plain;
    struct err err;

    (void)state;
    buf_init(&sealed, SEAL_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    buf_add_c(&plain, "kept");
    assert_true(hex_decode(&sealed, STR(EXAMPLE_SEALED)));
    for (size_t i = 0; i < sealed.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            sealed.data[i] ^= (char)(1 << bit);
            if (open_exactly(key, sealed.data, sealed.len, &plain, &err) == OK)
                fail_msg("bit %d of byte %zu may change", bit, i);
            sealed.data[i] ^= (char)(1 << bit);
        }
        if (open_exactly(key, sealed.data, i, &plain, &err) == OK)
            fail_msg("%zu bytes are enough", i);
    }
    buf_add_char(&sealed, 'x');
    CHECK(open_exactly(key, sealed.data, sealed.len, &plain, &err) == FAILED, "a byte more");
    CHECK_STR(buf_str(&plain), STR("kept"), "nothing of what did not open is left");
    CHECK(!memmem(plain.data, plain.cap, "a29.", 4), "not even behind the end");
    CHECK(!strstr(err.message, "ya29"), "nor in the error");
    buf_wipe(&plain);
    buf_fini(&sealed);
    vault_keys_free(set);
}

static void opens_in_its_place_only(void **state)
{
    static const struct row {
        const char *says;
        const char *table, *user, *account, *column, *keys;
        bool opens;
    } rows[] = {
        {"the same place", "google_oauth_tokens", USER, ACCOUNT, "access_token_encrypted",
         EXAMPLE_KEY, true},
        {"a uuid in capitals", "google_oauth_tokens", "1B4E28BA-2FA1-41D2-883F-0016D3CCA427",
         ACCOUNT, "access_token_encrypted", EXAMPLE_KEY, true},
        {"another user's row", "google_oauth_tokens", OTHER_USER, ACCOUNT, "access_token_encrypted",
         EXAMPLE_KEY, false},
        {"another account", "google_oauth_tokens", USER, "108204268033311374510",
         "access_token_encrypted", EXAMPLE_KEY, false},
        {"letters of an account count", "google_oauth_tokens", USER, "A" ACCOUNT,
         "access_token_encrypted", EXAMPLE_KEY, false},
        {"the other column", "google_oauth_tokens", USER, ACCOUNT, "refresh_token_encrypted",
         EXAMPLE_KEY, false},
        {"another table", "webhooks", USER, ACCOUNT, "access_token_encrypted", EXAMPLE_KEY, false},
        {"another key of the same id", "google_oauth_tokens", USER, ACCOUNT,
         "access_token_encrypted", "example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=", false},
    };
    struct buf sealed, plain;

    (void)state;
    buf_init(&sealed, SEAL_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    assert_true(hex_decode(&sealed, STR(EXAMPLE_SEALED)));
    for
        EACH(struct row, r, rows)
        {
            struct seal_place there = {r->table, str_c(r->user), str_c(r->account), r->column};
            struct vault_keys *set = keys(r->keys);
            struct err err = {""};
            enum result result =
                seal_open(vault_keys_at(set, 0), &there, buf_str(&sealed), &plain, &err);

            if ((result == OK) != r->opens)
                fail_msg("%s: %s", r->says, result == OK ? "opens" : err.message);
            buf_clear(&plain);
            vault_keys_free(set);
        }
    buf_wipe(&plain);
    buf_fini(&sealed);
}

static void refuses(void **state)
{
    static char long_account[70000];
    struct vault_keys *set = keys(EXAMPLE_KEY);
    const struct vault_key *key = vault_keys_at(set, 0);
    struct seal_place there = place;
    struct buf out, tight;
    struct err err;

    (void)state;
    buf_init(&out, SEAL_MAX * 2);
    buf_init(&tight, 10);
    CHECK(seal_open(key, &place, STR("ya29.a0AfH6SMBxxxxxxxxxxxxxxxxxxxxxx"), &out, &err) == FAILED,
          "a plain token");
    assert_non_null(strstr(err.message, "not in the sealed form"));
    CHECK(!strstr(err.message, "ya29"), "which is not quoted");
    CHECK(seal_open(key, &place, STR(""), &out, &err) == FAILED, "nothing");
    CHECK(seal_open(key, &place, STR("\001 28 bytes, one is missing."), &out, &err) == FAILED,
          "short");
    assert_non_null(strstr(err.message, "not in the sealed form"));
    CHECK(seal(key, &place, STR(TOKEN), &tight, &err) == FAILED && tight.len == 0, "no room");
    there.account_id = STR("1\0002");
    CHECK(seal(key, &there, STR(TOKEN), &out, &err) == FAILED, "a NUL makes places ambiguous");
    memset(long_account, 'a', sizeof(long_account));
    there.account_id = str_from(long_account, sizeof(long_account));
    CHECK(seal(key, &there, STR(TOKEN), &out, &err) == FAILED, "an id without end");
    CHECK(out.len == 0, "nothing was appended");
    buf_fini(&out);
    buf_fini(&tight);
    vault_keys_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_the_documented_example),
        cmocka_unit_test(seals_and_opens_every_length),
        cmocka_unit_test(never_seals_twice_alike),
        cmocka_unit_test(notices_every_change),
        cmocka_unit_test(opens_in_its_place_only),
        cmocka_unit_test(refuses),
    };

    return cmocka_run_group_tests_name("vault/seal", tests, NULL, NULL);
}
