/* How many tokens a second one core verifies: by the library, from the cache, and what OpenSSL
 * alone takes for the same signature. One line each: algorithm, by the library, from the cache,
 * OpenSSL. The last line: 10,000 tokens, seconds when they are new, seconds when they come again,
 * of which so many were at hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "signing.h"
#include "token/token.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define NOW 1000
#ifndef SECONDS
#define SECONDS 1.0
#endif
#define CLIENTS 10000

static const struct kind {
    const char *alg;
    enum signing_kind key;
    const char *digest;
    bool pss, hmac;
} kinds[] = {{"HS256", SIGNING_RSA, NULL, false, true},
             {"RS256", SIGNING_RSA, "SHA256", false, false},
             {"PS256", SIGNING_RSA, "SHA256", true, false},
             {"ES256", SIGNING_P256, "SHA256", false, false},
             {"ES384", SIGNING_P384, "SHA384", false, false},
             {"EdDSA", SIGNING_ED25519, NULL, false, false}};

/* The time of the processor, so that what else runs does not count. */
static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The size of the claims that Supabase Auth makes. */
static void make_token(const struct kind *kind, EVP_PKEY *key, struct buf *out)
{
    struct buf claims;
    char header[64];

    buf_init(&claims, 4096);
    buf_add_c(&claims, "{\"role\":\"authenticated\",\"exp\":2000,\"x\":\"");
    while (claims.len < 600)
        buf_add_char(&claims, 'x');
    buf_add_c(&claims, "\"}");
    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"k\"}", kind->alg);
    if (kind->hmac)
        signing_token_hmac(out, header, buf_str(&claims), EVP_sha256(), STR(SECRET));
    else
        signing_token(out, header, buf_str(&claims), key, kind->digest, kind->pss);
    buf_fini(&claims);
}

static struct token_verifier *make_verifier(EVP_PKEY *key)
{
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));
    struct jwks *jwks;
    struct buf set;
    struct err err;

    buf_init(&set, 65536);
    buf_add_c(&set, "{\"keys\":[");
    signing_add_jwk(&set, key, ",\"kid\":\"k\"");
    buf_add_c(&set, "]}");
    if (jwks_read(buf_str(&set), JWKS_OF_FILE, &jwks, &err) != OK)
        exit(1);
    token_verifier_set_keys(verifier, JWKS_OF_FILE, jwks);
    buf_fini(&set);
    return verifier;
}

static void verify(const struct token_verifier *verifier, struct str text)
{
    struct token *token;
    struct err err;

    if (token_verify(verifier, text, NOW, &token, &err) != TOKEN_VALID)
        exit(1);
    token_free(token);
}

static double rate(const struct token_verifier *verifier, struct str text)
{
    double start = now();
    unsigned count = 0;

    for (; now() - start < SECONDS; count++)
        verify(verifier, text);
    return count / (now() - start);
}

/* With the key at hand and the signature decoded: the ceiling. */
static double rate_of_openssl(const struct kind *kind, EVP_PKEY *key, struct str text)
{
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    double start, seconds;
    unsigned count = 0;

    EVP_DigestSignInit_ex(signing, NULL, kind->digest, NULL, NULL, key, NULL);
    EVP_DigestSign(signing, signature, &len, (const unsigned char *)text.data, text.len);
    EVP_MD_CTX_free(signing);
    for (start = now(); now() - start < SECONDS; count++) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();

        EVP_DigestVerifyInit_ex(md, NULL, kind->digest, NULL, NULL, key, NULL);
        if (EVP_DigestVerify(md, signature, len, (const unsigned char *)text.data, text.len) != 1)
            exit(1);
        EVP_MD_CTX_free(md);
    }
    seconds = now() - start;
    return count / seconds;
}

/* As many clients as may be connected by default, each with a token of its own; once as after a
 * restart, and once as after a gap, when all of them rejoin. */
static void rejoin(void)
{
    const struct kind *kind = &kinds[3];
    EVP_PKEY *key = signing_key(kind->key);
    struct token_verifier *verifier = make_verifier(key);
    struct buf *texts = calloc(CLIENTS, sizeof(*texts));
    struct stats stats = {0};

    token_verifier_set_cache(verifier, 2 * CLIENTS, &stats);
    for (size_t i = 0; i < CLIENTS; i++)
        make_token(kind, key, &texts[i]);
    printf("%s-%d", kind->alg, CLIENTS);
    for (int time = 0; time < 2; time++) {
        double start = now();

        for (size_t i = 0; i < CLIENTS; i++)
            verify(verifier, buf_str(&texts[i]));
        printf(" %.3f", now() - start);
    }
    printf(" %.0f\n", (double)stat_get(&stats.tokens_cached_total));
    for (size_t i = 0; i < CLIENTS; i++)
        buf_fini(&texts[i]);
    free(texts);
    token_verifier_free(verifier);
    EVP_PKEY_free(key);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        EVP_PKEY *key = signing_key(kinds[i].key);
        struct token_verifier *verifier = make_verifier(key);
        struct stats stats = {0};
        double library, cache, openssl;
        struct buf text;

        make_token(&kinds[i], key, &text);
        library = rate(verifier, buf_str(&text));
        token_verifier_set_cache(verifier, 1024, &stats);
        cache = rate(verifier, buf_str(&text));
        openssl = kinds[i].hmac ? 0 : rate_of_openssl(&kinds[i], key, buf_str(&text));
        printf("%s %.0f %.0f %.0f\n", kinds[i].alg, library, cache, openssl);
        buf_fini(&text);
        token_verifier_free(verifier);
        EVP_PKEY_free(key);
    }
    rejoin();
    return 0;
}
