#include "fixture.h"

#include <stdio.h>

#include "rules/ruleset.h"

#define UUID(digit) "0000000" digit "-1111-4222-8333-444455556666"

static struct decoder *decoder;
static struct ruleset *rules;
static struct config *config;
static struct stats stats;

static int set_up(void **state)
{
    struct types *types = fixture_types();

    (void)state;
    config = fixture_config();
    decoder = decoder_new_wal2json();
    rules = ruleset_new(config, &stats);
    ruleset_set_types(rules, types);
    types_unref(types);
    stat_set(&stats.rules_rejected_total, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
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

/* The rules of a table as they are now. */
static struct table_rules *rules_of(const char *schema, const char *table)
{
    const struct change change = {
        .kind = CHANGE_INSERT, .schema = str_c(schema), .table = str_c(table)};

    return ruleset_table(rules, &change);
}

static void put_policy(const char *table_name, const char *more)
{
    char json[256];

    snprintf(json, sizeof(json), "{\"table_name\":\"%s\"%s}", table_name, more);
    put(RULE_AUDIT_POLICY, table_name, json);
}

static enum column_care care(struct table_rules *table, const char *name)
{
    const struct column column = {
        .name = str_c(name), .type = OID_TEXT, .form = VALUE_ESCAPED, .value = STR("x")};

    return table_rules_column(rules, table, 0, &column)->care;
}

/* Audit policies */

static void test_precedence(void **state)
{
    static const struct {
        const char *says;
        const char *schema, *table;
        bool audited;
    } rows[] = {
        {"the table's own policy wins", "app", "kept", true},
        {"then that of its schema", "app", "things", false},
        {"then the one for all", "other", "things", true},
        {"a table whose own policy says no", "other", "noise", false},
        {"our own mark is never audited", "pgherald", "store_marks", false},
    };

    (void)state;
    put_policy("app.*", ",\"is_enabled\":false");
    put_policy("other.noise", ",\"is_enabled\":false");
    put_policy("app.kept", "");
    put_policy("*", "");
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rules_of(rows[i].schema, rows[i].table)->audited != rows[i].audited)
            fail_msg("%s", rows[i].says);
    ruleset_remove(rules, RULE_AUDIT_POLICY, STR("app.kept"));
    assert_false(rules_of("app", "kept")->audited);
}

static void test_audit_off(void **state)
{
    (void)state;
    config->audit = false;
    put_policy("*", "");
    assert_false(rules_of("public", "notes")->audited);
    config->audit = true;
}

static void test_care(void **state)
{
    static const struct {
        const char *says;
        const char *table, *column;
        enum column_care care;
    } rows[] = {
        {"a plain column", "free", "title", COLUMN_KEEP},
        {"a name of the configuration", "free", "token", COLUMN_REDACT},
        {"a pattern of it", "free", "password_hash", COLUMN_REDACT},
        {"which does not match in the middle", "free", "hash_of", COLUMN_KEEP},
        {"the policy redacts more", "ruled", "pin", COLUMN_REDACT},
        {"and not less", "ruled", "token", COLUMN_REDACT},
        {"what it leaves out is left out, even if it is redacted too", "ruled", "old_pin",
         COLUMN_IGNORE},
        {"also a secret", "ruled", "seen_hash", COLUMN_IGNORE},
        {"another table is not concerned", "free", "pin", COLUMN_KEEP},
        {"what signs webhooks is kept by no configuration", "webhooks", "secret", COLUMN_REDACT},
        {"a secret elsewhere is the configuration's to name", "free", "secret", COLUMN_KEEP},
    };

    (void)state;
    put_policy("public.ruled", ",\"redact\":[\"*pin\"],\"ignore\":[\"old_*\",\"seen_*\"]");
    for (size_t i = 0; i < COUNT(rows); i++)
        if (care(rules_of("public", rows[i].table), rows[i].column) != rows[i].care)
            fail_msg("%s", rows[i].says);
}

/* A more exact policy replaces a wider one; it does not add to it. */
static void test_policies_do_not_add_up(void **state)
{
    (void)state;
    put_policy("*", ",\"redact\":[\"pin\"]");
    assert_int_equal(care(rules_of("public", "notes"), "pin"), COLUMN_REDACT);
    put_policy("public.notes", "");
    assert_int_equal(care(rules_of("public", "notes"), "pin"), COLUMN_KEEP);
}

/* Rules that concern a table */

#define HOOK(id, events) "{\"id\":\"" id "\",\"events\":[" events "]}"

static void test_webhooks_of_a_table(void **state)
{
    struct table_rules *notes, *things;

    (void)state;
    put(RULE_WEBHOOK, UUID("1"), HOOK(UUID("1"), "\"notes.insert\",\"notes.delete\""));
    put(RULE_WEBHOOK, UUID("2"), HOOK(UUID("2"), "\"*\""));
    put(RULE_WEBHOOK, UUID("3"), HOOK(UUID("3"), "\"public.*\""));
    put(RULE_WEBHOOK, UUID("4"), HOOK(UUID("4"), "\"app.things.*\""));
    put(RULE_WEBHOOK, UUID("5"),
        "{\"id\":\"" UUID("5") "\",\"events\":[\"*\"],\"is_active\":false}");
    notes = rules_of("public", "notes");
    assert_int_equal(notes->webhook_count[rule_operation(CHANGE_INSERT)], 3);
    assert_int_equal(notes->webhook_count[rule_operation(CHANGE_UPDATE)], 2);
    assert_int_equal(notes->webhook_count[rule_operation(CHANGE_DELETE)], 3);
    assert_int_equal(notes->webhook_count[rule_operation(CHANGE_TRUNCATE)], 2);
    things = rules_of("app", "things");
    assert_int_equal(things->webhook_count[rule_operation(CHANGE_INSERT)], 2);
}

/* A filter must not tell what a body leaves out. */
static void test_filters_on_hidden_columns(void **state)
{
    static const struct {
        const char *says, *owner, *filter;
        bool told;
    } rows[] = {
        {"a plain column", UUID("9"), "kind=eq.x", true},
        {"one that a policy redacts", UUID("9"), "kind=eq.x,pin=eq.1234", false},
        {"its old value", UUID("9"), "old.pin=eq.1234", false},
        {"whether it changed", UUID("9"), "pin=is.changed", false},
        {"one that a policy ignores", UUID("9"), "seen=not.is.null", false},
        {"one whose name says what it is", UUID("9"), "token=like.a*", false},
        {"of a system-wide webhook", "", "pin=eq.1234", true},
    };
    char json[512];

    (void)state;
    put_policy("public.notes", ",\"redact\":[\"pin\"],\"ignore\":[\"seen\"]");
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(json, sizeof(json),
                 "{\"id\":\"" UUID("1") "\",\"events\":[\"*\"],\"filter\":\"%s\"%s%s%s}",
                 rows[i].filter, *rows[i].owner ? ",\"user_id\":\"" : "", rows[i].owner,
                 *rows[i].owner ? "\"" : "");
        put(RULE_WEBHOOK, UUID("1"), json);
        if (rules_of("public", "notes")->webhook_count[rule_operation(CHANGE_UPDATE)] !=
            rows[i].told)
            fail_msg("%s", rows[i].says);
    }
    put(RULE_WEBHOOK, UUID("1"),
        "{\"id\":\"" UUID("1") "\",\"events\":[\"*\"],\"user_id\":\"" UUID(
            "9") "\",\"filter\":\"pin=eq.1\"}");
    assert_int_equal(rules_of("public", "others")->webhook_count[rule_operation(CHANGE_UPDATE)], 1);
}

