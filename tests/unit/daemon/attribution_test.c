#include "fixture.h"

#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/json.h"
#include "daemon/attribution.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define ANN_BYTES "\xaa\xaa\xaa\xaa\0\0\x40\0\x80\0\0\0\0\0\0\1"
#define BOB_BYTES "\xbb\xbb\xbb\xbb\0\0\x40\0\x80\0\0\0\0\0\0\2"
#define XID 771
#define OTHER_KEY 9

static struct attribution who;
static struct str resource;

static int set_up(void **state)
{
    (void)state;
    attribution_init(&who, fixture_config());
    who.key.is_known = true;
    memset(who.key.bytes, 7, sizeof(who.key.bytes));
    attribution_begin(&who);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    attribution_fini(&who);
    return 0;
}

/* The facts signed under a key of 32 times this byte. */
static enum attribution_verdict take_signed(const char *facts, int key_byte)
{
    unsigned char key[32], code[32];
    enum attribution_verdict verdict;
    struct buf content;
    unsigned len;

    memset(key, key_byte, sizeof(key));
    assert_non_null(
        HMAC(EVP_sha256(), key, 32, (const unsigned char *)facts, strlen(facts), code, &len));
    buf_init(&content, 1 << 20);
    hex_encode(&content, code, 32);
    buf_add_c(&content, facts);
    verdict = attribution_take(&who, buf_str(&content), XID, &resource);
    buf_fini(&content);
    return verdict;
}

static void take(const char *facts)
{
    assert_int_equal(take_signed(facts, 7), ATTRIBUTION_TAKEN);
}

static void forge(void)
{
    assert_int_equal(attribution_take(&who, STR("me"), XID, &resource), ATTRIBUTION_FORGED);
}

enum { USER_ID, IP_ADDRESS, SESSION_ID, USER_AGENT, CONTEXT };

/* A field of the row, without its length; a NULL has no data. */
static struct str field(unsigned wanted)
{
    struct str all = attribution_fields(&who), found = {0};
    size_t at = 0;

    for (unsigned i = 0; i < ATTRIBUTION_FIELDS; i++) {
        uint32_t len = 0;

        for (int k = 0; k < 4; k++)
            len = len << 8 | (unsigned char)all.data[at++];
        if (i == wanted && len != UINT32_MAX)
            found = str_from(all.data + at, len);
        at += len == UINT32_MAX ? 0 : len;
    }
    assert_int_equal(at, all.len); /* five fields and nothing else */
    return found;
}

static void check_context(const char *says, const char *wanted)
{
    struct str context = field(CONTEXT);

    CHECK(context.len > 1 && context.data[0] == 1, says);
    context = str_from(context.data + 1, context.len - 1);
    CHECK(json_is_jsonb(context), says);
    check_text(says, context, wanted);
}

#define GATEWAY "{\"xid\":\"771\",\"session_user\":\"authenticator\""
#define WORKER "{\"xid\":\"771\",\"session_user\":\"worker\""

static const struct {
    const char *says;
    const char *facts;
    struct str user_id;
    const char *context;
} sources[] = {
    {"a token's subject, said by the gateway", GATEWAY ",\"actor\":\"" ANN "\"}", STR(ANN_BYTES),
     "{\"source\":\"gateway\",\"trusted\":true,\"session_user\":\"authenticator\","
     "\"address_from\":\"connection\"}"},
    {"a subject that is no uuid is no user_id, but told", GATEWAY ",\"actor\":\"ann\"}", STR(""),
     "{\"source\":\"gateway\",\"trusted\":true,\"subject\":\"ann\",\"session_user\":"
     "\"authenticator\",\"address_from\":\"connection\"}"},
    {"a request of nobody, by the gateway", GATEWAY ",\"role\":\"anon\"}", STR(""),
     "{\"source\":\"gateway\",\"trusted\":true,\"role\":\"anon\",\"session_user\":"
     "\"authenticator\",\"address_from\":\"connection\"}"},
    {"behind the gateway a declared actor is not put in the place of the token's",
     GATEWAY ",\"actor\":\"" ANN "\",\"declared\":\"" BOB "\"}", STR(ANN_BYTES),
     "{\"source\":\"gateway\",\"trusted\":true,\"declared\":\"" BOB
     "\",\"session_user\":\"authenticator\",\"address_from\":\"connection\"}"},
    {"but counts where the token has none: a service key", GATEWAY ",\"declared\":\"" BOB "\"}",
     STR(BOB_BYTES),
     "{\"source\":\"declared\",\"trusted\":false,\"declared\":\"" BOB
     "\",\"session_user\":\"authenticator\",\"address_from\":\"connection\"}"},
    {"claims that a direct login has made up are told, and are nobody's user_id",
     WORKER ",\"actor\":\"" ANN "\"}", STR(""),
     "{\"source\":\"direct\",\"trusted\":false,\"claimed\":\"" ANN
     "\",\"session_user\":\"worker\",\"address_from\":\"connection\"}"},
    {"what it declares is the user_id, and not trusted",
     WORKER ",\"actor\":\"" ANN "\",\"declared\":\"" BOB "\"}", STR(BOB_BYTES),
     "{\"source\":\"declared\",\"trusted\":false,\"claimed\":\"" ANN "\",\"declared\":\"" BOB
     "\",\"session_user\":\"worker\",\"address_from\":\"connection\"}"},
    {"a login whose name only begins like the gateway's",
     "{\"xid\":\"771\",\"session_user\":\"authenticator2\",\"actor\":\"" ANN "\"}", STR(""),
     "{\"source\":\"direct\",\"trusted\":false,\"claimed\":\"" ANN
     "\",\"session_user\":\"authenticator2\",\"address_from\":\"connection\"}"},
};

