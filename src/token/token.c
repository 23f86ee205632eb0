#include "token/token.h"

#include "base/json.h" /* before jansson.h, which has a macro of the same name as one of its functions */
#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <rhonabwy.h>
#include <stdlib.h>
#include <string.h>

struct token_verifier {
    jwk_t *secret; /* NULL: none, so nothing can be verified */
};

struct token_verifier *token_verifier_new(struct str secret)
{
    struct token_verifier *verifier = mem_alloc(sizeof(*verifier));

    if (secret.len == 0)
        return verifier;
    if (r_jwk_init(&verifier->secret) != RHN_OK ||
        r_jwk_import_from_symmetric_key(verifier->secret, (const unsigned char *)secret.data,
                                        secret.len) != RHN_OK) {
        r_jwk_free(verifier->secret);
        verifier->secret = NULL;
    }
    return verifier;
}

void token_verifier_free(struct token_verifier *verifier)
{
    if (!verifier)
        return;
    r_jwk_free(verifier->secret);
    free(verifier);
}

void token_free(struct token *token)
{
    if (!token)
        return;
    free(token->role);
    free(token->sub);
    free(token->claims);
    free(token);
}

static enum token_fault malformed(struct err *err)
{
    (void)err_set(err, "MalformedJWT: The token provided is not a valid JWT");
    return TOKEN_MALFORMED;
}

static enum token_fault untrusted(struct err *err)
{
    (void)err_set(err, "JwtSignatureError: Failed to validate JWT signature");
    return TOKEN_UNTRUSTED;
}

/* Three non-empty runs of the URL alphabet with dots between: what any JWT looks like (RFC 7515,
 * 7.1). An unsigned one has nothing behind the second dot; it is a JWT, only nobody's. */
static bool has_shape(struct str text)
{
    unsigned dots = 0;
    size_t run = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c == '.') {
            if (run == 0)
                return false;
            dots++;
            run = 0;
        } else if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '_') {
            run++;
        } else {
            return false;
        }
    }
    return dots == 2;
}

/* The claims are taken from what the library verified, never from the text beside it. Keys that the
 * token brings along in its header are not looked at (R_PARSE_NONE). */
static enum token_fault open_signed(const struct token_verifier *verifier, struct str text,
                                    jws_t *jws, struct err *err)
{
    if (text.data[text.len - 1] == '.')
        return untrusted(err);
    if (r_jws_advanced_compact_parsen(jws, text.data, text.len, R_PARSE_NONE, 0) != RHN_OK)
        return malformed(err);
    if (r_jws_get_alg(jws) != R_JWA_ALG_HS256 || !verifier->secret)
        return untrusted(err);
    if (r_jws_verify_signature(jws, verifier->secret, 0) != RHN_OK)
        return untrusted(err);
    return TOKEN_VALID;
}

/* NumericDate may have a fraction (RFC 7519, 2). */
static bool read_time(const json_t *value, int64_t *seconds)
{
    double real;

    if (json_is_integer(value)) {
        *seconds = json_integer_value(value);
        return true;
    }
    real = json_real_value(value);
    if (!json_is_real(value) || real < -9e15 || real > 9e15)
        return false;
    *seconds = (int64_t)real;
    return true;
}

static enum token_fault read_times(const json_t *claims, int64_t now, int64_t *expires,
                                   struct err *err)
{
    const json_t *not_before = json_object_get(claims, "nbf");
    int64_t start;

    if (!read_time(json_object_get(claims, "exp"), expires)) {
        (void)err_set(err, "InvalidJWTToken: Fields `role` and `exp` are required in JWT");
        return TOKEN_INCOMPLETE;
    }
    if (*expires <= now) {
        (void)err_set(err, "InvalidJWTToken: Token has expired %" PRId64 " seconds ago",
                      now - *expires);
        return TOKEN_EXPIRED;
    }
    if (not_before && (!read_time(not_before, &start) || start > now)) {
        (void)err_set(err, "InvalidJWTToken: Token is not valid yet (nbf)");
        return TOKEN_TOO_EARLY;
    }
    return TOKEN_VALID;
}

static enum token_fault read_claims(struct str text, int64_t now, struct token **out,
                                    struct err *err)
{
    json_t *claims = json_loadb(text.data, text.len, 0, NULL);
    const char *role = json_string_value(json_object_get(claims, "role"));
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    enum token_fault fault;
    int64_t expires;

    if (!json_is_object(claims) || !json_is_jsonb(text)) {
        json_decref(claims);
        return malformed(err);
    }
    fault = read_times(claims, now, &expires, err);
    if (!fault && (!role || !*role || strlen(role) > TOKEN_MAX_ROLE)) {
        (void)err_set(err, "InvalidJWTToken: Fields `role` and `exp` are required in JWT");
        fault = TOKEN_INCOMPLETE;
    }
    if (!fault) {
        *out = mem_alloc(sizeof(**out));
        (*out)->role = mem_strdup(role);
        (*out)->sub = mem_strdup(sub);
        (*out)->expires = expires;
        (*out)->claims = str_dup(text);
        (*out)->claims_len = text.len;
    }
    json_decref(claims);
    return fault;
}

enum token_fault token_verify(const struct token_verifier *verifier, struct str text, int64_t now,
                              struct token **out, struct err *err)
{
    jws_t *jws = NULL;
    enum token_fault fault;
    const unsigned char *payload;
    size_t len = 0;

    *out = NULL;
    if (text.len > TOKEN_MAX_BYTES || !has_shape(text))
        return malformed(err);
    if (r_jws_init(&jws) != RHN_OK)
        return malformed(err);
    fault = open_signed(verifier, text, jws, err);
    if (!fault) {
        payload = r_jws_get_payload(jws, &len);
        fault = payload ? read_claims(str_from((const char *)payload, len), now, out, err)
                        : malformed(err);
    }
    r_jws_free(jws);
    return fault;
}