/* Messages to topics are in the stream for those who listen, not for the rules. */
static void test_messages(void **state)
{
    static const char *const ignorant[] = {"*", "*.insert", "public.*", "realtime"};
    static const char *const asking[] = {"realtime.*", "realtime.messages.insert"};
    struct table_rules *messages = rules_of("realtime", "messages");
    unsigned insert = rule_operation(CHANGE_INSERT);
    char json[256];

    (void)state;
    assert_true(messages->is_messages && messages->is_followed);
    assert_false(messages->audited);
    for (size_t i = 0; i < COUNT(ignorant); i++) {
        snprintf(json, sizeof(json), HOOK(UUID("1"), "\"%s\",\"realtime.other.*\""), ignorant[i]);
        put(RULE_WEBHOOK, UUID("1"), json);
        if (rules_of("realtime", "messages")->webhook_count[insert] != 0)
            fail_msg("a webhook of %s is told of messages", ignorant[i]);
    }
    for (size_t i = 0; i < COUNT(asking); i++) {
        snprintf(json, sizeof(json), HOOK(UUID("1"), "\"%s\""), asking[i]);
        put(RULE_WEBHOOK, UUID("1"), json);
        if (rules_of("realtime", "messages")->webhook_count[insert] != 1)
            fail_msg("a webhook of %s is not told of messages", asking[i]);
    }
    put_policy("*", "");
    assert_false(rules_of("realtime", "messages")->audited);
    put_policy("realtime.*", "");
    assert_true(rules_of("realtime", "messages")->audited);
    put_policy("realtime.messages", ",\"is_enabled\":false");
    assert_false(rules_of("realtime", "messages")->audited);
}

