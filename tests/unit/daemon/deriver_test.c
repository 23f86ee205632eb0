/* memmem() */
#define _GNU_SOURCE
#include "fixture.h"

#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/deriver.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define HOOK_ID "7d9f0b7e-1111-4222-8333-444455556666"

static struct decoder *decoder;
static struct ruleset *rules;
static struct deriver deriver;
static struct transaction txn;
static struct batch batch;
static struct stats stats;

static int set_up(void **state)
{
    struct types *types = fixture_types();

    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    stats = (struct stats){0};
    decoder = decoder_new_wal2json();
    rules = ruleset_new(fixture_config(), &stats);
    ruleset_set_types(rules, types);
    types_unref(types);
    deriver_init(&deriver, fixture_config(), rules, &stats);
    batch_init(&batch);
    txn = (struct transaction){.open = true,
                               .position = {UINT64_C(0x101A2B3F8), 1, 1795405721036208, 771}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    transaction_reset(&txn);
    batch_fini(&batch);
    deriver_fini(&deriver);
    ruleset_free(rules);
    decoder_free(decoder);
    return 0;
}

static void put(enum rule_kind kind, const char *id, const char *json)
{
    struct err err = {0};

    if (ruleset_put(rules, kind, str_c(id), str_c(json), &err) != OK)
        fail_msg("%s", err.message);
}

static void derive(const char *message)
{
    struct change change = fixture_read(decoder, message);
    struct err err = {0};

    transaction_place(&txn, &change);
    if (deriver_add_effects(&deriver, &txn, &change, ruleset_table(rules, &change), &batch, &err) !=
        OK)
        fail_msg("%s", err.message);
}

#define COLUMN(name, oid, value) "{\"name\":\"" name "\",\"typeoid\":" oid ",\"value\":" value "}"
#define NOTE(user, done)                                                                           \
    "[" COLUMN("id", "20", "7") "," COLUMN("user_id", "2950", user) "," COLUMN("done", "16",       \
                                                                               done) "]"
#define INSERT(user)                                                                               \
    "{\"action\":\"I\",\"lsn\":\"0/"                                                               \
    "99\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":" NOTE(user, "false") "}"
#define UPDATE                                                                                     \
    "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":" NOTE(               \
        "\"" ANN "\"", "true") ",\"identity\":" NOTE("\"" ANN "\"", "false") "}"

static void put_rules(void)
{
    put(RULE_WEBHOOK, "w1", "{\"id\":\"" HOOK_ID "\",\"events\":[\"notes.*\"]}");
    put(RULE_WEBHOOK, "w2",
        "{\"id\":\"" HOOK_ID "\",\"events\":[\"*\"],\"filter\":\"done=is.true\"}");
    put(RULE_NOTIFICATION, "n1",
        "{\"id\":\"n1\",\"name\":\"n\",\"table_name\":\"notes\",\"events\":[\"insert\"],"
        "\"recipient\":\"user_id\",\"title\":\"at {{commit_lsn}}\"}");
    put(RULE_NOTIFICATION, "n2",
        "{\"id\":\"n2\",\"name\":\"n\",\"table_name\":\"notes\",\"events\":[\"insert\",\"update\"],"
        "\"condition\":\"done=is.true\",\"recipient\":\"user_id\",\"title\":\"t\"}");
}

static void test_effects(void **state)
{
    static const struct {
        const char *says;
        const char *message;
        bool own;
        uint64_t audit, deliveries, notifications, misses;
    } rows[] = {
        {"an entry, the webhook whose filter holds, the rule whose condition holds",
         INSERT("\"" ANN "\""), false, 1, 1, 1, 0},
        {"an UPDATE: both webhooks, the other rule", UPDATE, false, 1, 2, 1, 0},
        {"nobody to notify is no misfit", INSERT("null"), false, 1, 1, 0, 0},
        {"a recipient that is no user is counted, and the batch is none the worse",
         INSERT("\"ann\""), false, 1, 1, 0, 1},
        {"what we wrote ourselves is not audited and notifies nobody, but is told to webhooks",
         INSERT("\"" ANN "\""), true, 0, 1, 0, 0},
        {"a TRUNCATE is audited and told",
         "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"notes\"}", false, 1, 1, 0, 0},
        {"another table is audited",
         "{\"action\":\"I\",\"schema\":\"app\",\"table\":\"things\",\"columns\":[]}", false, 1, 0,
         0, 0},
    };

    (void)state;
    put_rules();
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t misses = stat_get(&stats.rule_misses_total);

        batch_reset(&batch);
        txn.own = rows[i].own;
        derive(rows[i].message);
        if (batch.audit_rows != rows[i].audit || batch.delivery_rows != rows[i].deliveries ||
            batch.notification_rows != rows[i].notifications ||
            stat_get(&stats.rule_misses_total) - misses != rows[i].misses)
            fail_msg("%s: %d audit rows, %d deliveries, %d notifications", rows[i].says,
                     (int)batch.audit_rows, (int)batch.delivery_rows, (int)batch.notification_rows);
    }
}

