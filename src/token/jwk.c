#include "token/jwk.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

#define MAX_MEMBER 8192 /* bytes of a number or secret in a key */

/* Members that are base64url (RFC 7518, 6). */

static enum result read_bytes(const json_t *object, const char *name, struct buf *out,
                              struct err *err)
{
    const json_t *member = json_object_get(object, name);
    struct str text = str_from(json_string_value(member), json_string_length(member));

    buf_init(out, MAX_MEMBER);
    if (text.len == 0 || !base64_decode(out, text) || !buf_ok(out) || out->len == 0) {
        buf_fini(out);
        return err_set(err, "its member %s is missing or not base64url", name);
    }
    return OK;
}

static void put_bytes(json_t *object, const char *name, struct str bytes)
{
    struct buf text;

    buf_init(&text, (size_t)2 * MAX_MEMBER);
    base64url_encode(&text, (const uint8_t *)bytes.data, bytes.len);
    json_object_set_new(object, name, json_stringn(text.data, text.len));
    buf_fini(&text);
}

static struct str without_zeros(struct str bytes)
{
    while (bytes.len > 0 && bytes.data[0] == 0)
        bytes = str_from(bytes.data + 1, bytes.len - 1);
    return bytes;
}

static unsigned bit_length(struct str number)
{
    unsigned bits = (unsigned)number.len * 8;

    for (unsigned top = number.len ? (unsigned char)number.data[0] : 0x80; !(top & 0x80); top <<= 1)
        bits--;
    return bits;
}

/* The kinds of keys (kty). Each writes what makes the key up to `parts`. */

/* With e = 1 everything would be signed; a huge one only costs time. */
static enum result check_rsa(struct str n, struct str e, struct err *err)
{
    unsigned bits = bit_length(n);

    if (bits < JWK_MIN_RSA_BITS || bits > JWK_MAX_RSA_BITS)
        return err_set(err, "an RSA key of %u bits; %d to %d are taken", bits, JWK_MIN_RSA_BITS,
                       JWK_MAX_RSA_BITS);
    if (!(n.data[n.len - 1] & 1) || e.len == 0 || e.len > 8 || !(e.data[e.len - 1] & 1) ||
        (e.len == 1 && e.data[0] == 1))
        return err_set(err, "an RSA key whose numbers cannot be right");
    return OK;
}

static enum result read_rsa(const json_t *object, json_t *parts, unsigned *algs, struct err *err)
{
    enum result result;
    struct buf n, e;

    if (read_bytes(object, "n", &n, err) != OK)
        return FAILED;
    if (read_bytes(object, "e", &e, err) != OK) {
        buf_fini(&n);
        return FAILED;
    }
    result = check_rsa(without_zeros(buf_str(&n)), without_zeros(buf_str(&e)), err);
    put_bytes(parts, "n", without_zeros(buf_str(&n)));
    put_bytes(parts, "e", without_zeros(buf_str(&e)));
    *algs = ALG_RSA;
    buf_fini(&n);
    buf_fini(&e);
    return result;
}

static enum result read_coordinate(const json_t *object, const char *name, size_t size,
                                   json_t *parts, struct err *err)
{
    struct buf bytes;
    enum result result = OK;

    if (read_bytes(object, name, &bytes, err) != OK)
        return FAILED;
    if (bytes.len != size)
        result = err_set(err, "its member %s has %zu bytes instead of %zu", name, bytes.len, size);
    put_bytes(parts, name, buf_str(&bytes));
    buf_fini(&bytes);
    return result;
}

static enum result read_curve(const json_t *object, const char *kty, json_t *parts, unsigned *algs,
                              struct err *err)
{
    static const struct {
        const char *kty, *crv;
        enum alg alg;
        size_t size;
        bool two;
    } curves[] = {{"EC", "P-256", ALG_ES256, 32, true},
                  {"EC", "P-384", ALG_ES384, 48, true},
                  {"OKP", "Ed25519", ALG_EDDSA, 32, false}};
    const char *crv = json_string_value(json_object_get(object, "crv"));

    for (size_t i = 0; crv && i < sizeof(curves) / sizeof(*curves); i++) {
        if (strcmp(crv, curves[i].crv) != 0 || strcmp(kty, curves[i].kty) != 0)
            continue;
        *algs = ALG_BIT(curves[i].alg);
        json_object_set_new(parts, "crv", json_string(crv));
        if (read_coordinate(object, "x", curves[i].size, parts, err) != OK)
            return FAILED;
        return curves[i].two ? read_coordinate(object, "y", curves[i].size, parts, err) : OK;
    }
    return err_set(err, "its curve (crv) is none of P-256, P-384, Ed25519");
}

static enum result read_secret(const json_t *object, json_t *parts, struct jwk *out,
                               struct err *err)
{
    if (read_bytes(object, "k", &out->secret, err) != OK)
        return FAILED;
    put_bytes(parts, "k", buf_str(&out->secret));
    out->algs = ALG_BIT(ALG_HS256);
    if (out->secret.len < JWK_MIN_SECRET)
        return err_set(err, "a shared secret of %zu bytes; at least %d are needed", out->secret.len,
                       JWK_MIN_SECRET);
    return OK;
}

static enum result read_parts(const json_t *object, bool secrets_allowed, json_t *parts,
                              struct jwk *out, struct err *err)
{
    const char *kty = json_string_value(json_object_get(object, "kty"));

