/* A sealed value. After `o` the input is one as it stands in the table, which may be anything.
 * After any other byte it is a plain text: it is sealed, opened, and does not open with that byte
 * changed in the place that the byte names. */
#include "fuzz.h"

#include "vault/seal.h"

#define KEY "example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const struct seal_place place = {"google_oauth_tokens",
                                        {"1b4e28ba-2fa1-41d2-883f-0016d3cca427", 36},
                                        {"108204268033311374519", 21},
                                        "access_token_encrypted"};

static void open_it(const struct vault_key *key, struct str sealed)
{
    struct err err = {0};
    struct buf plain;

    buf_init(&plain, SEAL_PLAIN_MAX);
    if (seal_open(key, &place, sealed, &plain, &err) == OK)
        REQUIRE(plain.len + SEAL_OVERHEAD == sealed.len, sealed);
    else
        REQUIRE(plain.len == 0 && err.message[0], sealed);
    buf_wipe(&plain);
}

static void seal_it(const struct vault_key *key, uint8_t changed, struct str text)
{
    struct buf sealed, plain;
    struct err err;

    buf_init(&sealed, SEAL_MAX);
    buf_init(&plain, SEAL_PLAIN_MAX);
    REQUIRE(seal(key, &place, text, &sealed, &err) == OK, text);
    REQUIRE(seal_open(key, &place, buf_str(&sealed), &plain, &err) == OK, text);
    REQUIRE(str_eq(buf_str(&plain), text), text);
    buf_wipe(&plain);
    sealed.data[changed % sealed.len] ^= (char)(changed | 1);
    REQUIRE(seal_open(key, &place, buf_str(&sealed), &plain, &err) == FAILED, text);
    REQUIRE(plain.len == 0, text);
    buf_wipe(&plain);
    buf_fini(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vault_keys *keys;
    struct err err;

    if (!keys)
        REQUIRE(vault_keys_parse(STR(KEY), &keys, &err) == OK, STR(KEY));
    if (size == 0 || size > SEAL_PLAIN_MAX)
        return 0;
    if (data[0] == 'o')
        open_it(vault_keys_at(keys, 0), input_text(data + 1, size - 1));
    else
        seal_it(vault_keys_at(keys, 0), data[0], input_text(data + 1, size - 1));
    return 0;
}
