#include "dispatch/signature.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"

#define SHA256_BYTES 32

static enum result read_key(struct str base64, struct signature_key *key, struct err *err)
{
    struct buf bytes;
    enum result result = OK;

    buf_init(&bytes, SIGNATURE_KEY_MAX);
    if (!base64_decode(&bytes, base64))
        result = err_set(err, "the secret is not base64 behind \"whsec_\"");
    else if (!buf_ok(&bytes))
        result = err_set(err, "the secret has more than %d bytes", SIGNATURE_KEY_MAX);
    else if (bytes.len < SIGNATURE_KEY_MIN)
        result = err_set(err, "the secret has %zu bytes, at least %d are needed", bytes.len,
                         SIGNATURE_KEY_MIN);
    else {
        memcpy(key->bytes, bytes.data, bytes.len);
        key->len = bytes.len;
    }
    if (bytes.data)
        OPENSSL_cleanse(bytes.data, bytes.cap);
    buf_fini(&bytes);
    return result;
}

enum result signature_add_secret(struct signature_keys *keys, struct str secret, struct err *err)
{
    const struct str prefix = STR("whsec_");
    struct signature_key *key = &keys->key[keys->count];

    if (keys->count == SIGNATURE_KEYS_MAX)
        return err_set(err, "more than %d secrets at once", SIGNATURE_KEYS_MAX);
    secret = str_trim(secret);
    if (!str_starts(secret, prefix))
        return err_set(err, "the secret does not start with \"whsec_\"");
    key->scheme = SIGNATURE_V1;
    if (read_key(str_from(secret.data + prefix.len, secret.len - prefix.len), key, err) != OK)
        return FAILED;
    keys->count++;
    return OK;
}

void signature_wipe(struct signature_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

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

static enum result sign(const struct signature_key *key, struct str head, struct str body,
                        struct buf *out, struct err *err)
{
    switch (key->scheme) {
    case SIGNATURE_V1:
        return sign_v1(key, head, body, out, err);
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