/* The same change has all effects in anybody's transaction and none in a job's. */
static void test_upkeep(void **state)
{
    static const char message[] = "{\"action\":\"D\",\"schema\":\"public\",\"table\":"
                                  "\"notifications\",\"identity\":" NOTE("\"" ANN "\"", "true") "}";

    (void)state;
    put(RULE_WEBHOOK, "w1", "{\"id\":\"" HOOK_ID "\",\"events\":[\"*\"]}");
    put(RULE_NOTIFICATION, "n1",
        "{\"id\":\"n1\",\"name\":\"n\",\"table_name\":\"notifications\",\"events\":[\"delete\"],"
        "\"recipient\":\"user_id\",\"title\":\"t\"}");
    derive(message);
    assert_int_equal(batch.audit_rows, 1);
    assert_int_equal(batch.delivery_rows, 1);
    assert_int_equal(batch.notification_rows, 1);
    batch_reset(&batch);
    txn.upkeep = true;
    derive(message);
    assert_true(batch_is_empty(&batch));
    derive(UPDATE); /* what a trigger of the application adds */
    assert_int_equal(batch.audit_rows, 1);
}

/* The row's own LSN is 0/99; what identifies a change is its commit's. */
static void test_commit_lsn(void **state)
{
    (void)state;
    put_rules();
    derive(INSERT("\"" ANN "\""));
    assert_non_null(strstr(batch.notifications.data, "\"title\":\"at 1/1A2B3F8\""));
}

static void test_policies(void **state)
{
    static const struct {
        const char *says;
        const char *policy;
        uint64_t audit;
    } rows[] = {
        {"a table that is not to be audited",
         "{\"table_name\":\"public.notes\",\"is_enabled\":false}", 0},
        {"a change of ignored columns alone",
         "{\"table_name\":\"public.notes\",\"ignore\":[\"done\"]}", 0},
        {"a change of others", "{\"table_name\":\"public.notes\",\"ignore\":[\"id\"]}", 1},
    };

    (void)state;
    put(RULE_WEBHOOK, "w1", "{\"id\":\"" HOOK_ID "\",\"events\":[\"notes.*\"]}");
    for (size_t i = 0; i < COUNT(rows); i++) {
        put(RULE_AUDIT_POLICY, "public.notes", rows[i].policy);
        batch_reset(&batch);
        derive(UPDATE);
        if (batch.audit_rows != rows[i].audit)
            fail_msg("%s", rows[i].says);
        assert_int_equal(batch.delivery_rows,
                         1); /* the audit trail's policy is not the webhooks' */
    }
}

/* Where `part` begins in the deliveries at `from` or behind it; their length if it is not there. */
static size_t find(const char *part, size_t from)
{
    struct str all = buf_str(&batch.deliveries);

    while (from < all.len && !str_starts(str_from(all.data + from, all.len - from), str_c(part)))
        from++;
    return from;
}

/* The body is made once for all endpoints, and anew for each change. */
static void test_bodies(void **state)
{
    size_t end, first, second;

    (void)state;
    put(RULE_WEBHOOK, "w1", "{\"id\":\"" HOOK_ID "\",\"events\":[\"*\"]}");
    put(RULE_WEBHOOK, "w2", "{\"id\":\"" HOOK_ID "\",\"events\":[\"*\"]}");
    derive(INSERT("\"" ANN "\""));
    derive("{\"action\":\"T\",\"schema\":\"public\",\"table\":\"other\"}");
    assert_int_equal(batch.delivery_rows, 4);
    end = batch.deliveries.len;
    first = find("{\"type\":\"notes.insert\"", 0);
    first = find("{\"type\":\"notes.insert\"", first + 1);
    assert_true(first < end); /* twice */
    second = find("{\"type\":\"other.truncate\"", first);
    second = find("{\"type\":\"other.truncate\"", second + 1);
    assert_true(second < end); /* twice behind them */
    assert_int_equal(find("{\"type\":\"notes.insert\"", first + 1), end);
}

/* Rules */

#define WEBHOOK(id, more)                                                                          \
    "[" COLUMN("id", "2950", "\"" id "\"") "," COLUMN("secret", "25", "\"whsec_x\"") "," COLUMN(   \
        "events", "1009", "\"{notes.*}\"") "," COLUMN("headers", "3802", "\"{\\\"a\\\": 1}\"")     \
        more "]"
