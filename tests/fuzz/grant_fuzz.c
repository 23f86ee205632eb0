/* What stands on the stdin of `pgherald oauth put`. What is taken is complete and is jsonb for
 * PostgreSQL; an error shows nothing that is long enough for a token. */
#include "fuzz.h"

#include "base/json.h" /* before jansson.h, which has a macro of the same name as one of its functions */
#include "cli/oauth.h"

#include <jansson.h>

#define TOKEN_LEAST 24 /* bytes: longer than any name of a field */

static void check_grant(const struct oauth_grant *grant, struct str text)
{
    char *fields = json_dumps(grant->fields, JSON_COMPACT);

    REQUIRE(fields && json_is_jsonb(str_c(fields)), text);
    REQUIRE(grant->account_id && grant->account_id[0], text);
    REQUIRE(grant->access.len > 0 && grant->access.len <= SEAL_PLAIN_MAX, text);
    REQUIRE(grant->gives_refresh || grant->refresh.len == 0, text);
    REQUIRE(!json_object_get(grant->fields, "access_token"), text);
    REQUIRE(!json_object_get(grant->fields, "refresh_token"), text);
    free(fields);
}

/* Texts with a digit: names of fields are shown. */
static void check_error(const char *message, struct str text)
{
    char window[TOKEN_LEAST + 1] = "";

    for (size_t i = 0; i + TOKEN_LEAST <= text.len; i++) {
        memcpy(window, text.data + i, TOKEN_LEAST);
        if (strlen(window) == TOKEN_LEAST && window[strcspn(window, "0123456789")])
            REQUIRE(!strstr(message, window), text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = input_text(data, size);
    struct oauth_grant grant;
    struct err err = {0};

    if (oauth_grant_parse(text, &grant, &err) == OK) {
        check_grant(&grant, text);
        oauth_grant_fini(&grant);
    } else {
        REQUIRE(err.message[0] && !grant.root && !grant.fields, text);
        check_error(err.message, text);
    }
    return 0;
}