static void test_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++) {
        attribution_begin(&who);
        take(sources[i].facts);
        check_bytes(sources[i].says, field(USER_ID), sources[i].user_id);
        check_context(sources[i].says, sources[i].context);
    }
}

static void test_everything(void **state)
{
    (void)state;
    take(GATEWAY ",\"role\":\"authenticated\",\"address\":\"10.0.0.5\",\"application_name\":"
                 "\"postgrest\",\"actor\":\"" ANN "\",\"session_id\":\"s1\",\"aal\":\"aal2\","
                 "\"x_forwarded_for\":\"198.51.100.7, 10.0.0.1\",\"user_agent\":\"curl\","
                 "\"method\":\"POST\",\"path\":\"/memories\",\"application\":"
                 "\"{\\\"job\\\": 42}\",\"flaws\":\"headers\"}");
    check_text("session_id", field(SESSION_ID), "s1");
    check_text("user_agent", field(USER_AGENT), "curl");
    check_bytes("the first of the forwarded addresses", field(IP_ADDRESS),
                STR("\2\x20\0\4\xc6\x33\x64\7"));
    check_context("context",
                  "{\"source\":\"gateway\",\"trusted\":true,\"role\":\"authenticated\","
                  "\"session_user\":\"authenticator\",\"aal\":\"aal2\",\"address_from\":"
                  "\"x-forwarded-for\",\"connection\":\"10.0.0.5\",\"x_forwarded_for\":"
                  "\"198.51.100.7, 10.0.0.1\",\"method\":\"POST\",\"path\":\"/memories\","
                  "\"application_name\":\"postgrest\",\"application\":{\"job\": 42},"
                  "\"flaws\":\"headers\"}");
}

static void test_addresses(void **state)
{
    static const struct {
        const char *says, *facts;
        struct str address;
    } rows[] = {
        {"Cloudflare's word before the others'",
         GATEWAY ",\"cf_connecting_ip\":\"1.1.1.1\",\"x_real_ip\":\"2.2.2.2\","
                 "\"x_forwarded_for\":\"3.3.3.3\",\"address\":\"4.4.4.4\"}",
         STR("\2\x20\0\4\1\1\1\1")},
        {"the proxy's word before what a client can send",
         GATEWAY ",\"x_real_ip\":\"2.2.2.2\",\"x_forwarded_for\":\"3.3.3.3\"}",
         STR("\2\x20\0\4\2\2\2\2")},
        {"without a header the gateway's own", GATEWAY ",\"address\":\"4.4.4.4\"}",
         STR("\2\x20\0\4\4\4\4\4")},
        {"what is no address is none", GATEWAY ",\"x_real_ip\":\"me\",\"address\":\"4.4.4.4\"}",
         STR("")},
        {"of a direct login the connection's, whatever headers it made up",
         WORKER ",\"cf_connecting_ip\":\"1.1.1.1\",\"address\":\"4.4.4.4\"}",
         STR("\2\x20\0\4\4\4\4\4")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        attribution_begin(&who);
        take(rows[i].facts);
        check_bytes(rows[i].says, field(IP_ADDRESS), rows[i].address);
    }
}

static void test_application(void **state)
{
    static const struct {
        const char *says, *application;
    } rows[] = {
        {"cut JSON", "{\\\"a\\\":"},
        {"no object", "[1]"},
        {"what jsonb does not take", "{\\\"a\\\":\\\"\\\\u0000\\\"}"},
        {"words", "job 42"},
    };
    struct buf facts;

    (void)state;
    buf_init(&facts, 1024);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_clear(&facts);
        buf_addf(&facts, "%s,\"application\":\"%s\"}", GATEWAY, rows[i].application);
        attribution_begin(&who);
        take(facts.data);
        check_context(rows[i].says,
                      "{\"source\":\"gateway\",\"trusted\":true,\"session_user\":\"authenticator\","
                      "\"address_from\":\"connection\",\"flaws\":\"application\"}");
    }
    buf_fini(&facts);
}