#define OTHER_ID "8d9f0b7e-1111-4222-8333-444455556666"
#define HOOK_ROW "{\"id\":\"" HOOK_ID "\",\"events\":[\"notes.*\"],\"headers\":{\"a\": 1}}"

static const struct {
    const char *says;
    const char *message;
    const char *saved; /* as pgherald.save_rules() gets it */
    size_t hooks;      /* of notes.insert after the commit, if w1 was there before */
} rule_rows[] = {
    {"a new webhook, its secret left out",
     "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"webhooks\",\"columns\":" WEBHOOK(HOOK_ID,
                                                                                           "") "}",
     "{\"kind\":\"webhook\",\"id\":\"" HOOK_ID "\",\"row\":" HOOK_ROW "}", 2},
    {"a changed one replaces itself",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"webhooks\",\"columns\":[" COLUMN(
         "id", "2950", "\"w1\"") "],\"identity\":[" COLUMN("id", "2950",
                                                           "\"w1\"") "," COLUMN("events", "1009",
                                                                                "\"{}\"") "]}",
     "{\"kind\":\"webhook\",\"id\":\"w1\",\"row\":{\"id\":\"w1\",\"events\":[]}}", 0},
    {"one whose id changed: the old one goes, the new one comes",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"webhooks\",\"columns\":" WEBHOOK(
         HOOK_ID, "") ",\"identity\":" WEBHOOK("w1", "") "}",
     "{\"kind\":\"webhook\",\"id\":\"w1\",\"row\":null},"
     "{\"kind\":\"webhook\",\"id\":\"" HOOK_ID "\",\"row\":" HOOK_ROW "}",
     1},
    {"a TOASTed list of events that did not change is taken from the old row",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"webhooks\",\"columns\":[" COLUMN(
         "id", "2950",
         "\"" HOOK_ID
         "\"") "],\"identity\":[" COLUMN("id", "2950",
                                         "\"" HOOK_ID
                                         "\"") "," COLUMN("events", "1009", "\"{notes.*}\"") "]}",
     "{\"kind\":\"webhook\",\"id\":\"" HOOK_ID "\",\"row\":{\"id\":\"" HOOK_ID
     "\",\"events\":[\"notes.*\"]}}",
     2},
    {"a deleted one",
     "{\"action\":\"D\",\"schema\":\"public\",\"table\":\"webhooks\",\"identity\":" WEBHOOK("w1",
                                                                                            "") "}",
     "{\"kind\":\"webhook\",\"id\":\"w1\",\"row\":null}", 0},
    {"all of them", "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"webhooks\"}",
     "{\"kind\":\"webhook\",\"id\":null,\"row\":null}", 0},
    {"a policy is called by its table, also one with a quote",
     "{\"action\":\"I\",\"schema\":\"pgherald\",\"table\":\"audit_policies\",\"columns\":[" COLUMN(
         "table_name", "25", "\"app.we\\\"ird\"") "]}",
     "{\"kind\":\"audit_policy\",\"id\":\"app.we\\\"ird\","
     "\"row\":{\"table_name\":\"app.we\\\"ird\"}}",
     1},
    {"and by the same name when it goes",
     "{\"action\":\"D\",\"schema\":\"pgherald\",\"table\":\"audit_policies\",\"identity\":[" COLUMN(
         "table_name", "25", "\"app.we\\\"ird\"") "]}",
     "{\"kind\":\"audit_policy\",\"id\":\"app.we\\\"ird\",\"row\":null}", 1},
    {"a table of that name elsewhere is none of ours",
     "{\"action\":\"I\",\"schema\":\"app\",\"table\":\"webhooks\",\"columns\":" WEBHOOK(HOOK_ID,
                                                                                        "") "}",
     "", 1},
};

static size_t hooks_of_notes(void)
{
    const struct change change = {
        .kind = CHANGE_INSERT, .schema = STR("public"), .table = STR("notes")};

    return ruleset_table(rules, &change)->webhook_count[rule_operation(CHANGE_INSERT)];
}

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rule_rows); i++) {
        struct buf list;

        transaction_reset(&txn);
        batch_reset(&batch);
        ruleset_clear(rules, RULE_WEBHOOK);
        put(RULE_WEBHOOK, "w1", "{\"id\":\"" OTHER_ID "\",\"events\":[\"notes.*\"]}");
        derive(rule_rows[i].message);
        check_text(rule_rows[i].says, buf_str(&batch.rules), rule_rows[i].saved);
        buf_init(&list, 1 << 16);
        buf_addf(&list, "[%.*s]", STR_ARG(buf_str(&batch.rules)));
        assert_true(json_is_jsonb(buf_str(&list)));
        buf_fini(&list);
        assert_int_equal(hooks_of_notes(), 1); /* not before the commit */
        transaction_apply_rules(&txn, rules);
        if (hooks_of_notes() != rule_rows[i].hooks)
            fail_msg("%s: %zu webhooks after the commit", rule_rows[i].says, hooks_of_notes());
    }
}