/* Its other tables come with them, and are nothing to anybody unless the schema is configured. */
static void test_the_rest_of_schema_realtime(void **state)
{
    char *schemas[] = {(char *)(uintptr_t) "public", (char *)(uintptr_t) "realtime"};
    struct table_rules *table;

    (void)state;
    put(RULE_WEBHOOK, UUID("1"), HOOK(UUID("1"), "\"*\""));
    table = rules_of("realtime", "subscription");
    assert_false(table->is_followed || table->is_messages || table->audited);
    assert_int_equal(table->webhook_count[rule_operation(CHANGE_INSERT)], 0);
    config->schemas = (struct config_list){schemas, 2};
    table = rules_of("realtime", "things");
    config->schemas = (struct config_list){0};
    assert_true(table->is_followed && table->audited && !table->is_messages);
    assert_true(rules_of("pgherald", "audit_policies")->is_followed);
    assert_true(rules_of("public", "messages")->is_followed);
    assert_false(rules_of("public", "messages")->is_messages);
}

#define RULE(table, events)                                                                        \
    "{\"id\":\"r\",\"table_name\":\"" table "\",\"events\":[" events                               \
    "],\"recipient\":\"user_id\",\"title\":\"t\"}"

static void test_notifications_of_a_table(void **state)
{
    struct table_rules *notes;

    (void)state;
    put(RULE_NOTIFICATION, "r1", RULE("notes", "\"insert\""));
    put(RULE_NOTIFICATION, "r2", RULE("public.notes", "\"insert\",\"delete\""));
    put(RULE_NOTIFICATION, "r3", RULE("app.notes", "\"insert\""));
    notes = rules_of("public", "notes");
    assert_int_equal(notes->notification_count[rule_operation(CHANGE_INSERT)], 2);
    assert_int_equal(notes->notification_count[rule_operation(CHANGE_UPDATE)], 0);
    assert_int_equal(notes->notification_count[rule_operation(CHANGE_DELETE)], 1);
}

/* Keeping them current */

static size_t hooks_of_notes(void)
{
    return rules_of("public", "notes")->webhook_count[rule_operation(CHANGE_INSERT)];
}