    if (!kty)
        return err_set(err, "no kty, or not a key at all");
    json_object_set_new(parts, "kty", json_string(kty));
    if (strcmp(kty, "RSA") == 0)
        return read_rsa(object, parts, &out->algs, err);
    if (strcmp(kty, "EC") == 0 || strcmp(kty, "OKP") == 0)
        return read_curve(object, kty, parts, &out->algs, err);
    if (strcmp(kty, "oct") != 0)
        return err_set(err, "its kind (kty) is none of RSA, EC, OKP, oct");
    if (!secrets_allowed)
        return err_set(err, "a shared secret (oct) is taken from a file only: whoever can fetch it "
                            "could sign");
    return read_secret(object, parts, out, err);
}

/* What the key's owner says of its purpose (RFC 7517, 4.2 to 4.4). */

static bool lists_verify(const json_t *operations)
{
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *name = json_string_value(json_array_get(operations, i));

        if (name && strcmp(name, "verify") == 0)
            return true;
    }
    return false;
}

static enum result read_purpose(const json_t *object, unsigned *algs, struct err *err)
{
    const json_t *use = json_object_get(object, "use");
    const json_t *operations = json_object_get(object, "key_ops");
    const json_t *named = json_object_get(object, "alg");
    enum alg alg;

    if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
        return err_set(err, "not for signatures (use)");
    if (operations && !lists_verify(operations))
        return err_set(err, "not for verifying (key_ops)");
    if (!named)
        return OK;
    if (!alg_find(json_string_value(named), &alg) || !(*algs & ALG_BIT(alg)))
        return err_set(err, "its algorithm (alg) is not one that such a key verifies here");
    *algs = ALG_BIT(alg);
    return OK;
}

static enum result read_kid(const json_t *object, char **out, struct err *err)
{
    const json_t *kid = json_object_get(object, "kid");

    if (kid && (!json_is_string(kid) || json_string_length(kid) > JWK_MAX_KID))
        return err_set(err, "its kid is not a text of at most %d bytes", JWK_MAX_KID);
    *out = mem_strdup(json_string_value(kid));
    return OK;
}

/* The library's key */

/* From the thumbprint of RFC 7638, so the same key under another name or with more members is the
 * same key. */
static uint64_t id_of(jwk_t *made)
{
    char *thumbprint = r_jwk_thumbprint(made, R_JWK_THUMB_SHA256, R_FLAG_IGNORE_REMOTE);
    uint64_t id = str_hash(str_c(thumbprint));

    r_free(thumbprint);
    return id ? id : 1;
}

static enum result make(json_t *parts, struct jwk *out, struct err *err)
{
    jwk_t *made = NULL;

    if (r_jwk_init(&made) != RHN_OK || r_jwk_import_from_json_t(made, parts) != RHN_OK) {
        r_jwk_free(made);
        return err_set(err, "the library does not take it");
    }
    out->id = id_of(made);
    if (out->secret.len > 0)
        r_jwk_free(made);
    else
        out->pubkey = made;
    return OK;
}

enum result jwk_read(const json_t *object, bool secrets_allowed, struct jwk *out, struct err *err)
{
    json_t *parts = json_object();
    enum result result;

    *out = (struct jwk){0};
    result = read_parts(object, secrets_allowed, parts, out, err);
    if (result == OK)
        result = read_purpose(object, &out->algs, err);
    if (result == OK)
        result = read_kid(object, &out->kid, err);
    if (result == OK)
        result = make(parts, out, err);
    json_decref(parts);
    if (result != OK)
        jwk_fini(out);
    return result;
}

void jwk_of_secret(struct str secret, struct jwk *out)
{
    *out = (struct jwk){.algs = ALG_BIT(ALG_HS256)};
    buf_init(&out->secret, secret.len);
    buf_add_str(&out->secret, secret);
}

void jwk_fini(struct jwk *key)
{
    if (key->secret.data)
        OPENSSL_cleanse(key->secret.data, key->secret.len);
    buf_fini(&key->secret);
    r_jwk_free(key->pubkey);
    free(key->kid);
    *key = (struct jwk){0};
}

/* Verifying */

/* Computed here, since the library (1.1.11) compares with strcmp(), whose time tells how much of a
 * guess was right. */
static bool mac_fits(struct str secret, struct str text)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    struct buf signature;
    unsigned mac_len = 0;
    size_t dot = text.len;
    bool fits;

    while (dot > 0 && text.data[dot - 1] != '.')
        dot--;
    buf_init(&signature, EVP_MAX_MD_SIZE);
    fits = dot > 0 && base64_decode(&signature, str_from(text.data + dot, text.len - dot)) &&
           buf_ok(&signature) &&
           HMAC(EVP_sha256(), secret.data, (int)secret.len, (const unsigned char *)text.data,
                dot - 1, mac, &mac_len) &&
           signature.len == mac_len && CRYPTO_memcmp(signature.data, mac, mac_len) == 0;
    buf_fini(&signature);
    return fits;
}

bool jwk_verifies(const struct jwk *key, jws_t *jws, struct str text)
{
    if (!key->pubkey)
        return mac_fits(buf_str(&key->secret), text);
    return r_jws_verify_signature(jws, key->pubkey, R_FLAG_IGNORE_REMOTE) == RHN_OK;
}