/* The rule's tables are audited like others; secrets are left out there by their column's name. */
static void test_rules_are_audited(void **state)
{
    (void)state;
    derive(rule_rows[0].message);
    assert_int_equal(batch.audit_rows, 1);
    assert_int_equal(batch.rule_changes, 1);
    assert_int_equal(txn.rule_change_count, 1);
}

static void test_rule_without_key(void **state)
{
    struct change change = fixture_read(
        decoder, "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"webhooks\",\"columns\":[]}");
    struct err err = {0};

    (void)state;
    assert_int_equal(
        deriver_add_effects(&deriver, &txn, &change, ruleset_table(rules, &change), &batch, &err),
        FAILED);
    assert_string_equal(err.message, "a webhook without its key");
}

static void take_message(const char *content)
{
    struct change message = {
        .kind = CHANGE_MESSAGE, .prefix = AUDIT_CONTEXT_PREFIX, .content = str_c(content)};
    struct err err = {0};

    assert_int_equal(deriver_take_context(&deriver, &txn, &message, &batch, &err), OK);
}

/* An attempt is an entry, once a transaction, and each is counted; the rows are marked. */
static void test_forgery(void **state)
{
    (void)state;
    take_message("i am ann");
    assert_int_equal(batch.audit_rows, 1);
    assert_non_null(memmem(batch.audit.data, batch.audit.len, "forged_context", 14));
    take_message("i am bob");
    assert_int_equal(batch.audit_rows, 1);
    assert_int_equal(stat_get(&stats.contexts_forged_total), 2);
    batch_reset(&batch);
    derive(UPDATE);
    assert_non_null(memmem(batch.audit.data, batch.audit.len, "{\"source\":\"forged\"", 18));
    attribution_begin(&deriver.who);
    batch_reset(&batch);
    derive(UPDATE);
    assert_non_null(memmem(batch.audit.data, batch.audit.len, "{\"source\":\"none\"}", 17));
}

/* Facts of an event trigger, signed under a key of 32 times 7. */
static void take_schema_change(const char *facts)
{
    struct change message = {.kind = CHANGE_MESSAGE, .prefix = SCHEMA_CHANGE_PREFIX};
    unsigned char key[32], code[32];
    struct err err = {0};
    struct buf content;
    unsigned len;

    memset(key, 7, sizeof(key));
    deriver.who.key.is_known = true;
    memcpy(deriver.who.key.bytes, key, sizeof(key));
    assert_non_null(
        HMAC(EVP_sha256(), key, 32, (const unsigned char *)facts, strlen(facts), code, &len));
    buf_init(&content, 1 << 20);
    hex_encode(&content, code, 32);
    buf_add_c(&content, facts);
    message.content = buf_str(&content);
    assert_int_equal(deriver_take_schema_change(&deriver, &txn, &message, &batch, &err), OK);
    buf_fini(&content);
}

#define DROP(xid)                                                                                  \
    "{\"xid\":\"" xid "\",\"kind\":\"schema\",\"type\":\"table\",\"name\":\"public.t\","           \
    "\"change\":{\"command\":\"DROP TABLE\"}}"

static void test_schema_change(void **state)
{
    static const char row[] = "\0\0\0\xdschema_change\0\0\0\5table\0\0\0\x08public.t"
                              "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x19\1"
                              "{\"command\":\"DROP TABLE\"}\xff\xff\xff\xff";

    (void)state;
    take_schema_change(DROP("771"));
    assert_int_equal(batch.audit_rows, 1);
    assert_non_null(memmem(batch.audit.data, batch.audit.len, row, sizeof(row) - 1));
    batch_reset(&batch);
    take_schema_change(DROP("772")); /* read from the WAL of another transaction */
    assert_int_equal(batch.audit_rows, 1);
    assert_int_equal(stat_get(&stats.contexts_forged_total), 1);
    assert_non_null(memmem(batch.audit.data, batch.audit.len, "forged_context", 14));
    assert_non_null(memmem(batch.audit.data, batch.audit.len, "pgherald:schema", 15));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_effects),          TEST(test_commit_lsn), TEST(test_policies),
        TEST(test_bodies),           TEST(test_rules),      TEST(test_rules_are_audited),
        TEST(test_rule_without_key), TEST(test_upkeep),     TEST(test_forgery),
        TEST(test_schema_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
