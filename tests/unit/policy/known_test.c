#include "facts.h"
#include "policy/known.h"

#define CLAIM_SETTING(claim) "current_setting('request.jwt.claim." claim "', true)"
#define CLAIMS_SETTING "current_setting('request.jwt.claims', true)"

static void test_functions(void **state)
{
    static const struct {
        const char *says, *source;
        uint32_t result;
        enum known_function is;
        const char *claim;
    } rows[] = {
        {"ours",
         "\n      -- after a transaction that set them these settings are '' and not null\n"
         "      select coalesce(\n        nullif(" CLAIM_SETTING(
             "sub") ", ''),\n"
                    "        nullif(" CLAIMS_SETTING ", '')::jsonb ->> 'sub'\n      )::uuid\n    ",
         TYPE_OID_UUID, KNOWN_CLAIM, "sub"},
        {"Supabase's", UID_SOURCE, TYPE_OID_UUID, KNOWN_CLAIM, "sub"},
        {"its role",
         "select coalesce(nullif(" CLAIM_SETTING("role") ", ''), (nullif(" CLAIMS_SETTING
                                                         ", '')::jsonb ->> 'role'))::text",
         TYPE_OID_TEXT, KNOWN_CLAIM, "role"},
        {"its email, without a cast",
         "select coalesce(nullif(" CLAIM_SETTING("email") ", ''), "
                                                          "(nullif(" CLAIMS_SETTING
                                                          ", '')::jsonb ->> 'email'))",
         TYPE_OID_TEXT, KNOWN_CLAIM, "email"},
        {"its uid of 2021",
         "SELECT nullif(coalesce(" CLAIM_SETTING("sub") ", (" CLAIMS_SETTING
                                                        "::jsonb ->> 'sub')), '')::uuid;\n",
         TYPE_OID_UUID, KNOWN_CLAIM_OR_NULL, "sub"},
        {"the one before",
         "select coalesce(" CLAIM_SETTING("sub") ", (" CLAIMS_SETTING "::jsonb ->> 'sub'))::uuid",
         TYPE_OID_UUID, KNOWN_CLAIM, "sub"},
        {"the whole token", JWT_SOURCE, TYPE_OID_JSONB, KNOWN_CLAIMS, NULL},
        {"one claim under the name of another",
         "select coalesce(nullif(" CLAIM_SETTING("sub") ", ''), (nullif(" CLAIMS_SETTING
                                                        ", '')::jsonb ->> 'role'))",
         TYPE_OID_TEXT, KNOWN_NO_FUNCTION, NULL},
        {"cast to uuid, and back to text", UID_SOURCE, TYPE_OID_TEXT, KNOWN_NO_FUNCTION, NULL},
        {"text as a uuid",
         "select coalesce(nullif(" CLAIM_SETTING("sub") ", ''), (nullif(" CLAIMS_SETTING
                                                        ", '')::jsonb ->> 'sub'))::text",
         TYPE_OID_UUID, KNOWN_NO_FUNCTION, NULL},
        {"a capital in a name",
         "select coalesce(nullif(current_setting('request.jwt.Claim.sub', "
         "true), ''), (nullif(" CLAIMS_SETTING ", '')::jsonb ->> 'sub'))",
         TYPE_OID_TEXT, KNOWN_NO_FUNCTION, NULL},
        {"a blank in a name",
         "select coalesce(nullif(" CLAIM_SETTING("sub") ", ' '), (nullif(" CLAIMS_SETTING
                                                        ", '')::jsonb ->> 'sub'))",
         TYPE_OID_TEXT, KNOWN_NO_FUNCTION, NULL},
        {"something more", UID_SOURCE "-- \n; select null::uuid", TYPE_OID_UUID, KNOWN_NO_FUNCTION,
         NULL},
        {"another", "select 'aaaaaaaa-0000-4000-8000-000000000001'::uuid", TYPE_OID_UUID,
         KNOWN_NO_FUNCTION, NULL},
        {"nothing", "", TYPE_OID_UUID, KNOWN_NO_FUNCTION, NULL},
        {"another type", UID_SOURCE, TYPE_OID_INT4, KNOWN_NO_FUNCTION, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str claim = {0};

        CHECK(known_function(str_c(rows[i].source), rows[i].result, &claim) == rows[i].is,
              rows[i].says);
        if (rows[i].claim)
            CHECK_STR(claim, str_c(rows[i].claim), rows[i].says);
    }
}

static void test_operators(void **state)
{
    static const struct {
        const char *says;
        int64_t oid;
        bool known;
        enum comparison comparison;
        enum datum_class class;
    } rows[] = {
        {"uuid = uuid", 2972, true, IS_EQUAL, CLASS_UUID},
        {"text <> text", 531, true, IS_UNEQUAL, CLASS_TEXT},
        {"int8 >= int4", 430, true, IS_MORE_OR_EQUAL, CLASS_NUMBER},
        {"numeric > numeric", 1756, true, IS_MORE, CLASS_NUMBER},
        {"timestamptz <= timestamptz", 1323, true, IS_LESS_OR_EQUAL, CLASS_TIMESTAMPTZ},
        {"boolean < boolean", 58, true, IS_LESS, CLASS_BOOL},
        {"text < text, which depends on the collation", 664, false, 0, 0},
        {"mood < mood, which depends on the order of labels", 3518, false, 0, 0},
        {"text like text", 1209, false, 0, 0},
        {"none", 0, false, 0, 0},
        {"somebody's own", 16500, false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct known_operator operator;
        bool known = known_operator(rows[i].oid, &operator);

        CHECK(known == rows[i].known, rows[i].says);
        CHECK(!known ||
                  (operator.comparison == rows[i].comparison && operator.class == rows[i].class),
              rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_operators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
