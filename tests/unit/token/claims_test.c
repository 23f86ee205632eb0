#include "unit.h"

#include <stdio.h>

#include "token/claims.h"

#define NOW 1000
#define REQUIRED "InvalidJWTToken: Fields `role` and `exp` are required in JWT"

/* What is set: two audiences, two issuers, a leeway. */
enum rule { NONE, AUD = 1, ISS = 2, LEEWAY = 4 };

static struct token_rules rules_of(int rules)
{
    static char users[] = "authenticated", mobile[] = "mobile";
    static char project[] = "https://a.example/auth/v1", supabase[] = "supabase";
    static char *audiences[] = {users, mobile}, *issuers[] = {project, supabase};
    static const struct config_list audience = {audiences, 2}, issuer = {issuers, 2};

    return (struct token_rules){rules & AUD ? &audience : NULL, rules & ISS ? &issuer : NULL,
                                rules & LEEWAY ? 5 : 0};
}

static const struct row {
    const char *sentence;
    const char *claims;
    int rules;
    enum token_fault fault;
    const char *message; /* NULL: any */
} rows[] = {
    {"what is needed", "{\"role\":\"anon\",\"exp\":2000}", NONE, TOKEN_VALID, NULL},
    {"a time may have a fraction", "{\"role\":\"anon\",\"exp\":2000.5}", NONE, TOKEN_VALID, NULL},
    {"a time may have an exponent", "{\"role\":\"anon\",\"exp\":2e3}", NONE, TOKEN_VALID, NULL},
    {"iat is not looked at", "{\"role\":\"anon\",\"exp\":2000,\"iat\":\"x\"}", NONE, TOKEN_VALID,
     NULL},
    {"numbers of any size are claims like others",
     "{\"role\":\"anon\",\"exp\":2000,\"n\":123456789012345678901234567890.5}", NONE, TOKEN_VALID,
     NULL},

    {"expired", "{\"role\":\"anon\",\"exp\":990}", NONE, TOKEN_EXPIRED,
     "InvalidJWTToken: Token has expired 10 seconds ago"},
    {"expired this very second", "{\"role\":\"anon\",\"exp\":1000}", NONE, TOKEN_EXPIRED, NULL},
    {"the last second", "{\"role\":\"anon\",\"exp\":1001}", NONE, TOKEN_VALID, NULL},
    {"expired before 1970", "{\"role\":\"anon\",\"exp\":-1}", NONE, TOKEN_EXPIRED, NULL},
    {"expired within the leeway", "{\"role\":\"anon\",\"exp\":996}", LEEWAY, TOKEN_VALID, NULL},
    {"expired beyond the leeway", "{\"role\":\"anon\",\"exp\":995}", LEEWAY, TOKEN_EXPIRED,
     "InvalidJWTToken: Token has expired 5 seconds ago"},
    {"no exp", "{\"role\":\"anon\"}", NONE, TOKEN_INCOMPLETE, REQUIRED},
    {"exp is text", "{\"role\":\"anon\",\"exp\":\"2000\"}", NONE, TOKEN_INCOMPLETE, REQUIRED},
    {"exp is null", "{\"role\":\"anon\",\"exp\":null}", NONE, TOKEN_INCOMPLETE, NULL},
    {"exp is an array", "{\"role\":\"anon\",\"exp\":[2000]}", NONE, TOKEN_INCOMPLETE, NULL},
    {"exp at the end of int64", "{\"role\":\"anon\",\"exp\":9223372036854775807}", NONE,
     TOKEN_INCOMPLETE, NULL},
    {"exp beyond int64", "{\"role\":\"anon\",\"exp\":9223372036854775808}", NONE, TOKEN_INCOMPLETE,
     NULL},
    {"exp in milliseconds is far away, but a time", "{\"role\":\"anon\",\"exp\":1700000000000}",
     NONE, TOKEN_VALID, NULL},
    {"exp beyond every real", "{\"role\":\"anon\",\"exp\":1e400}", NONE, TOKEN_MALFORMED, NULL},

    {"not yet valid", "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1001}", NONE, TOKEN_TOO_EARLY,
     "InvalidJWTToken: Token is not valid yet (nbf)"},
    {"valid from now", "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1000}", NONE, TOKEN_VALID, NULL},
    {"too early within the leeway", "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1005}", LEEWAY,
     TOKEN_VALID, NULL},
    {"too early beyond the leeway", "{\"role\":\"anon\",\"exp\":2000,\"nbf\":1006}", LEEWAY,
     TOKEN_TOO_EARLY, NULL},
    {"nbf that is no time", "{\"role\":\"anon\",\"exp\":2000,\"nbf\":\"900\"}", NONE,
     TOKEN_TOO_EARLY, NULL},

    {"the audience", "{\"role\":\"anon\",\"exp\":2000,\"aud\":\"mobile\"}", AUD, TOKEN_VALID, NULL},
    {"the audience among others",
     "{\"role\":\"anon\",\"exp\":2000,\"aud\":[\"x\",1,\"authenticated\"]}", AUD, TOKEN_VALID,
     NULL},
    {"another audience", "{\"role\":\"anon\",\"exp\":2000,\"aud\":\"Mobile\"}", AUD,
     TOKEN_ELSEWHERE, "InvalidJWTToken: Token is meant for another audience (aud)"},
    {"an audience that begins the same", "{\"role\":\"anon\",\"exp\":2000,\"aud\":\"mobile2\"}",
     AUD, TOKEN_ELSEWHERE, NULL},
    {"other audiences", "{\"role\":\"anon\",\"exp\":2000,\"aud\":[\"x\",[\"mobile\"]]}", AUD,
     TOKEN_ELSEWHERE, NULL},
    {"an empty array of audiences", "{\"role\":\"anon\",\"exp\":2000,\"aud\":[]}", AUD,
     TOKEN_ELSEWHERE, NULL},
    {"an audience that is an object", "{\"role\":\"anon\",\"exp\":2000,\"aud\":{\"0\":\"mobile\"}}",
     AUD, TOKEN_ELSEWHERE, NULL},
    {"no audience", "{\"role\":\"anon\",\"exp\":2000}", AUD, TOKEN_ELSEWHERE, NULL},
    {"any audience where none is set", "{\"role\":\"anon\",\"exp\":2000,\"aud\":\"x\"}", NONE,
     TOKEN_VALID, NULL},
    {"the issuer", "{\"role\":\"anon\",\"exp\":2000,\"iss\":\"supabase\"}", ISS, TOKEN_VALID, NULL},
    {"another issuer", "{\"role\":\"anon\",\"exp\":2000,\"iss\":\"https://b.example\"}", ISS,
     TOKEN_ELSEWHERE, "InvalidJWTToken: Token is from another issuer (iss)"},
    {"issuers in an array are nobody", "{\"role\":\"anon\",\"exp\":2000,\"iss\":[\"supabase\"]}",
     ISS, TOKEN_ELSEWHERE, NULL},
    {"no issuer", "{\"role\":\"anon\",\"exp\":2000}", ISS, TOKEN_ELSEWHERE, NULL},
    {"an expired one is told so first", "{\"role\":\"anon\",\"exp\":1}", AUD | ISS, TOKEN_EXPIRED,
     NULL},

    {"no role", "{\"exp\":2000}", NONE, TOKEN_INCOMPLETE, REQUIRED},
    {"an empty role", "{\"role\":\"\",\"exp\":2000}", NONE, TOKEN_INCOMPLETE, NULL},
    {"a role that is no text", "{\"role\":{},\"exp\":2000}", NONE, TOKEN_INCOMPLETE, NULL},
    {"a role that PostgreSQL would cut",
     "{\"role\":\"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\",\"exp\":2000}",
     NONE, TOKEN_INCOMPLETE, NULL},

    {"claims that are no object", "[1]", NONE, TOKEN_MALFORMED,
     "MalformedJWT: The token provided is not a valid JWT"},
    {"claims that are no JSON", "role=anon", NONE, TOKEN_MALFORMED, NULL},
    {"nothing", "", NONE, TOKEN_MALFORMED, NULL},
    {"something behind the object", "{\"role\":\"anon\",\"exp\":2000}x", NONE, TOKEN_MALFORMED,
     NULL},
    {"a claim twice, in which two readers may see two things",
     "{\"role\":\"anon\",\"exp\":2000,\"role\":\"service_role\"}", NONE, TOKEN_MALFORMED, NULL},
    {"a claim twice, once in disguise",
     "{\"role\":\"anon\",\"exp\":2000,\"rol\\u0065\":\"service_role\"}", NONE, TOKEN_MALFORMED,
     NULL},
    {"a claim twice further down", "{\"role\":\"anon\",\"exp\":2000,\"a\":{\"b\":1,\"b\":2}}", NONE,
     TOKEN_MALFORMED, NULL},
    {"claims that jsonb does not take", "{\"role\":\"anon\",\"exp\":2000,\"x\":\"\\u0000\"}", NONE,
     TOKEN_MALFORMED, NULL},
    {"half a surrogate", "{\"role\":\"anon\",\"exp\":2000,\"x\":\"\\ud800\"}", NONE,
     TOKEN_MALFORMED, NULL},
    {"bytes that are not UTF-8", "{\"role\":\"anon\",\"exp\":2000,\"x\":\"\xff\"}", NONE,
     TOKEN_MALFORMED, NULL},
    {"text of any language", "{\"role\":\"r\xc3\xb4le\",\"exp\":2000,\"x\":\"\xf0\x9f\xa6\x94\"}",
     NONE, TOKEN_VALID, NULL},
};

