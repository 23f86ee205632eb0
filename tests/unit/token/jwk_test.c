#include "unit.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <rhonabwy.h>
#include <stdio.h>

#include "world.h"

/* Signatures of keys, by OpenSSL. */
static const struct row {
    const char *sentence;
    const char *header;
    enum key key;
    const char *digest;
    bool pss;
    enum token_fault fault;
} rows[] = {
    {"RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_A, "SHA256", false, TOKEN_VALID},
    {"RS384", "{\"alg\":\"RS384\",\"kid\":\"rsa\"}", RSA_A, "SHA384", false, TOKEN_VALID},
    {"RS512", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", RSA_A, "SHA512", false, TOKEN_VALID},
    {"PS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", RSA_A, "SHA256", true, TOKEN_VALID},
    {"ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", P256, "SHA256", false, TOKEN_VALID},
    {"ES384", "{\"alg\":\"ES384\",\"kid\":\"p384\"}", P384, "SHA384", false, TOKEN_VALID},
    {"EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", ED, NULL, false, TOKEN_VALID},
    {"a key that says its algorithm", "{\"alg\":\"RS512\",\"kid\":\"only\"}", RSA_ONLY, "SHA512",
     false, TOKEN_VALID},

    {"without a kid the keys that fit are tried", "{\"alg\":\"RS256\"}", RSA_A, "SHA256", false,
     TOKEN_VALID},
    {"also behind one that fits but did not sign", "{\"alg\":\"RS512\"}", RSA_ONLY, "SHA512", false,
     TOKEN_VALID},
    {"without a kid, a curve", "{\"alg\":\"ES256\"}", P256, "SHA256", false, TOKEN_VALID},
    {"without a kid, Ed25519", "{\"alg\":\"EdDSA\"}", ED, NULL, false, TOKEN_VALID},

    {"the kid of another key of the same kind", "{\"alg\":\"RS512\",\"kid\":\"only\"}", RSA_A,
     "SHA512", false, TOKEN_UNTRUSTED},
    {"the kid of a key of another kind", "{\"alg\":\"RS256\",\"kid\":\"p256\"}", RSA_A, "SHA256",
     false, TOKEN_UNTRUSTED},
    {"a kid that is not known", "{\"alg\":\"ES256\",\"kid\":\"p257\"}", P256, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"an empty kid", "{\"alg\":\"ES256\",\"kid\":\"\"}", P256, "SHA256", false, TOKEN_UNTRUSTED},
    {"a kid that begins as a good one", "{\"alg\":\"ES256\",\"kid\":\"p256 \"}", P256, "SHA256",
     false, TOKEN_UNTRUSTED},
    {"a stranger's RSA key", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_B, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"a stranger's curve", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", P256_B, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"a stranger's Ed25519", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", ED_B, NULL, false,
     TOKEN_UNTRUSTED},
    {"a stranger without a kid", "{\"alg\":\"ES256\"}", P256_B, "SHA256", false, TOKEN_UNTRUSTED},
    {"a key too short to be in the set", "{\"alg\":\"RS256\",\"kid\":\"weak\"}", WEAK, "SHA256",
     false, TOKEN_UNTRUSTED},
    {"the algorithm that a key is not for", "{\"alg\":\"RS256\",\"kid\":\"only\"}", RSA_ONLY,
     "SHA256", false, TOKEN_UNTRUSTED},
    {"PSS called PKCS#1", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_A, "SHA256", true,
     TOKEN_UNTRUSTED},
    {"PKCS#1 called PSS", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", RSA_A, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"another digest than is said", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_A, "SHA512", false,
     TOKEN_UNTRUSTED},
    {"SHA-1, called SHA-256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_A, "SHA1", false,
     TOKEN_UNTRUSTED},
    {"ES256 by a larger curve", "{\"alg\":\"ES256\",\"kid\":\"p384\"}", P384, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"ES256 by a larger curve, without a kid", "{\"alg\":\"ES256\"}", P384, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"ES384 by a smaller curve", "{\"alg\":\"ES384\",\"kid\":\"p256\"}", P256, "SHA384", false,
     TOKEN_UNTRUSTED},
    {"an algorithm that is not taken", "{\"alg\":\"PS512\",\"kid\":\"rsa\"}", RSA_A, "SHA512", true,
     TOKEN_UNTRUSTED},
    {"alg none over a good signature", "{\"alg\":\"none\",\"kid\":\"rsa\"}", RSA_A, "SHA256", false,
     TOKEN_UNTRUSTED},
    {"a good signature over a header that asks for more",
     "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"]}", RSA_A, "SHA256", false,
     TOKEN_MALFORMED},
};

