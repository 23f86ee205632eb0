/* A token of a client. After a `{` the input is the claims, and the target signs them: what is
 * trusted must still be read with care. Anything else is the token itself, which nobody signed. */
#include "fuzz.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/json.h"
#include "token/token.h"

#define SECRET "an-example-secret-of-at-least-32-bytes"
#define HEADER "{\"alg\":\"HS256\"}"
#define NOW 1000
#define MAX_OUT ((size_t)1 << 20)

static void add_base64url(struct buf *out, const void *data, size_t len)
{
    size_t before = out->len;

    base64_encode(out, data, len);
    while (out->len > before && out->data[out->len - 1] == '=')
        buf_truncate(out, out->len - 1);
    for (size_t i = before; i < out->len; i++)
        out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

static void sign(struct buf *out, struct str claims)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    add_base64url(out, HEADER, sizeof(HEADER) - 1);
    buf_add_char(out, '.');
    add_base64url(out, claims.data, claims.len);
    HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (unsigned char *)out->data, out->len, mac, &len);
    buf_add_char(out, '.');
    add_base64url(out, mac, len);
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
        verifier = token_verifier_new(STR(SECRET));
    buf_init(&made, MAX_OUT);
    if (is_signed)
        sign(&made, text);
    if (token_verify(verifier, is_signed ? buf_str(&made) : text, NOW, &token, &err) ==
        TOKEN_VALID) {
        REQUIRE(token->expires > NOW && token->role[0], text);
        REQUIRE(strlen(token->role) <= TOKEN_MAX_ROLE, text);
        REQUIRE(json_is_jsonb(str_from(token->claims, token->claims_len)), text);
        REQUIRE(!is_signed || str_eq(str_from(token->claims, token->claims_len), text), text);
    } else {
        REQUIRE(token == NULL && err.message[0], text);
    }
    token_free(token);
    buf_fini(&made);
    return 0;
}
