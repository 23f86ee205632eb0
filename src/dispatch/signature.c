#include "dispatch/signature.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"

#define SHA256_BYTES 32
#define ED25519_BYTES 32 /* of either key */
#define ED25519_SIGNATURE_BYTES 64
#define NEW_KEY_BYTES 32

/* Reading secrets */

static const struct scheme {
    const char *name;
    struct str prefix; /* of its secrets */
} schemes[] = {
    [SIGNATURE_V1] = {"v1", {"whsec_", 6}},
    [SIGNATURE_V1A] = {"v1a", {"whsk_", 5}},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

bool signature_scheme_parse(struct str name, enum signature_scheme *scheme)
{
    for (size_t i = 0; i < SCHEMES; i++) {
        if (str_eq(name, str_c(schemes[i].name))) {
            *scheme = (enum signature_scheme)i;
            return true;
        }
    }
    return false;
}

static EVP_PKEY *ed25519_key(const uint8_t seed[ED25519_BYTES])
{
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_BYTES);
}

static enum result derive_public(const uint8_t seed[ED25519_BYTES], uint8_t out[ED25519_BYTES],
                                 struct err *err)
{
    EVP_PKEY *pair = ed25519_key(seed);
    size_t len = ED25519_BYTES;
    bool done = pair && EVP_PKEY_get_raw_public_key(pair, out, &len) && len == ED25519_BYTES;

    EVP_PKEY_free(pair);
    return done ? OK : err_set(err, "OpenSSL could not read an ed25519 key");
}

static enum result check_v1(const struct signature_key *key, struct err *err)
{
    if (key->len < SIGNATURE_KEY_MIN)
        return err_set(err, "the secret has %zu bytes, at least %d are needed", key->len,
                       SIGNATURE_KEY_MIN);
    return OK;
}

/* A secret whose halves do not belong together signs what nobody can verify, and gives the private
 * key away if the public half goes into the signature. */
static enum result check_v1a(struct signature_key *key, struct err *err)
{
    uint8_t public[ED25519_BYTES];

    if (key->len != ED25519_BYTES && key->len != 2 * ED25519_BYTES)
        return err_set(err, "an ed25519 secret has %d or %d bytes, not %zu", ED25519_BYTES,
                       2 * ED25519_BYTES, key->len);
    if (derive_public(key->bytes, public, err) != OK)
        return FAILED;
    if (key->len == 2 * ED25519_BYTES &&
        memcmp(key->bytes + ED25519_BYTES, public, ED25519_BYTES) != 0)
        return err_set(err, "the public half of the ed25519 secret does not belong to the other");
    memcpy(key->bytes + ED25519_BYTES, public, ED25519_BYTES);
    key->len = 2 * ED25519_BYTES;
    return OK;
}

static enum result check_key(struct signature_key *key, struct err *err)
{
    switch (key->scheme) {
    case SIGNATURE_V1:
        return check_v1(key, err);
    case SIGNATURE_V1A:
        return check_v1a(key, err);
    }
    return err_set(err, "unknown signature scheme");
}

static enum result read_key(struct str base64, struct signature_key *key, struct err *err)
{
    struct buf bytes;
    enum result result = OK;

    buf_init(&bytes, SIGNATURE_KEY_MAX);
    if (!base64_decode(&bytes, base64))
        result = err_set(err, "the secret is not base64 behind \"%s\"",
                         schemes[key->scheme].prefix.data);
    else if (!buf_ok(&bytes))
        result = err_set(err, "the secret has more than %d bytes", SIGNATURE_KEY_MAX);
    else {
        memcpy(key->bytes, bytes.data, bytes.len);
        key->len = bytes.len;
        result = check_key(key, err);
    }
    if (bytes.data)
        OPENSSL_cleanse(bytes.data, bytes.cap);
    buf_fini(&bytes);
    return result;
}

enum result signature_add_secret(struct signature_keys *keys, struct str secret, struct err *err)
{
    struct signature_key *key = &keys->key[keys->count];

    if (keys->count == SIGNATURE_KEYS_MAX)
        return err_set(err, "more than %d secrets at once", SIGNATURE_KEYS_MAX);
    secret = str_trim(secret);
    for (size_t i = 0; i < SCHEMES; i++) {
        struct str prefix = schemes[i].prefix;

        if (!str_starts(secret, prefix))
            continue;
        key->scheme = (enum signature_scheme)i;
        if (read_key(str_from(secret.data + prefix.len, secret.len - prefix.len), key, err) != OK)
            return FAILED;
        keys->count++;
        return OK;
    }
    return err_set(err, "the secret does not start with \"whsec_\" or \"whsk_\"");
}

enum result signature_add_secrets(struct signature_keys *keys, struct str secrets, struct err *err)
{
    struct str secret, rest = str_trim(secrets);

    do {
        str_split(rest, ' ', &secret, &rest);
        if (signature_add_secret(keys, secret, err) != OK)
            return FAILED;
    } while (rest.len > 0);
    return OK;
}

