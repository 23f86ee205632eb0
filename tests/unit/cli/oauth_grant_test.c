#include "unit.h"

#include <jansson.h>

#include "cli/oauth.h"

#define NEEDED "\"google_account_id\":\"1\",\"access_token\":\"ya29.x\""

static void reads(void **state)
{
    static const struct row {
        const char *says, *text;
        const char *fields; /* sorted */
        const char *refresh;
        bool gives_refresh;
    } rows[] = {
        {"what is needed", "{" NEEDED "}", "{\"google_account_id\":\"1\"}", "", false},
        {"a refresh token", "{" NEEDED ",\"refresh_token\":\"1//r\"}",
         "{\"google_account_id\":\"1\"}", "1//r", true},
        {"none of it", "{" NEEDED ",\"refresh_token\":null}", "{\"google_account_id\":\"1\"}", "",
         true},
        {"scopes in an array", "{" NEEDED ",\"scopes\":[\"a\",\"b c\"]}",
         "{\"google_account_id\":\"1\",\"scopes\":[\"a\",\"b c\"]}", "", false},
        {"scopes in a text", "{" NEEDED ",\"scopes\":\" a  b \"}",
         "{\"google_account_id\":\"1\",\"scopes\":[\"a\",\"b\"]}", "", false},
        {"no scopes", "{" NEEDED ",\"scopes\":null}", "{\"google_account_id\":\"1\",\"scopes\":[]}",
         "", false},
        {"a time in another zone", "{" NEEDED ",\"expires_at\":\"2026-11-23T15:04:05+02\"}",
         "{\"expires_at\":\"2026-11-23T13:04:05.000000Z\",\"google_account_id\":\"1\"}", "", false},
        {"no time, no type", "{" NEEDED ",\"expires_at\":null,\"token_type\":null}",
         "{\"google_account_id\":\"1\"}", "", false},
        {"an address and a type", "{" NEEDED ",\"google_email\":\"a@b\",\"token_type\":\"Bearer\"}",
         "{\"google_account_id\":\"1\",\"google_email\":\"a@b\",\"token_type\":\"Bearer\"}", "",
         false},
        {"an address that is taken away", "{" NEEDED ",\"google_email\":null}",
         "{\"google_account_id\":\"1\",\"google_email\":null}", "", false},
        {"white space around it", "\n {" NEEDED "}\n\n", "{\"google_account_id\":\"1\"}", "",
         false},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct oauth_grant grant;
            struct err err;
            char *fields;

            if (oauth_grant_parse(str_c(r->text), &grant, &err) != OK)
                fail_msg("%s: %s", r->says, err.message);
            fields = json_dumps(grant.fields, JSON_COMPACT | JSON_SORT_KEYS);
            CHECK_STR(str_c(fields), str_c(r->fields), r->says);
            CHECK_STR(str_c(grant.account_id), STR("1"), r->says);
            CHECK_STR(grant.access, STR("ya29.x"), r->says);
            CHECK_STR(grant.refresh, str_c(r->refresh), r->says);
            CHECK(grant.gives_refresh == r->gives_refresh, r->says);
            free(fields);
            oauth_grant_fini(&grant);
        }
}

