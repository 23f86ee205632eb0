/* A key set. Whatever keys are taken, what nobody signed is refused; and a set that is read again
 * is the same set. */
#include "fuzz.h"

#include "token/token.h"

#define NOW 1000
#define MAX_LINE ((size_t)1 << 14)

/* {"role":"anon","exp":2000}, with signatures of the right length: zeros, and for
 * EdDSA the base point and a zero, as zeros alone are good for keys of low order. */
#define PAYLOAD ".eyJyb2xlIjoiYW5vbiIsImV4cCI6MjAwMH0."
#define ZEROS                                                                                      \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const char *const forged[] = {
    "eyJhbGciOiJSUzI1NiJ9" PAYLOAD ZEROS, /* RS256 */
    "eyJhbGciOiJFUzI1NiJ9" PAYLOAD        /* ES256 */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFZERTQSJ9" PAYLOAD /* EdDSA */
    "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJIUzI1NiJ9" PAYLOAD /* HS256 */
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

static void try_forged(struct jwks *jwks, enum jwks_origin origin, struct str text)
{
    struct token_verifier *verifier = token_verifier_new(STR(""));

    token_verifier_set_keys(verifier, origin, jwks);
    for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
        struct token *token;
        struct err err;

        REQUIRE(token_verify(verifier, str_c(forged[i]), NOW, &token, &err) == TOKEN_UNTRUSTED,
                text);
    }
    token_verifier_free(verifier);
}

static void look(const struct jwks *jwks, struct str text)
{
    struct buf line;

    REQUIRE(jwks_count(jwks) > 0 && jwks_count(jwks) + jwks_problem_count(jwks) <= JWKS_MAX_KEYS,
            text);
    buf_init(&line, MAX_LINE);
    for (size_t i = 0; i < jwks_count(jwks); i++)
        jwks_write_key(jwks, i, &line);
    for (size_t i = 0; i < jwks_problem_count(jwks); i++)
        buf_add_c(&line, jwks_problem(jwks, i));
    for (size_t i = 0; i < line.len; i++) /* nothing that a terminal or a log would act on */
        REQUIRE((unsigned char)line.data[i] >= ' ', text);
    buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = input_text(data, size);

    for (enum jwks_origin origin = JWKS_OF_FILE; origin <= JWKS_OF_URL; origin++) {
        struct jwks *jwks, *again;
        struct err err = {0};

        if (jwks_read(text, origin, &jwks, &err) != OK) {
            REQUIRE(jwks == NULL && err.message[0], text);
            continue;
        }
        look(jwks, text);
        REQUIRE(jwks_read(text, origin, &again, &err) == OK && jwks_same(jwks, again), text);
        jwks_free(again);
        try_forged(jwks, origin, text);
    }
    return 0;
}