static void test_kept_current(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(hooks_of_notes(), 0);
    put(RULE_WEBHOOK, UUID("1"), HOOK(UUID("1"), "\"notes.insert\""));
    assert_int_equal(hooks_of_notes(), 1); /* although the table was looked at before */
    put(RULE_WEBHOOK, UUID("2"), HOOK(UUID("2"), "\"*\""));
    assert_int_equal(hooks_of_notes(), 2);
    put(RULE_WEBHOOK, UUID("1"), HOOK(UUID("1"), "\"notes.delete\""));
    assert_int_equal(hooks_of_notes(), 1); /* replaced, not added */
    ruleset_remove(rules, RULE_WEBHOOK, STR("nobody"));
    ruleset_remove(rules, RULE_NOTIFICATION, STR(UUID("2"))); /* another kind's */
    assert_int_equal(hooks_of_notes(), 1);
    ruleset_remove(rules, RULE_WEBHOOK, STR(UUID("2")));
    assert_int_equal(hooks_of_notes(), 0);

    put(RULE_WEBHOOK, UUID("3"), HOOK(UUID("3"), "\"*\""));
    assert_int_equal(hooks_of_notes(), 1);
    /* a row that cannot be understood is not the old one: what it said is no longer wanted */
    assert_int_equal(ruleset_put(rules, RULE_WEBHOOK, STR(UUID("3")), STR("{\"id\":\"x\"}"), &err),
                     FAILED);
    check_text("the error names the rule", str_c(err.message),
               "webhook " UUID("3") ": column id: expected a uuid");
    assert_int_equal(stat_get(&stats.rules_rejected_total), 1);
    assert_int_equal(hooks_of_notes(), 0);

    put(RULE_WEBHOOK, UUID("4"), HOOK(UUID("4"), "\"*\""));
    assert_int_equal(hooks_of_notes(), 1);
    ruleset_clear(rules, RULE_AUDIT_POLICY); /* of another kind */
    assert_int_equal(hooks_of_notes(), 1);
    ruleset_clear(rules, RULE_WEBHOOK);
    assert_int_equal(hooks_of_notes(), 0);
}

