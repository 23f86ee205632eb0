/* A verifier with a secret and a set of one key of each kind, and those who sign. */
#ifndef PGHERALD_TESTS_TOKEN_WORLD_H
#define PGHERALD_TESTS_TOKEN_WORLD_H

#include "signing.h"
#include "token/token.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define OTHER_SECRET "another-secret-of-at-least-32-bytes-too"
#define NOW 1000
#define CLAIMS STR("{\"role\":\"anon\",\"exp\":2000}")
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define UNTRUSTED "JwtSignatureError: Failed to validate JWT signature"

/* The keys of the set of `world`, by kid. `rsa`, `p256`, `p384` and `ed` are what they say; `only`
 * is an RSA key for RS512 alone. The others are in no set. */
enum key { RSA_A, P256, P384, ED, RSA_ONLY, RSA_B, P256_B, ED_B, WEAK, KEYS };

struct world {
    struct token_verifier *verifier;
    EVP_PKEY *keys[KEYS];
};

static inline int set_up(void **state)
{
    static const enum signing_kind kinds[KEYS] = {
        SIGNING_RSA, SIGNING_P256, SIGNING_P384,    SIGNING_ED25519, SIGNING_RSA,
        SIGNING_RSA, SIGNING_P256, SIGNING_ED25519, SIGNING_WEAK_RSA};
    static const char *const more[] = {",\"kid\":\"rsa\"", ",\"kid\":\"p256\"", ",\"kid\":\"p384\"",
                                       ",\"kid\":\"ed\"",
                                       ",\"kid\":\"only\",\"alg\":\"RS512\",\"use\":\"sig\""};
    struct world *w = calloc(1, sizeof(*w));
    struct jwks *jwks;
    struct buf text;
    struct err err;

    for (size_t i = 0; i < KEYS; i++)
        w->keys[i] = signing_key(kinds[i]);
    buf_init(&text, 65536);
    buf_add_c(&text, "{\"keys\":[");
    for (size_t i = 0; i < COUNT(more); i++) {
        signing_add_jwk(&text, w->keys[i], more[i]);
        buf_add_char(&text, ',');
    }
    signing_add_jwk(&text, w->keys[WEAK], ",\"kid\":\"weak\"");
    buf_add_c(&text, "]}");
    w->verifier = token_verifier_new(STR(SECRET));
    if (jwks_read(buf_str(&text), JWKS_OF_URL, &jwks, &err) != OK)
        fail_msg("%s", err.message);
    assert_int_equal(jwks_count(jwks), COUNT(more));
    assert_int_equal(jwks_problem_count(jwks), 1);
    token_verifier_set_keys(w->verifier, JWKS_OF_URL, jwks);
    buf_fini(&text);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;

    token_verifier_free(w->verifier);
    for (size_t i = 0; i < KEYS; i++)
        EVP_PKEY_free(w->keys[i]);
    free(w);
    return 0;
}

static inline enum token_fault verify(const struct world *w, struct str text)
{
    struct err err = {0};
    struct token *token;
    enum token_fault fault = token_verify(w->verifier, text, NOW, &token, &err);

    assert_int_equal(fault == TOKEN_VALID, token != NULL);
    assert_int_equal(fault == TOKEN_VALID, err.message[0] == '\0');
    token_free(token);
    return fault;
}

#endif