static void refuses_without_quoting(void **state)
{
    static const struct row {
        const char *says, *text, *error;
    } rows[] = {
        {"nothing", "", "no JSON object: line 1, column 0"},
        {"a token alone", "ya29.SECRET", "no JSON object: line 1"},
        {"a JSON text", "\"ya29.SECRET\"", "no JSON object"},
        {"an array", "[\"ya29.SECRET\"]", "no JSON object, but another value"},
        {"cut off", "{\n" NEEDED ",\"refresh_token\":\"SECRET", "no JSON object: line 2"},
        {"two objects", "{" NEEDED "} {\"SECRET\":1}", "no JSON object"},
        {"a field twice", "{" NEEDED ",\"access_token\":\"SECRET\"}", "a field is given twice"},
        {"an unknown field", "{" NEEDED ",\"expires_in\":3599}",
         "expires_in is no known field; those are google_account_id"},
        {"a token as the name of a field", "{" NEEDED ",\"ya29.SECRET\":1}",
         "one of the names is no known field"},
        {"no account", "{\"access_token\":\"SECRET\"}", "google_account_id is missing"},
        {"no access token", "{\"google_account_id\":\"1\",\"refresh_token\":\"SECRET\"}",
         "access_token is missing"},
        {"an empty access token", "{\"google_account_id\":\"1\",\"access_token\":\"\"}",
         "access_token has to be a text"},
        {"an access token of null", "{\"google_account_id\":\"1\",\"access_token\":null}",
         "access_token has to be a text"},
        {"an empty refresh token", "{" NEEDED ",\"refresh_token\":\"\"}",
         "refresh_token has to be a text that is not empty"},
        {"an account that is a number", "{\"google_account_id\":108204268033311374519}",
         "no JSON object"},
        {"a small one", "{\"google_account_id\":1}", "google_account_id has to be a text"},
        {"a NUL in a token", "{" NEEDED ",\"refresh_token\":\"SECRET\\u0000\"}", "no JSON object"},
        {"no UTF-8", "{" NEEDED ",\"google_email\":\"SECRET\xff\"}", "no JSON object"},
        {"a time without a zone", "{" NEEDED ",\"expires_at\":\"2026-11-23T15:04:05\"}",
         "expires_at has to be a time such as 2026-11-23T15:04:05Z, or null"},
        {"seconds", "{" NEEDED ",\"expires_at\":1795405721}", "expires_at has to be a time"},
        {"scopes that are no texts", "{" NEEDED ",\"scopes\":[\"a\",1]}",
         "scopes has to be an array of texts"},
        {"scopes that are an object", "{" NEEDED ",\"scopes\":{\"a\":1}}", "scopes has to be"},
        {"an empty scope", "{" NEEDED ",\"scopes\":[\"\"]}", "scopes has to be"},
    };

    (void)state;
    for
        EACH(struct row, r, rows)
        {
            struct oauth_grant grant;
            struct err err = {""};

            if (oauth_grant_parse(str_c(r->text), &grant, &err) == OK)
                fail_msg("%s: it was taken", r->says);
            if (!strstr(err.message, r->error))
                fail_msg("%s: the message is \"%s\"", r->says, err.message);
            CHECK(!strstr(err.message, "SECRET") && !strstr(err.message, "ya29"), r->says);
            CHECK(!grant.root && !grant.fields, "nothing is left to free");
        }
}

static void bounds_lengths(void **state)
{
    static char text[SEAL_PLAIN_MAX + 200];
    struct oauth_grant grant;
    struct err err = {""};
    int len = snprintf(text, sizeof(text), "{\"google_account_id\":\"1\",\"access_token\":\"");

    (void)state;
    memset(text + len, 'a', SEAL_PLAIN_MAX);
    strcpy(text + len + SEAL_PLAIN_MAX, "\"}");
    assert_int_equal(oauth_grant_parse(str_c(text), &grant, &err), OK);
    oauth_grant_fini(&grant);
    strcpy(text + len + SEAL_PLAIN_MAX, "a\"}");
    assert_int_equal(oauth_grant_parse(str_c(text), &grant, &err), FAILED);
    assert_string_equal(err.message, "access_token has more than 65536 bytes");
    strcpy(text + len + 256, "\"}");
    memcpy(text, "{\"access_token\":\"a\",\"google_account_id\":\"", (size_t)len);
    assert_int_equal(oauth_grant_parse(str_c(text), &grant, &err), FAILED);
    assert_string_equal(err.message, "google_account_id has more than 255 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses_without_quoting),
        cmocka_unit_test(bounds_lengths),
    };

    return cmocka_run_group_tests_name("cli/oauth_grant", tests, NULL, NULL);
}