static void test_none(void **state)
{
    (void)state;
    check_context("nobody said anything", "{\"source\":\"none\"}");
    take(GATEWAY ",\"actor\":\"" ANN "\",\"user_agent\":\"curl\"}");
    attribution_begin(&who);
    check_context("and what one transaction said is not told of the next", "{\"source\":\"none\"}");
    check_bytes("nor its user", field(USER_ID), STR(""));
    check_bytes("nor its program", field(USER_AGENT), STR(""));
}

#define FORGED "{\"source\":\"forged\",\"trusted\":false,\"forged\":true}"

static void test_forged(void **state)
{
    static const char facts[] = GATEWAY ",\"actor\":\"" ANN "\"}";

    (void)state;
    assert_int_equal(take_signed(facts, OTHER_KEY), ATTRIBUTION_FORGED);
    check_context("signed with another key", FORGED);
    check_bytes("gives no actor", field(USER_ID), STR(""));
    attribution_begin(&who);
    assert_int_equal(take_signed("{\"xid\":\"772\",\"session_user\":\"authenticator\"}", 7),
                     ATTRIBUTION_FORGED);
    check_context("signed for another transaction", FORGED);
    attribution_begin(&who);
    assert_int_equal(take_signed("{\"session_user\":\"authenticator\"}", 7), ATTRIBUTION_FORGED);
    check_context("signed for none", FORGED);
    attribution_begin(&who);
    forge();
    forge();
    check_context("unsigned, twice", FORGED);
    who.key.is_known = false;
    attribution_begin(&who);
    assert_int_equal(take_signed(facts, 7), ATTRIBUTION_FORGED);
}

static void test_forged_beside_a_good_one(void **state)
{
    static const char wanted[] = "{\"source\":\"gateway\",\"trusted\":true,\"session_user\":"
                                 "\"authenticator\",\"address_from\":\"connection\","
                                 "\"forged\":true}";

    (void)state;
    take(GATEWAY ",\"actor\":\"" ANN "\"}");
    forge();
    forge();
    check_context("the good one stays, and is marked", wanted);
    check_bytes("with its actor", field(USER_ID), STR(ANN_BYTES));
    attribution_begin(&who);
    forge();
    take(GATEWAY ",\"actor\":\"" ANN "\"}");
    check_context("in either order", wanted);
}

static void test_two(void **state)
{
    (void)state;
    take(GATEWAY ",\"actor\":\"" ANN "\"}");
    take(GATEWAY ",\"actor\":\"" ANN "\",\"application\":\"{\\\"a\\\":1}\"}");
    check_bytes("the same actor says more", field(USER_ID), STR(ANN_BYTES));
    check_context("which counts from now on",
                  "{\"source\":\"gateway\",\"trusted\":true,\"session_user\":\"authenticator\","
                  "\"address_from\":\"connection\",\"application\":{\"a\":1}}");
    take(GATEWAY ",\"actor\":\"" BOB "\"}");
    check_bytes("of two actors it is neither", field(USER_ID), STR(""));
    check_context("and both are named",
                  "{\"source\":\"conflict\",\"trusted\":false,\"first_actor\":\"" ANN
                  "\",\"claimed\":\"" BOB
                  "\",\"session_user\":\"authenticator\",\"address_from\":\"connection\"}");
    take(GATEWAY ",\"actor\":\"" ANN "\"}");
    check_bytes("for the rest of the transaction", field(USER_ID), STR(""));
    attribution_begin(&who);
    take(WORKER "}");
    take(WORKER ",\"declared\":\"" BOB "\"}");
    check_bytes("who comes to be known late", field(USER_ID), STR(BOB_BYTES));
    take(WORKER ",\"path\":\"/x\"}");
    check_bytes("stays known", field(USER_ID), STR(BOB_BYTES));
}

static void test_read(void **state)
{
    (void)state;
    assert_int_equal(take_signed(GATEWAY ",\"path\":\"/memories\",\"read\":true}", 7),
                     ATTRIBUTION_READ);
    check_text("what was read", resource, "/memories");
}

/* Cut at every byte, in a block that ends there. */
static void test_cut(void **state)
{
    static const char facts[] = GATEWAY ",\"actor\":\"" ANN "\"}";

    (void)state;
    for (size_t len = 0; len < sizeof(facts) + 63; len++) {
        char *content = malloc(len ? len : 1);

        assert_non_null(content);
        for (size_t i = 0; i < len; i++)
            content[i] = i < 64 ? 'a' : facts[i - 64];
        assert_int_equal(attribution_take(&who, str_from(content, len), XID, &resource),
                         ATTRIBUTION_FORGED);
        free(content);
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_sources),     TEST(test_everything), TEST(test_addresses),
        TEST(test_application), TEST(test_none),       TEST(test_forged),
        TEST(test_two),         TEST(test_read),       TEST(test_forged_beside_a_good_one),
        TEST(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
