#include "token/sign.h"

#include "base/json.h" /* before jansson.h */

#include <jansson.h>
#include <rhonabwy.h>
#include <stdlib.h>
#include <string.h>

static enum result failed(struct err *err)
{
    return err_set(err, "TokenNotSigned: The token could not be signed");
}

static enum result serialize(jws_t *jws, jwk_t *jwk, struct str secret, struct str claims,
                             struct buf *out, struct err *err)
{
    char *text;

    if (r_jwk_import_from_symmetric_key(jwk, (const unsigned char *)secret.data, secret.len) !=
            RHN_OK ||
        r_jws_set_alg(jws, R_JWA_ALG_HS256) != RHN_OK ||
        r_jws_set_header_str_value(jws, "typ", "JWT") != RHN_OK ||
        r_jws_set_payload(jws, (const unsigned char *)claims.data, claims.len) != RHN_OK)
        return failed(err);
    text = r_jws_serialize(jws, jwk, 0);
    if (!text)
        return failed(err);
    buf_add_c(out, text);
    r_free(text);
    return OK;
}

static enum result sign(struct str secret, struct str claims, struct buf *out, struct err *err)
{
    jws_t *jws = NULL;
    jwk_t *jwk = NULL;
    enum result result;

    if (secret.len == 0)
        return err_set(err, "TokenNotSigned: The server has no jwt_secret to sign with");
    if (r_jws_init(&jws) != RHN_OK || r_jwk_init(&jwk) != RHN_OK)
        result = failed(err);
    else
        result = serialize(jws, jwk, secret, claims, out, err);
    r_jwk_free(jwk);
    r_jws_free(jws);
    return result;
}

/* `claims`, taken over, with those that every token of ours has. */
static enum result sign_claims(struct str secret, json_t *claims, int64_t now, int64_t expires,
                               struct buf *out, struct err *err)
{
    enum result result;
    char *text;

    json_object_set_new(claims, "iss", json_string(SIGN_ISSUER));
    json_object_set_new(claims, "iat", json_integer(now));
    json_object_set_new(claims, "exp", json_integer(expires));
    text = json_dumps(claims, JSON_COMPACT);
    result = text ? sign(secret, str_c(text), out, err) : failed(err);
    free(text);
    json_decref(claims);
    return result;
}

enum result sign_for_key(struct str secret, const struct token *key, int64_t now, int64_t expires,
                         struct buf *out, struct err *err)
{
    json_t *claims = json_loadb(key->claims, key->claims_len, 0, NULL);

    return claims ? sign_claims(secret, claims, now, expires, out, err) : failed(err);
}

enum result sign_for_service(struct str secret, int64_t now, int64_t expires, struct buf *out,
                             struct err *err)
{
    return sign_claims(secret, json_pack("{s:s}", "role", "service_role"), now, expires, out, err);
}