static void reads_claims(void **state)
{
    (void)state;
    for
        EACH(struct row, row, rows)
        {
            const struct token_rules rules = rules_of(row->rules);
            struct err err = {0};
            struct token *token;
            enum token_fault fault = claims_read(str_c(row->claims), &rules, NOW, &token, &err);

            if (fault != row->fault)
                fail_msg("%s: fault %d, %s", row->sentence, (int)fault, err.message);
            CHECK((fault == TOKEN_VALID) == (token != NULL), row->sentence);
            CHECK((fault == TOKEN_VALID) == (err.message[0] == '\0'), row->sentence);
            if (row->message)
                CHECK_STR(str_c(err.message), str_c(row->message), row->sentence);
            token_free(token);
        }
}

static void keeps_what_was_signed(void **state)
{
    const char *claims = "{\"sub\":\"u1\", \"role\":\"authenticated\",\"exp\":2000,\"n\":1.10}";
    const struct token_rules rules = rules_of(LEEWAY);
    struct err err = {0};
    struct token *token;

    (void)state;
    assert_int_equal(claims_read(str_c(claims), &rules, NOW, &token, &err), TOKEN_VALID);
    assert_string_equal(token->role, "authenticated");
    assert_string_equal(token->sub, "u1");
    assert_int_equal(token->expires,
                     2005); /* with the leeway: who closes channels knows no other */
    CHECK_STR(str_from(token->claims, token->claims_len), str_c(claims), "not a byte is changed");
    token_free(token);
}

/* Brackets within brackets: more than jsonb takes, more than the library takes, and as many as fit
 * in a token. */
static void survives_nesting(void **state)
{
    static const size_t depths[] = {300, 2000, 3000, 8000};
    const struct token_rules rules = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(depths); i++) {
        struct token *token;
        struct buf text;
        struct err err;

        buf_init(&text, 1 << 20);
        buf_add_c(&text, "{\"role\":\"anon\",\"exp\":2000,\"x\":");
        for (size_t n = 0; n < depths[i]; n++)
            buf_add_char(&text, '[');
        for (size_t n = 0; n < depths[i]; n++)
            buf_add_char(&text, ']');
        buf_add_char(&text, '}');
        assert_int_equal(claims_read(buf_str(&text), &rules, NOW, &token, &err), TOKEN_MALFORMED);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_claims),
        cmocka_unit_test(keeps_what_was_signed),
        cmocka_unit_test(survives_nesting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
