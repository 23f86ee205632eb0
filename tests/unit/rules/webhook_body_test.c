#include "rules/notes.h"

#include "rules/webhook_body.h"

#include <stdio.h>

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define OWNER(who) "{\"name\":\"user_id\",\"typeoid\":2950,\"value\":\"" who "\"}"
#define UPDATE_OWNER                                                                               \
    TABLE("U")                                                                                     \
    "\"columns\":[" ID "," OWNER(ANN) "],\"identity\":[" ID "," OWNER(BOB) "," BODY "]," PK
#define OF(who) "\"user_id\":\"" who "\""
#define INSERT_SHORT TABLE("I") "\"columns\":[" ID "]," PK

#define HOOK_ID "00112233-4455-6677-8899-aabbccddeeff"
#define SUPABASE "\"payload_format\":\"supabase\""
#define CLOUDEVENTS "\"payload_format\":\"cloudevents\""
#define COLUMNS "\"columns\":[\"title\",\"gone\"]"

static const struct position position = {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036208), 771};

static struct webhook_rule *webhook_of(const char *id, const char *more)
{
    struct webhook_rule *webhook = NULL;
    struct rule_row *row = NULL;
    struct err err = {0};
    char json[256];

    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"events\":[\"*\"]%s%s}", id, more ? "," : "",
             more ? more : "");
    if (rule_row_parse(str_c(json), &row, &err) != OK ||
        webhook_rule_parse(row, &webhook, &err) != OK)
        fail_msg("%s", err.message);
    rule_row_free(row);
    return webhook;
}

/* These bytes are signed: a receiver compares them. */

