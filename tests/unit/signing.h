/* Keys and tokens made by OpenSSL: another hand than the library that verifies them. */
#ifndef PGHERALD_TESTS_SIGNING_H
#define PGHERALD_TESTS_SIGNING_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/encode.h"

#define SIGNING_MAX (1 << 22)

enum signing_kind { SIGNING_RSA, SIGNING_WEAK_RSA, SIGNING_P256, SIGNING_P384, SIGNING_ED25519 };

static inline EVP_PKEY *signing_key(enum signing_kind kind)
{
    switch (kind) {
    case SIGNING_RSA:
        return EVP_RSA_gen(2048);
    case SIGNING_WEAK_RSA:
        return EVP_RSA_gen(1024);
    case SIGNING_P256:
        return EVP_EC_gen("P-256");
    case SIGNING_P384:
        return EVP_EC_gen("P-384");
    case SIGNING_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    return NULL;
}

static inline void signing_add_number(struct buf *out, EVP_PKEY *key, const char *name,
                                      const char *param, int size)
{
    unsigned char bytes[1024];
    BIGNUM *number = NULL;

    EVP_PKEY_get_bn_param(key, param, &number);
    buf_addf(out, ",\"%s\":\"", name);
    base64url_encode(out, bytes,
                     (size_t)BN_bn2binpad(number, bytes, size ? size : BN_num_bytes(number)));
    buf_add_char(out, '"');
    BN_free(number);
}

static inline void signing_add_okp(struct buf *out, EVP_PKEY *key)
{
    unsigned char bytes[64];
    size_t len = sizeof(bytes);

    EVP_PKEY_get_raw_public_key(key, bytes, &len);
    buf_add_c(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
    base64url_encode(out, bytes, len);
    buf_add_char(out, '"');
}

/* The public key as a JWK; `more` is put behind its members, such as ,"kid":"a" */
static inline void signing_add_jwk(struct buf *out, EVP_PKEY *key, const char *more)
{
    int size = (EVP_PKEY_get_bits(key) + 7) / 8;

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        buf_add_c(out, "{\"kty\":\"RSA\"");
        signing_add_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        signing_add_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        buf_addf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\"", size * 8);
        signing_add_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, size);
        signing_add_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, size);
    } else {
        signing_add_okp(out, key);
    }
    buf_addf(out, "%s}", more);
}

/* An ECDSA signature as two numbers of `size` bytes each (RFC 7518, 3.4), not as DER. */
static inline size_t signing_flatten(unsigned char *signature, size_t len, int size)
{
    const unsigned char *p = signature;
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &p, (long)len);

    BN_bn2binpad(ECDSA_SIG_get0_r(parts), signature, size);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), signature + size, size);
    ECDSA_SIG_free(parts);
    return (size_t)size * 2;
}

static inline size_t signing_sign(EVP_PKEY *key, const char *digest, bool pss, struct str text,
                                  unsigned char signature[1024])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;
    size_t len = 1024;

    EVP_DigestSignInit_ex(md, &ctx, digest, NULL, NULL, key, NULL);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
    }
    EVP_DigestSign(md, signature, &len, (const unsigned char *)text.data, text.len);
    EVP_MD_CTX_free(md);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
        len = signing_flatten(signature, len, (EVP_PKEY_get_bits(key) + 7) / 8);
    return len;
}

static inline void signing_start(struct buf *out, const char *header, struct str claims)
{
    buf_init(out, SIGNING_MAX);
    base64url_encode(out, (const uint8_t *)header, strlen(header));
    buf_add_char(out, '.');
    base64url_encode(out, (const uint8_t *)claims.data, claims.len);
}

/* `digest` is SHA256 and so on, NULL for Ed25519. */
static inline void signing_token(struct buf *out, const char *header, struct str claims,
                                 EVP_PKEY *key, const char *digest, bool pss)
{
    unsigned char signature[1024];
    size_t len;

    signing_start(out, header, claims);
    len = signing_sign(key, digest, pss, buf_str(out), signature);
    buf_add_char(out, '.');
    base64url_encode(out, signature, len);
}

static inline void signing_token_hmac(struct buf *out, const char *header, struct str claims,
                                      const EVP_MD *digest, struct str secret)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    signing_start(out, header, claims);
    HMAC(digest, secret.data, (int)secret.len, (unsigned char *)out->data, out->len, mac, &len);
    buf_add_char(out, '.');
    base64url_encode(out, mac, len);
}

#endif