static void test_keys(void **state)
{
    const struct world *w = *state;

    for
        EACH(struct row, row, rows)
        {
            struct err err = {0};
            struct token *token;
            struct buf text;
            enum token_fault fault;

            signing_token(&text, row->header, CLAIMS, w->keys[row->key], row->digest, row->pss);
            fault = token_verify(w->verifier, buf_str(&text), NOW, &token, &err);
            if (fault != row->fault)
                fail_msg("%s: fault %d, %s", row->sentence, (int)fault, err.message);
            if (fault == TOKEN_UNTRUSTED)
                CHECK_STR(str_c(err.message), STR(UNTRUSTED), row->sentence);
            if (token)
                CHECK(token->signer != 0 && token_verifier_has_key(w->verifier, token->signer),
                      row->sentence);
            token_free(token);
            buf_fini(&text);
        }
}

static const struct {
    const char *sentence;
    const char *header;
    const char *secret;
    enum token_fault fault;
} hmac_rows[] = {
    {"a good token is taken", HS256, SECRET, TOKEN_VALID},
    {"typ is optional", "{\"alg\":\"HS256\"}", SECRET, TOKEN_VALID},
    {"the secret has no name, whatever issuers put there", "{\"alg\":\"HS256\",\"kid\":\"x1\"}",
     SECRET, TOKEN_VALID},
    {"not even that of a public key", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", SECRET, TOKEN_VALID},
    {"another secret", HS256, OTHER_SECRET, TOKEN_UNTRUSTED},
    {"a secret that begins the same", HS256, SECRET "x", TOKEN_UNTRUSTED},
    {"no secret", HS256, "", TOKEN_UNTRUSTED},
    {"alg none, though signed", "{\"alg\":\"none\"}", SECRET, TOKEN_UNTRUSTED},
    {"alg of another kind of key", "{\"alg\":\"RS256\"}", SECRET, TOKEN_UNTRUSTED},
    {"alg of the same kind, which was not agreed on", "{\"alg\":\"HS512\"}", SECRET,
     TOKEN_UNTRUSTED},
    {"a key of its own in the header",
     "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":"
     "\"YW5vdGhlci1zZWNyZXQtb2YtYXQtbGVhc3QtMzItYnl0ZXMtdG9v\"}}",
     OTHER_SECRET, TOKEN_UNTRUSTED},
};

static void test_secret(void **state)
{
    const struct world *w = *state;

    for (size_t i = 0; i < COUNT(hmac_rows); i++) {
        struct buf text;

        signing_token_hmac(&text, hmac_rows[i].header, CLAIMS, EVP_sha256(),
                           str_c(hmac_rows[i].secret));
        CHECK(verify(w, buf_str(&text)) == hmac_rows[i].fault, hmac_rows[i].sentence);
        buf_fini(&text);
    }
}

/* A public key is public: whatever form of it is taken for a shared secret, it must not be one. */
static void check_confusion(const struct world *w, EVP_PKEY *key, const char *kid)
{
    static const EVP_MD *(*const digests[])(void) = {EVP_sha256, EVP_sha384, EVP_sha512};
    static const char *const names[] = {"HS256", "HS384", "HS512"};
    BIO *pem = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    struct buf jwk, text;
    struct str forms[4];
    char *pem_text = NULL;
    char header[128];

    PEM_write_bio_PUBKEY(pem, key);
    forms[0].len = (size_t)BIO_get_mem_data(pem, &pem_text);
    forms[0].data = pem_text;
    forms[1] = str_trim(forms[0]);
    forms[2].len = (size_t)i2d_PUBKEY(key, &der);
    forms[2].data = (char *)der;
    buf_init(&jwk, 65536);
    signing_add_jwk(&jwk, key, "");
    forms[3] = buf_str(&jwk);
    for (size_t i = 0; i < COUNT(forms) * COUNT(names); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", names[i % 3], kid);
        signing_token_hmac(&text, header, CLAIMS, digests[i % 3](), forms[i / 3]);
        assert_int_equal(verify(w, buf_str(&text)), TOKEN_UNTRUSTED);
        buf_fini(&text);
    }
    OPENSSL_free(der);
    BIO_free(pem);
    buf_fini(&jwk);
}

static void test_confusion(void **state)
{
    const struct world *w = *state;

    check_confusion(w, w->keys[RSA_A], "rsa");
    check_confusion(w, w->keys[P256], "p256");
    check_confusion(w, w->keys[ED], "ed");
}

/* The other hand: keys and tokens of the library itself. */
static void test_library(void **state)
{
    static const struct {
        jwa_alg alg;
        int type;
        unsigned bits;
    } kinds[] = {{R_JWA_ALG_RS256, R_KEY_TYPE_RSA, 2048},
                 {R_JWA_ALG_PS256, R_KEY_TYPE_RSA, 2048},
                 {R_JWA_ALG_ES256, R_KEY_TYPE_EC, 256},
                 {R_JWA_ALG_ES384, R_KEY_TYPE_EC, 384},
                 {R_JWA_ALG_EDDSA, R_KEY_TYPE_EDDSA, 256}};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct token_verifier *verifier = token_verifier_new(STR(""));
        jwk_t *private = NULL, *public = NULL;
        jws_t *jws = NULL;
        char *text, *key;
        struct token *token;
        struct jwks *jwks;
        struct buf set;
        struct err err;

        r_jwk_init(&private);
        r_jwk_init(&public);
        assert_int_equal(
            r_jwk_generate_key_pair(private, public, kinds[i].type, kinds[i].bits, "k"), RHN_OK);
        r_jws_init(&jws);
        r_jws_set_alg(jws, kinds[i].alg);
        r_jws_set_payload(jws, (const unsigned char *)CLAIMS.data, CLAIMS.len);
        text = r_jws_serialize(jws, private, 0);
        key = r_jwk_export_to_json_str(public, 0);
        buf_init(&set, 65536);
        buf_addf(&set, "{\"keys\":[%s]}", key);
        assert_int_equal(jwks_read(buf_str(&set), JWKS_OF_FILE, &jwks, &err), OK);
        token_verifier_set_keys(verifier, JWKS_OF_FILE, jwks);
        assert_int_equal(token_verify(verifier, str_c(text), NOW, &token, &err), TOKEN_VALID);
        token_free(token);
        r_free(text);
        r_free(key);
        r_jws_free(jws);
        r_jwk_free(private);
        r_jwk_free(public);
        buf_fini(&set);
        token_verifier_free(verifier);
    }
}

