#include "vault/keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"

/* A key in base64 has 43 characters and in hexadecimal 64: what is short enough for an id cannot be
 * one, so an id may be shown even if somebody wrote the two in the wrong order. */
_Static_assert(VAULT_KEY_ID_MAX < 43, "an id must not have room for a key");

#define DECODED_MAX 64 /* so that the length of a key that is too long can still be told */
#define MAKE_ONE "make one with: pgherald oauth keygen"

struct vault_keys {
    size_t count;
    struct vault_key key[VAULT_KEYS_MAX];
};

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static bool is_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!is_id_char(id.data[i]))
            return false;
    return id.len > 0 && id.len <= VAULT_KEY_ID_MAX;
}

static enum result read_bytes(struct str base64, struct vault_key *key, struct err *err)
{
    enum result result = OK;
    struct buf bytes;

    buf_init(&bytes, DECODED_MAX);
    if (!base64_decode(&bytes, base64))
        result = err_set(err, "not base64; " MAKE_ONE);
    else if (!buf_ok(&bytes))
        result = err_set(err, "more than %d bytes, %d are needed; " MAKE_ONE, DECODED_MAX,
                         VAULT_KEY_BYTES);
    else if (bytes.len != VAULT_KEY_BYTES)
        result = err_set(err, "%zu bytes, %d are needed; " MAKE_ONE, bytes.len, VAULT_KEY_BYTES);
    else
        memcpy(key->bytes, bytes.data, VAULT_KEY_BYTES);
    buf_wipe(&bytes);
    return result;
}

/* The same id twice leaves open which is meant; the same key twice makes a rotation do nothing. */
static enum result check_new(const struct vault_keys *keys, const struct vault_key *key,
                             struct err *err)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->key[i].id, key->id) == 0)
            return err_set(err, "another key has this id already");
        if (CRYPTO_memcmp(keys->key[i].bytes, key->bytes, VAULT_KEY_BYTES) == 0)
            return err_set(err, "the same bytes as key %s; " MAKE_ONE, keys->key[i].id);
    }
    return OK;
}

static enum result read_key(struct vault_keys *keys, struct str item, struct err *err)
{
    struct vault_key *key = &keys->key[keys->count];
    struct str id, base64;

    if (keys->count == VAULT_KEYS_MAX)
        return err_set(err, "more than %d keys", VAULT_KEYS_MAX);
    if (!str_split(item, ':', &id, &base64) || !is_id(str_trim(id)))
        return err_set(err,
                       "key %zu: it has to be id:base64, the id of 1 to %d of the characters "
                       "A-Z a-z 0-9 - _ .",
                       keys->count + 1, VAULT_KEY_ID_MAX);
    id = str_trim(id);
    memcpy(key->id, id.data, id.len);
    if (read_bytes(str_trim(base64), key, err) != OK || check_new(keys, key, err) != OK)
        return err_context(err, "key %zu (%s)", keys->count + 1, key->id);
    keys->count++;
    return OK;
}

/* *item gets what stands before the next comma or line's end. */
static bool next_item(struct str *text, struct str *item)
{
    size_t len = 0;

    if (text->len == 0)
        return false;
    while (len < text->len && text->data[len] != ',' && text->data[len] != '\n')
        len++;
    *item = str_trim(str_from(text->data, len));
    if (len < text->len)
        len++;
    *text = str_from(text->data + len, text->len - len);
    return true;
}

enum result vault_keys_parse(struct str text, struct vault_keys **out, struct err *err)
{
    struct vault_keys *keys = mem_alloc(sizeof(*keys));
    enum result result = OK;
    struct str item;

    *out = NULL;
    while (result == OK && next_item(&text, &item))
        if (item.len > 0)
            result = read_key(keys, item, err);
    if (result == OK && keys->count == 0)
        result = err_set(err, "no key in it; " MAKE_ONE);
    if (result == OK)
        *out = keys;
    else
        vault_keys_free(keys);
    return result;
}

void vault_keys_free(struct vault_keys *keys)
{
    if (keys)
        OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

size_t vault_keys_count(const struct vault_keys *keys)
{
    return keys->count;
}

const struct vault_key *vault_keys_at(const struct vault_keys *keys, size_t at)
{
    return &keys->key[at];
}

const struct vault_key *vault_keys_find(const struct vault_keys *keys, struct str id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (str_eq(str_c(keys->key[i].id), id))
            return &keys->key[i];
    return NULL;
}

enum result vault_key_generate(struct buf *out, int64_t now_us, struct err *err)
{
    uint8_t bytes[VAULT_KEY_BYTES], tail[2];
    char day[CLOCK_ISO_TEXT];

    if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1 || RAND_bytes(tail, sizeof(tail)) != 1)
        return err_set(err, "OpenSSL has no random bytes");
    clock_iso_ms(now_us, day);
    buf_addf(out, "k%.4s%.2s%.2s-", day, day + 5, day + 8);
    hex_encode(out, tail, sizeof(tail));
    buf_add_char(out, ':');
    base64_encode(out, bytes, sizeof(bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return buf_ok(out) ? OK : err_set(err, "no room for the key");
}