static const struct {
    const char *says;
    const char *message;
    const char *webhook; /* its own members; NULL: none */
    const char *body;
} bodies[] = {
    {"an INSERT", INSERT, NULL,
     "{\"type\":\"notes.insert\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\",\"data\":{"
     "\"schema\":\"public\",\"table\":\"notes\",\"operation\":\"insert\",\"record\":{\"id\":7,"
     "\"title\":\"a \\\"b\\\"\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\"},\"old_record\":null,"
     "\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"an UPDATE", UPDATE_KEY, NULL,
     "{\"type\":\"notes.update\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\",\"data\":{"
     "\"schema\":\"public\",\"table\":\"notes\",\"operation\":\"update\",\"record\":{\"id\":7,"
     "\"title\":\"new\"},\"old_record\":{\"id\":7},\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"a DELETE", DELETE_FULL, NULL,
     "{\"type\":\"notes.delete\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\",\"data\":{"
     "\"schema\":\"public\",\"table\":\"notes\",\"operation\":\"delete\",\"record\":null,"
     "\"old_record\":{\"id\":7,\"title\":\"old\",\"token\":null},"
     "\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"a TRUNCATE", TRUNCATE, NULL,
     "{\"type\":\"notes.truncate\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\",\"data\":{"
     "\"schema\":\"public\",\"table\":\"notes\",\"operation\":\"truncate\",\"record\":null,"
     "\"old_record\":null,\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"another schema, and a name with a quote",
     "{\"action\":\"T\",\"schema\":\"app\",\"table\":\"th\\\"ing\"}", NULL,
     "{\"type\":\"app.th\\\"ing.truncate\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\","
     "\"data\":{\"schema\":\"app\",\"table\":\"th\\\"ing\",\"operation\":\"truncate\","
     "\"record\":null,\"old_record\":null,\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"chosen columns, of either row", UPDATE_FULL, COLUMNS,
     "{\"type\":\"notes.update\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\",\"data\":{"
     "\"schema\":\"public\",\"table\":\"notes\",\"operation\":\"update\","
     "\"record\":{\"title\":\"new\"},\"old_record\":{\"title\":\"old\"},"
     "\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"what a row was when it was another's is not told to its owner", UPDATE_OWNER,
     SUPABASE "," OF(ANN),
     "{\"type\":\"UPDATE\",\"table\":\"notes\",\"schema\":\"public\",\"record\":{\"id\":7,"
     "\"user_id\":\"" ANN "\",\"body\":\"long\"},\"old_record\":{}}"},
    {"but to a webhook of nobody", UPDATE_OWNER, SUPABASE,
     "{\"type\":\"UPDATE\",\"table\":\"notes\",\"schema\":\"public\",\"record\":{\"id\":7,"
     "\"user_id\":\"" ANN "\",\"body\":\"long\"},\"old_record\":{\"id\":7,"
     "\"user_id\":\"" BOB "\",\"body\":\"long\"}}"},
    {"supabase: an INSERT", INSERT_SHORT, SUPABASE,
     "{\"type\":\"INSERT\",\"table\":\"notes\",\"schema\":\"public\",\"record\":{\"id\":7},"
     "\"old_record\":null}"},
    {"supabase: an UPDATE", UPDATE_KEY, SUPABASE,
     "{\"type\":\"UPDATE\",\"table\":\"notes\",\"schema\":\"public\",\"record\":{\"id\":7,"
     "\"title\":\"new\"},\"old_record\":{\"id\":7}}"},
    {"supabase: a DELETE", DELETE_FULL, SUPABASE,
     "{\"type\":\"DELETE\",\"table\":\"notes\",\"schema\":\"public\",\"record\":null,"
     "\"old_record\":{\"id\":7,\"title\":\"old\",\"token\":null}}"},
    {"supabase: a TRUNCATE", TRUNCATE, SUPABASE,
     "{\"type\":\"TRUNCATE\",\"table\":\"notes\",\"schema\":\"public\",\"record\":null,"
     "\"old_record\":null}"},
    {"cloudevents: an INSERT", INSERT_SHORT, CLOUDEVENTS,
     "{\"specversion\":\"1.0\",\"id\":\"msg_101a2b3f8_3_660e9783ae5b0_ccddeeff\","
     "\"source\":\"/pgherald/public/notes\",\"type\":\"notes.insert\","
     "\"time\":\"2026-11-23T03:48:41.036208Z\",\"subject\":\"7\","
     "\"datacontenttype\":\"application/json\",\"data\":{\"schema\":\"public\",\"table\":\"notes\","
     "\"operation\":\"insert\",\"record\":{\"id\":7},\"old_record\":null,"
     "\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
    {"cloudevents: no subject without a row; a source is a URI whatever the names",
     "{\"action\":\"T\",\"schema\":\"my app\",\"table\":\"th\\\"\xc3\xa4/\"}", CLOUDEVENTS,
     "{\"specversion\":\"1.0\",\"id\":\"msg_101a2b3f8_3_660e9783ae5b0_ccddeeff\","
     "\"source\":\"/pgherald/my%20app/th%22%C3%A4%2F\",\"type\":\"my "
     "app.th\\\"\xc3\xa4/.truncate\","
     "\"time\":\"2026-11-23T03:48:41.036208Z\","
     "\"datacontenttype\":\"application/json\",\"data\":{\"schema\":\"my app\","
     "\"table\":\"th\\\"\xc3\xa4/\",\"operation\":\"truncate\",\"record\":null,\"old_record\":null,"
     "\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}"},
};

static void test_bodies(void **state)
{
    struct webhook_body body;

    (void)state;
    webhook_body_init(&body);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct change change = fixture_read(decoder, bodies[i].message);
        const struct webhook_change of = {rules, ruleset_table(rules, &change), &change, &position};
        struct webhook_rule *webhook = webhook_of(HOOK_ID, bodies[i].webhook);

        webhook_body_begin(&body, &of);
        check_text(bodies[i].says, webhook_body_for(&body, webhook), bodies[i].body);
        webhook_rule_free(webhook);
    }
    webhook_body_fini(&body);
}