static void test_rejected(void **state)
{
    static const struct {
        enum rule_kind kind;
        const char *json;
        const char *message;
    } rows[] = {
        {RULE_WEBHOOK, "{", "webhook x: the row is no JSON"},
        {RULE_NOTIFICATION, "[]", "notification_rule x: the row is no JSON object"},
        {RULE_NOTIFICATION, "{}", "notification_rule x: column title: "},
        {RULE_AUDIT_POLICY, "{\"redact\":1}", "audit_policy x: column redact: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};

        assert_int_equal(ruleset_put(rules, rows[i].kind, STR("x"), str_c(rows[i].json), &err),
                         FAILED);
        if (strncmp(err.message, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: the error says \"%s\"", rows[i].json, err.message);
    }
    assert_int_equal(stat_get(&stats.rules_rejected_total), COUNT(rows));
}

/* Columns */

#define NOTE(columns)                                                                              \
    "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":[" columns "]}"
#define COLUMN(name, oid) "{\"name\":\"" name "\",\"typeoid\":" oid ",\"value\":\"x\"}"

static bool knows_types(const char *message)
{
    struct change change = fixture_read(decoder, message);

    return ruleset_knows_types(rules, ruleset_table(rules, &change), &change);
}

/* A type made by CREATE TYPE while we run has to be loaded before its values can be shown. */
static void test_types(void **state)
{
    struct types *types = fixture_types();

    (void)state;
    assert_true(knows_types(NOTE(COLUMN("a", "25"))));
    assert_false(knows_types(NOTE(COLUMN("a", "25") "," COLUMN("b", "16999"))));
    assert_false(knows_types(NOTE(COLUMN("b", "16999")))); /* still */
    assert_true(knows_types(NOTE(COLUMN("b", "25"))));     /* ALTER TABLE */
    assert_false(knows_types(NOTE(COLUMN("b", "16999")))); /* and back */
    assert_false(knows_types("{\"action\":\"D\",\"schema\":\"public\",\"table\":\"notes\","
                             "\"identity\":[" COLUMN("b", "16999") "]}"));
    table_rules_accept_types(rules_of("public", "notes")); /* it is not in the catalog any more */
    assert_true(knows_types(NOTE(COLUMN("b", "16999"))));
    assert_true(knows_types(NOTE(COLUMN("new", "16998"))));
    ruleset_set_types(rules, types); /* loaded again: what was accepted is looked at anew */
    assert_false(knows_types(NOTE(COLUMN("b", "16999"))));
    types_unref(types);
}

/* An omitted TOASTed value shifts the columns behind it: none may get another's care. */
static void test_shifted_columns(void **state)
{
    struct table_rules *table = rules_of("public", "notes");
    const struct column columns[] = {
        {.name = STR("id"), .type = OID_INT8, .form = VALUE_LITERAL, .value = STR("1")},
        {.name = STR("body"), .type = OID_TEXT, .form = VALUE_ESCAPED, .value = STR("x")},
        {.name = STR("token"), .type = OID_TEXT, .form = VALUE_ESCAPED, .value = STR("x")},
        {.name = STR("we\"ird"), .type = OID_TEXT, .form = VALUE_ESCAPED, .value = STR("x")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(columns); i++)
        table_rules_column(rules, table, i, &columns[i]);
    assert_int_equal(table_rules_column(rules, table, 1, &columns[2])->care, COLUMN_REDACT);
    assert_int_equal(table_rules_column(rules, table, 2, &columns[1])->care, COLUMN_KEEP);
    assert_int_equal(table_rules_column(rules, table, 0, &columns[2])->care, COLUMN_REDACT);
    assert_int_equal(table->column_count, 4);
    check_text("the key is ready for JSON",
               table_rules_column(rules, table, 3, &columns[3])->json_key, "\"we\\\"ird\":");
}

/* Names */

static void test_kinds(void **state)
{
    static const struct {
        const char *schema, *table;
        bool is_rule;
        enum rule_kind kind;
        const char *name, *key;
    } rows[] = {
        {"public", "webhooks", true, RULE_WEBHOOK, "webhook", "id"},
        {"public", "notification_rules", true, RULE_NOTIFICATION, "notification_rule", "id"},
        {"pgherald", "audit_policies", true, RULE_AUDIT_POLICY, "audit_policy", "table_name"},
        {"app", "webhooks", false, RULE_WEBHOOK, NULL, NULL},
        {"public", "audit_policies", false, RULE_WEBHOOK, NULL, NULL},
        {"public", "notes", false, RULE_WEBHOOK, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum rule_kind kind, parsed;
        bool is_rule = rule_kind_of_table(str_c(rows[i].schema), str_c(rows[i].table), &kind);

        if (is_rule != rows[i].is_rule || (is_rule && kind != rows[i].kind))
            fail_msg("%s.%s", rows[i].schema, rows[i].table);
        if (!is_rule)
            continue;
        assert_string_equal(rule_kind_name(kind), rows[i].name);
        check_text("the key", rule_kind_key(kind), rows[i].key);
        assert_true(rule_kind_parse(str_c(rows[i].name), &parsed));
        assert_int_equal(parsed, kind);
        assert_false(rule_kind_parse(str_c(rows[i].table), &parsed));
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_precedence),
        TEST(test_audit_off),
        TEST(test_care),
        TEST(test_policies_do_not_add_up),
        TEST(test_webhooks_of_a_table),
        TEST(test_filters_on_hidden_columns),
        TEST(test_messages),
        TEST(test_the_rest_of_schema_realtime),
        TEST(test_notifications_of_a_table),
        TEST(test_kept_current),
        TEST(test_rejected),
        TEST(test_types),
        TEST(test_shifted_columns),
        TEST(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
