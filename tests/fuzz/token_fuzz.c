/* A token of a client. After a `{` the input is the claims, and the target signs them: what is
 * trusted must still be read with care. Anything else is the token itself. */
#include "fuzz.h"

#include "base/json.h"
#include "signing.h"
#include "token/token.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define HEADER "{\"alg\":\"HS256\"}"
#define NOW 1000

/* Public keys; those of the curves are of RFC 7515, A.3 and RFC 8037, A.2. Seeds of the corpus are
 * signed with them. */
static const char key_set[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"rsa\",\"e\":\"AQAB\",\"n\":\""
    "p9Jdjt6CQgKFP-icdHpyblQ_YI3pGq3lF4Ynyx-Kii-"
    "HoF4LmwouxFTz70xnUsd4NpGL07wsKAlYiGnO8sf1NRB-Gk9YiMdmfYTqTg_B4IOBjDmnBY-"
    "hO1E8A2UTuNy3oCIAtVUxvRXsDvD8vAqKO46kian1MCkNsRSUL7SoSpeXlgatTdOBd-"
    "qIOLTHk4jydgIqDZvqA4ZXZOZddTUGFx9U8KoEqLAziYGYcNbyzXdOo7hGbRKeUGlHpE-a-"
    "SHvB19w0j0xGRscOylAZGO1elQCtDmL-"
    "DuBqRCo1ZYaxatKGIaC0iiKdzIjE2tu5jI95IFyru_STPQ3ySUrZEk8ZQ"
    "\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\",\"x\":"
    "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"11qYAYKxCrfVS_"
    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static struct token_verifier *make_verifier(void)
{
    static struct stats stats;
    struct token_verifier *verifier = token_verifier_new(STR(SECRET));
    struct jwks *jwks;
    struct err err;

    REQUIRE(jwks_read(str_c(key_set), JWKS_OF_URL, &jwks, &err) == OK, str_c(err.message));
    token_verifier_set_keys(verifier, JWKS_OF_URL, jwks);
    token_verifier_set_cache(verifier, 16, &stats);
    return verifier;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_verifier *verifier;
    struct str text = input_text(data, size);
    bool is_signed = size > 0 && data[0] == '{';
    struct token *token;
    struct err err = {0};
    struct buf made;

    if (!verifier)
        verifier = make_verifier();
    buf_init(&made, 0);
    if (is_signed)
        signing_token_hmac(&made, HEADER, text, EVP_sha256(), STR(SECRET));
    if (token_verify(verifier, is_signed ? buf_str(&made) : text, NOW, &token, &err) ==
        TOKEN_VALID) {
        REQUIRE(token->expires > NOW && token->role[0], text);
        REQUIRE(strlen(token->role) <= TOKEN_MAX_ROLE, text);
        REQUIRE(json_is_jsonb(str_from(token->claims, token->claims_len)), text);
        REQUIRE(!is_signed || str_eq(str_from(token->claims, token->claims_len), text), text);
        REQUIRE(token_verifier_has_key(verifier, token->signer), text);
    } else {
        REQUIRE(token == NULL && err.message[0], text);
    }
    token_free(token);
    buf_fini(&made);
    return 0;
}