/* Cut at every byte, and with every byte changed, of one token a kind. */
static void test_every_byte(void **state)
{
    const struct world *w = *state;

    for (enum key key = RSA_A; key <= ED; key++) {
        static const char *const headers[] = {"{\"alg\":\"RS256\"}", "{\"alg\":\"ES256\"}",
                                              "{\"alg\":\"ES384\"}", "{\"alg\":\"EdDSA\"}"};
        static const char *const digests[] = {"SHA256", "SHA256", "SHA384", NULL};
        struct buf text;

        signing_token(&text, headers[key], CLAIMS, w->keys[key], digests[key], false);
        for (size_t len = 0; len < text.len; len++) {
            char *cut = malloc(len + 1); /* so that a read beyond it is seen */

            memcpy(cut, text.data, len);
            assert_int_not_equal(verify(w, str_from(cut, len)), TOKEN_VALID);
            free(cut);
        }
        for (size_t i = 0; i + 1 < text.len; i++) {
            char kept = text.data[i];

            text.data[i] = kept == 'A' ? 'B' : 'A';
            assert_int_not_equal(verify(w, buf_str(&text)), TOKEN_VALID);
            text.data[i] = kept;
        }
        buf_add_char(&text, 'A'); /* more behind it */
        assert_int_not_equal(verify(w, buf_str(&text)), TOKEN_VALID);
        buf_truncate(&text, text.len - 1);
        buf_add_c(&text, "\n");
        assert_int_equal(verify(w, buf_str(&text)), TOKEN_MALFORMED);
        buf_truncate(&text, text.len - 1);
        assert_int_equal(verify(w, buf_str(&text)), TOKEN_VALID);
        buf_fini(&text);
    }
}

/* The library takes the length of another curve's signatures too: there would be many spellings of
 * one signature. */
static void test_padded(void **state)
{
    const struct world *w = *state;
    uint8_t padded[96] = {0};
    struct buf text, signature;
    size_t dot;

    signing_token(&text, "{\"alg\":\"ES256\"}", CLAIMS, w->keys[P256], "SHA256", false);
    assert_int_equal(verify(w, buf_str(&text)), TOKEN_VALID);
    dot = (size_t)(strrchr(text.data, '.') - text.data) + 1;
    buf_init(&signature, 96);
    assert_true(base64_decode(&signature, str_from(text.data + dot, text.len - dot)));
    memcpy(padded + 16, signature.data, 32);
    memcpy(padded + 64, signature.data + 32, 32);
    buf_truncate(&text, dot);
    base64url_encode(&text, padded, sizeof(padded));
    assert_int_equal(verify(w, buf_str(&text)), TOKEN_UNTRUSTED);
    buf_fini(&signature);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_secret),
        cmocka_unit_test(test_confusion),  cmocka_unit_test(test_library),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_padded),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
