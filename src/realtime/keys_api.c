#include "realtime/keys_api.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "token/sign.h"

#define MAX_ANSWER 131072

static void add_text(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, ",\"%s\":", name);
    if (value)
        json_add_string(out, str_c(value));
    else
        buf_add_c(out, "null");
}

static void write_self(struct buf *out, const struct key *key, const struct request *request)
{
    const struct allowance *allowance = &request->caller->allowance;
    char when[CLOCK_ISO_TEXT];

    buf_addf(out, "{\"id\":\"%s\"", key->id);
    add_text(out, "name", key->name);
    add_text(out, "user_id", key->user_id);
    add_text(out, "role", request->caller->token->role);
    buf_addf(out, ",\"scopes\":%s", key->scopes_json);
    add_text(out, "expires_at",
             key->expires == KEY_FOREVER ? NULL : clock_iso_ms(key->expires * 1000000, when));
    buf_addf(out,
             ",\"rate_limit\":{\"per_minute\":%" PRIu32 ",\"remaining\":%" PRIu32
             ",\"reset_seconds\":%" PRIu32 "}}",
             allowance->limit, allowance->remaining, allowance->reset_s);
}

void keys_api_self(const struct request *request, struct answer *out)
{
    const struct key *key = keyring_find_id(
        request->core->authority.ring, str_c(request->caller->key_id), request->now.us / 1000000);
    struct buf body;

    if (!key) {
        answer_error(out, 401, "InvalidApiKey: The API key has just gone");
        return;
    }
    buf_init(&body, MAX_ANSWER);
    write_self(&body, key, request);
    answer_with(out, 200, MEDIA_JSON, buf_str(&body));
    buf_fini(&body);
}

void keys_api_token(const struct request *request, struct answer *out)
{
    const struct token *key = request->caller->token;
    int64_t now = request->now.us / 1000000, expires = now + KEYS_API_TOKEN_S;
    struct buf token, body;
    struct err err;

    if (key->expires < expires)
        expires = key->expires;
    buf_init(&token, TOKEN_MAX_BYTES);
    buf_init(&body, MAX_ANSWER);
    if (sign_for_key(str_c(request->core->config->jwt_secret), key, now, expires, &token, &err) !=
        OK) {
        answer_error(out, 501, err.message);
    } else if (!buf_ok(&token)) {
        answer_error(out, 500, "TokenTooLarge: The key has more scopes than a token can hold");
    } else {
        buf_addf(&body,
                 "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":%" PRId64
                 ",\"expires_at\":%" PRId64 "}",
                 token.data, expires - now, expires);
        answer_with(out, 200, MEDIA_JSON, buf_str(&body));
    }
    buf_fini(&token);
    buf_fini(&body);
}
