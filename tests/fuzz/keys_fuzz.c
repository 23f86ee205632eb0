/* The setting encryption_keys. What is taken is the same when it is written out and read again; an
 * error shows nothing that is long enough for a key. */
#include "fuzz.h"

#include "base/encode.h"
#include "vault/keys.h"

#define MAX_OUT ((size_t)1 << 16)

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("+/-_", c));
}

static void check_error(const char *message, struct str text)
{
    char window[VAULT_KEY_ID_MAX + 2] = "";
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        len = is_key_char(text.data[i]) ? len + 1 : 0;
        if (len <= VAULT_KEY_ID_MAX)
            continue;
        memcpy(window, text.data + i - VAULT_KEY_ID_MAX, VAULT_KEY_ID_MAX + 1);
        REQUIRE(!strstr(message, window), text);
    }
}

static void write_set(struct buf *out, const struct vault_keys *keys)
{
    for (size_t i = 0; i < vault_keys_count(keys); i++) {
        const struct vault_key *key = vault_keys_at(keys, i);

        buf_addf(out, "%s:", key->id);
        base64_encode(out, key->bytes, sizeof(key->bytes));
        buf_add_char(out, i % 2 ? '\n' : ',');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = input_text(data, size);
    struct vault_keys *keys, *again;
    struct err err = {0};
    struct buf first, second;

    if (vault_keys_parse(text, &keys, &err) != OK) {
        REQUIRE(keys == NULL && err.message[0], text);
        check_error(err.message, text);
        return 0;
    }
    buf_init(&first, MAX_OUT);
    buf_init(&second, MAX_OUT);
    write_set(&first, keys);
    REQUIRE(vault_keys_parse(buf_str(&first), &again, &err) == OK, text);
    write_set(&second, again);
    REQUIRE(str_eq(buf_str(&first), buf_str(&second)), text);
    for (size_t i = 0; i < vault_keys_count(keys); i++) {
        const struct vault_key *key = vault_keys_at(keys, i);

        REQUIRE(key->id[0] && vault_keys_find(keys, str_c(key->id)) == key, text);
    }
    vault_keys_free(again);
    vault_keys_free(keys);
    buf_wipe(&first);
    buf_wipe(&second);
    return 0;
}
