#include "unit.h"

#include "cli/oauth.h"

#define OLD_KEY "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define NEW_KEY "new:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define USER "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
/* ya29.example-access-token of account 108204268033311374519 under OLD_KEY, as PostgreSQL has it */
#define SEALED                                                                                     \
    "\\x01a0a1a2a3a4a5a6a7a8a9aaab9f794e146bae7ade0f15ebb62a1ba3bd15df2a3de6d82909f2"              \
    "42b6a9e9e9e9d5cb3e81563d591ef78b"

static const struct oauth_row stored = {.id = "r",
                                        .user_id = USER,
                                        .account_id = "108204268033311374519",
                                        .key_id = "old",
                                        .access = SEALED,
                                        .refresh = NULL,
                                        .has_refresh = true};

static struct oauth with_keys(const char *text)
{
    struct oauth oauth = {0};
    struct err err;

    if (vault_keys_parse(str_c(text), &oauth.keys, &err) != OK)
        fail_msg("%s", err.message);
    return oauth;
}

static void opens_with_the_key_that_the_row_names(void **state)
{
    static const struct row {
        const char *says, *keys, *key_id, *access;
        const char *error; /* NULL: it opens */
    } rows[] = {
        {"the only key", OLD_KEY, "old", SEALED, NULL},
        {"not the first key", NEW_KEY "," OLD_KEY, "old", SEALED, NULL},
        {"a key that is gone", NEW_KEY, "old", SEALED, "key old is not among encryption_keys"},
        {"a key's id that would move the cursor", OLD_KEY, "\033[A", SEALED,
         "key ?[A is not among"},
        {"a row that names the wrong key", NEW_KEY "," OLD_KEY, "new", SEALED,
         "access_token_encrypted, key new: it does not open"},
        {"a token that is too long to be sealed", OLD_KEY, "old", NULL,
         "access_token_encrypted, key old: more than 65565 bytes"},
        {"another setting of bytea_output", OLD_KEY, "old", "\\001abc", "the server sent no bytea"},
        {"half a byte", OLD_KEY, "old", SEALED "0", "the server sent no bytea"},
        {"a plain token", OLD_KEY, "old", "\\x796132392e",
         "access_token_encrypted, key old: it is not in the sealed form"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct oauth oauth = with_keys(r->keys);
            struct oauth_row row = stored;
            struct err err = {""};
            struct buf plain;

            row.key_id = r->key_id;
            row.access = r->access;
            buf_init(&plain, SEAL_PLAIN_MAX);
            if ((oauth_open(&oauth, &row, OAUTH_ACCESS, &plain, &err) == OK) != !r->error)
                fail_msg("%s: %s", r->says, err.message);
            if (r->error && !strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
            CHECK_STR(buf_str(&plain), r->error ? STR("") : STR("ya29.example-access-token"),
                      r->says);
            buf_wipe(&plain);
            vault_keys_free(oauth.keys);
        }
}

static void seals_under_the_first_key(void **state)
{
    struct oauth oauth = with_keys(NEW_KEY "," OLD_KEY);
    struct oauth_row row = stored;
    struct buf hex, plain;
    struct err err;

    (void)state;
    buf_init(&hex, OAUTH_HEX_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    if (oauth_seal(&oauth, USER, stored.account_id, OAUTH_REFRESH, STR("1//r"), &hex, &err) != OK)
        fail_msg("%s", err.message);
    CHECK(str_starts(buf_str(&hex), STR("\\x01")), "as the server reads a bytea");
    row.refresh = hex.data;
    row.key_id = "new";
    if (oauth_open(&oauth, &row, OAUTH_REFRESH, &plain, &err) != OK)
        fail_msg("%s", err.message);
    CHECK_STR(buf_str(&plain), STR("1//r"), "and opens again");
    row.access = hex.data;
    CHECK(oauth_open(&oauth, &row, OAUTH_ACCESS, &plain, &err) == FAILED,
          "not in the other column");
    buf_fini(&hex);
    buf_wipe(&plain);
    vault_keys_free(oauth.keys);
}

static void seals_the_longest(void **state)
{
    static char text[SEAL_PLAIN_MAX + 1];
    struct oauth oauth = with_keys(NEW_KEY);
    struct err err = {""};
    struct buf hex;

    (void)state;
    buf_init(&hex, OAUTH_HEX_MAX);
    assert_int_equal(
        oauth_seal(&oauth, USER, "1", OAUTH_ACCESS, str_from(text, SEAL_PLAIN_MAX), &hex, &err),
        OK);
    assert_int_equal(hex.len, OAUTH_HEX_MAX);
    buf_clear(&hex);
    assert_int_equal(
        oauth_seal(&oauth, USER, "1", OAUTH_ACCESS, str_from(text, sizeof(text)), &hex, &err),
        FAILED);
    CHECK(str_starts(str_c(err.message), STR("access_token_encrypted: 65537 bytes")), err.message);
    buf_fini(&hex);
    vault_keys_free(oauth.keys);
}

static void shows_what_a_terminal_may_get(void **state)
{
    char out[64], wanted[64], text[100];

    (void)state;
    CHECK_STR(str_c(oauth_shown("k1", out)), STR("k1"), "as it is");
    CHECK_STR(str_c(oauth_shown("\033[2J\n\x7f\xc3\xa9", out)), STR("?[2J????"), "no commands");
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(wanted, text, sizeof(wanted) - 1);
    wanted[sizeof(wanted) - 1] = '\0';
    CHECK_STR(str_c(oauth_shown(text, out)), str_c(wanted), "cut");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_with_the_key_that_the_row_names),
        cmocka_unit_test(seals_under_the_first_key),
        cmocka_unit_test(seals_the_longest),
        cmocka_unit_test(shows_what_a_terminal_may_get),
    };

    return cmocka_run_group_tests_name("cli/oauth_row", tests, NULL, NULL);
}