void signature_wipe(struct signature_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

/* Making secrets */

static enum result write_text(char out[SIGNATURE_TEXT], struct str prefix, const uint8_t *bytes,
                              size_t len, struct err *err)
{
    struct buf text;
    enum result result = OK;

    buf_init(&text, SIGNATURE_TEXT);
    buf_add_str(&text, prefix);
    base64_encode(&text, bytes, len);
    if (!buf_ok(&text) || text.len >= SIGNATURE_TEXT)
        result = err_set(err, "no room for the secret");
    else {
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
    }
    if (text.data)
        OPENSSL_cleanse(text.data, text.cap);
    buf_fini(&text);
    return result;
}

static enum result write_pair(const struct signature_key *key, struct signature_pair *pair,
                              struct err *err)
{
    *pair = (struct signature_pair){0};
    if (write_text(pair->secret, schemes[key->scheme].prefix, key->bytes, key->len, err) != OK)
        return FAILED;
    if (key->scheme != SIGNATURE_V1A)
        return OK;
    return write_text(pair->public_key, STR("whpk_"), key->bytes + ED25519_BYTES, ED25519_BYTES,
                      err);
}

enum result signature_generate(enum signature_scheme scheme, struct signature_pair *pair,
                               struct err *err)
{
    struct signature_key key = {.scheme = scheme, .len = NEW_KEY_BYTES};
    enum result result;

    if (RAND_priv_bytes(key.bytes, NEW_KEY_BYTES) != 1)
        return err_set(err, "OpenSSL has no random bytes for a secret");
    result = check_key(&key, err);
    if (result == OK)
        result = write_pair(&key, pair, err);
    OPENSSL_cleanse(&key, sizeof(key));
    return result;
}

enum result signature_read_pair(struct str secret, struct signature_pair *pair, struct err *err)
{
    struct signature_keys keys = {0};
    enum result result = signature_add_secret(&keys, secret, err);

    if (result == OK)
        result = write_pair(&keys.key[0], pair, err);
    signature_wipe(&keys);
    return result;
}

void signature_wipe_pair(struct signature_pair *pair)
{
    OPENSSL_cleanse(pair, sizeof(*pair));
}

/* Signing */

/* The parts go in one after the other: a body of many megabytes is not copied to be signed. */
static bool hmac_sha256(const struct signature_key *key, struct str head, struct str body,
                        uint8_t out[SHA256_BYTES])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    size_t len = 0;
    bool done = context && EVP_MAC_init(context, key->bytes, key->len, params) &&
                EVP_MAC_update(context, (const uint8_t *)head.data, head.len) &&
                EVP_MAC_update(context, (const uint8_t *)body.data, body.len) &&
                EVP_MAC_final(context, out, &len, SHA256_BYTES) && len == SHA256_BYTES;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return done;
}

static enum result sign_v1(const struct signature_key *key, struct str head, struct str body,
                           struct buf *out, struct err *err)
{
    uint8_t mac[SHA256_BYTES];

    if (!hmac_sha256(key, head, body, mac))
        return err_set(err, "OpenSSL could not compute HMAC-SHA256");
    buf_add_c(out, "v1,");
    base64_encode(out, mac, sizeof(mac));
    return OK;
}

/* ed25519 goes over the message twice, so OpenSSL wants it in one piece. */
static bool ed25519_sign(const struct signature_key *key, const struct buf *message,
                         uint8_t out[ED25519_SIGNATURE_BYTES])
{
    EVP_PKEY *private = ed25519_key(key->bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = ED25519_SIGNATURE_BYTES;
    bool done = private && context && EVP_DigestSignInit(context, NULL, NULL, NULL, private) == 1 &&
                EVP_DigestSign(context, out, &len, (const uint8_t *)message->data, message->len) &&
                len == ED25519_SIGNATURE_BYTES;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(private);
    return done;
}

static enum result sign_v1a(const struct signature_key *key, struct str head, struct str body,
                            struct buf *out, struct err *err)
{
    uint8_t signature[ED25519_SIGNATURE_BYTES];
    struct buf message;
    bool done;

    buf_init(&message, head.len + body.len + 1);
    buf_add_str(&message, head);
    buf_add_str(&message, body);
    done = buf_ok(&message) && ed25519_sign(key, &message, signature);
    buf_fini(&message);
    if (!done)
        return err_set(err, "OpenSSL could not compute an ed25519 signature");
    buf_add_c(out, "v1a,");
    base64_encode(out, signature, sizeof(signature));
    return OK;
}

static enum result sign(const struct signature_key *key, struct str head, struct str body,
                        struct buf *out, struct err *err)
{
    switch (key->scheme) {
    case SIGNATURE_V1:
        return sign_v1(key, head, body, out, err);
    case SIGNATURE_V1A:
        return sign_v1a(key, head, body, out, err);
    }
    return err_set(err, "unknown signature scheme");
}

enum result signature_sign(const struct signature_keys *keys, struct str id, int64_t timestamp,
                           struct str body, struct buf *out, struct err *err)
{
    struct buf head;
    enum result result = OK;

    if (id.len == 0 || memchr(id.data, '.', id.len))
        return err_set(err,
                       "the message id is empty or has a \".\", which ends it in what is signed");
    if (keys->count == 0)
        return err_set(err, "no secret to sign with");
    buf_init(&head, id.len + 32);
    buf_add_str(&head, id);
    buf_addf(&head, ".%" PRId64 ".", timestamp);
    for (size_t i = 0; i < keys->count && result == OK; i++) {
        if (i > 0)
            buf_add_char(out, ' ');
        result = sign(&keys->key[i], buf_str(&head), body, out, err);
    }
    if (result == OK && (!buf_ok(&head) || !buf_ok(out)))
        result = err_set(err, "no room for the signature");
    buf_fini(&head);
    return result;
}