/* One after the other, as the endpoints of a table come: nothing of the one before is left. */
static void test_sharing(void **state)
{
    static const char *const wishes[] = {NULL,
                                         NULL,
                                         SUPABASE,
                                         CLOUDEVENTS,
                                         CLOUDEVENTS,
                                         COLUMNS,
                                         COLUMNS "," SUPABASE,
                                         NULL,
                                         CLOUDEVENTS,
                                         COLUMNS "," CLOUDEVENTS,
                                         OF(ANN),
                                         NULL};
    struct change change = fixture_read(decoder, UPDATE_OWNER);
    const struct webhook_change of = {rules, ruleset_table(rules, &change), &change, &position};
    struct webhook_rule *webhooks[COUNT(wishes)];
    struct webhook_body shared, own;

    (void)state;
    webhook_body_init(&shared);
    webhook_body_init(&own);
    webhook_body_begin(&shared, &of);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        char id[] = "00112233-4455-6677-8899-aabbccddee00";
        struct buf wanted;

        id[35] = (char)('a' + i % 6);
        id[34] = (char)('0' + i / 6);
        webhooks[i] = webhook_of(id, wishes[i]);
        webhook_body_begin(&own, &of);
        buf_init(&wanted, 4096);
        buf_add_str(&wanted, webhook_body_for(&own, webhooks[i]));
        check_text(id, webhook_body_for(&shared, webhooks[i]), wanted.data);
        buf_fini(&wanted);
    }
    for (size_t i = 0; i < COUNT(wishes); i++)
        webhook_rule_free(webhooks[i]);
    webhook_body_fini(&shared);
    webhook_body_fini(&own);
}

/* A row of so many bytes of text, told to an endpoint with this shape. */
static void check_size(const char *says, size_t size, const char *more, const char *start)
{
    char *text = calloc(1, size + 1);
    const struct column columns[] = {
        {STR("id"), OID_INT8, VALUE_LITERAL, STR("7")},
        {STR("body"), OID_TEXT, VALUE_ESCAPED, str_from(text, size)},
    };
    const struct str key[] = {STR("id")};
    const struct change change = {.kind = CHANGE_INSERT,
                                  .schema = STR("public"),
                                  .table = STR("large"),
                                  .record = {columns, COUNT(columns)},
                                  .key = key,
                                  .key_count = 1};
    const struct webhook_change of = {rules, ruleset_table(rules, &change), &change, &position};
    struct webhook_rule *webhook = webhook_of(HOOK_ID, more);
    struct webhook_body body;
    struct str got;

    assert_non_null(text);
    memset(text, 'x', size);
    webhook_body_init(&body);
    webhook_body_begin(&body, &of);
    got = webhook_body_for(&body, webhook);
    if (got.len < strlen(start) || memcmp(got.data, start, strlen(start)) != 0)
        fail_msg("%s: %.200s", says, got.data);
    webhook_body_fini(&body);
    webhook_rule_free(webhook);
    free(text);
}

#define LEFT_OUT "\"record\":null,\"old_record\":null,\"error\":\"payload too large\",\"key\":\"7\""
#define DATA "\"data\":{\"schema\":\"public\",\"table\":\"large\",\"operation\":\"insert\","
#define ENVELOPE "{\"type\":\"large.insert\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\"," DATA

static void test_sizes(void **state)
{
    const size_t most = WEBHOOK_MAX_BODY - strlen("\"record\":{\"id\":7,\"body\":\"\"},"
                                                  "\"old_record\":null");

    (void)state;
    check_size("the largest row that is told", most, NULL,
               ENVELOPE "\"record\":{\"id\":7,\"body\":\"x");
    check_size("a byte more, and it is named instead", most + 1, NULL,
               ENVELOPE LEFT_OUT ",\"commit_lsn\":\"1/1A2B3F8\",\"ordinal\":3}}");
    check_size("supabase", most + 1, SUPABASE,
               "{\"type\":\"INSERT\",\"table\":\"large\",\"schema\":\"public\"," LEFT_OUT "}");
    check_size("cloudevents", most + 1, CLOUDEVENTS,
               "{\"specversion\":\"1.0\",\"id\":\"msg_101a2b3f8_3_660e9783ae5b0_ccddeeff\","
               "\"source\":\"/pgherald/public/large\",\"type\":\"large.insert\","
               "\"time\":\"2026-11-23T03:48:41.036208Z\",\"subject\":\"7\","
               "\"datacontenttype\":\"application/json\"," DATA LEFT_OUT);
    check_size("who did not choose the large column gets the row", most + 1, "\"columns\":[\"id\"]",
               ENVELOPE "\"record\":{\"id\":7},\"old_record\":null,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_sizes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
