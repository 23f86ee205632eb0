#include "token/claims.h"

#include "base/json.h" /* before jansson.h, which has a macro of the same name as one of its functions */
#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are read as reals, so that one of any size is a number and not an error. */
#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL)
#define MAX_TIME 9e15 /* to the second in a real, and far from the ends of int64_t */

enum token_fault claims_malformed(struct err *err)
{
    (void)err_set(err, "MalformedJWT: The token provided is not a valid JWT");
    return TOKEN_MALFORMED;
}

static enum token_fault incomplete(struct err *err)
{
    (void)err_set(err, "InvalidJWTToken: Fields `role` and `exp` are required in JWT");
    return TOKEN_INCOMPLETE;
}

/* NumericDate may have a fraction (RFC 7519, 2). */
static bool read_time(const json_t *value, int64_t *seconds)
{
    double real = json_real_value(value);

    if (!json_is_real(value) || real < -MAX_TIME || real > MAX_TIME)
        return false;
    *seconds = (int64_t)real;
    return true;
}

static enum token_fault check_times(const json_t *claims, const struct token_rules *rules,
                                    int64_t now, int64_t *expires, struct err *err)
{
    const json_t *not_before = json_object_get(claims, "nbf");
    int64_t start;

    if (!read_time(json_object_get(claims, "exp"), expires))
        return incomplete(err);
    if (*expires + rules->leeway <= now) {
        (void)err_set(err, "InvalidJWTToken: Token has expired %" PRId64 " seconds ago",
                      now - *expires);
        return TOKEN_EXPIRED;
    }
    if (not_before && (!read_time(not_before, &start) || start > now + rules->leeway)) {
        (void)err_set(err, "InvalidJWTToken: Token is not valid yet (nbf)");
        return TOKEN_TOO_EARLY;
    }
    *expires += rules->leeway;
    return TOKEN_VALID;
}

static bool is_listed(const json_t *value, const struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (json_is_string(value) && strcmp(json_string_value(value), list->items[i]) == 0)
            return true;
    return false;
}

/* One text, or several in an array (RFC 7519, 4.1.3). */
static bool is_for_us(const json_t *audience, const struct config_list *list)
{
    for (size_t i = 0; i < json_array_size(audience); i++)
        if (is_listed(json_array_get(audience, i), list))
            return true;
    return is_listed(audience, list);
}

static enum token_fault check_parties(const json_t *claims, const struct token_rules *rules,
                                      struct err *err)
{
    if (rules->audience && rules->audience->count > 0 &&
        !is_for_us(json_object_get(claims, "aud"), rules->audience)) {
        (void)err_set(err, "InvalidJWTToken: Token is meant for another audience (aud)");
        return TOKEN_ELSEWHERE;
    }
    if (rules->issuer && rules->issuer->count > 0 &&
        !is_listed(json_object_get(claims, "iss"), rules->issuer)) {
        (void)err_set(err, "InvalidJWTToken: Token is from another issuer (iss)");
        return TOKEN_ELSEWHERE;
    }
    return TOKEN_VALID;
}

static struct token *make(struct str text, const json_t *claims, int64_t expires)
{
    struct token *token = mem_alloc(sizeof(*token));

    token->role = mem_strdup(json_string_value(json_object_get(claims, "role")));
    token->sub = mem_strdup(json_string_value(json_object_get(claims, "sub")));
    token->expires = expires;
    token->claims = str_dup(text);
    token->claims_len = text.len;
    return token;
}

static enum token_fault read_object(struct str text, const json_t *claims,
                                    const struct token_rules *rules, int64_t now,
                                    struct token **out, struct err *err)
{
    size_t role_len = json_string_length(json_object_get(claims, "role"));
    int64_t expires = 0;
    enum token_fault fault = check_times(claims, rules, now, &expires, err);

    if (!fault)
        fault = check_parties(claims, rules, err);
    if (!fault && (role_len == 0 || role_len > TOKEN_MAX_ROLE))
        fault = incomplete(err);
    if (!fault)
        *out = make(text, claims, expires);
    return fault;
}

enum token_fault claims_read(struct str text, const struct token_rules *rules, int64_t now,
                             struct token **out, struct err *err)
{
    json_t *claims = json_loadb(text.data, text.len, FLAGS, NULL);
    enum token_fault fault;

    *out = NULL;
    if (!json_is_object(claims) || !json_is_jsonb(text))
        fault = claims_malformed(err);
    else
        fault = read_object(text, claims, rules, now, out, err);
    json_decref(claims);
    return fault;
}
