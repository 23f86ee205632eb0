#include "fixture.h"

#include <stdio.h>

#include "rules/webhook_rule.h"

#define ID "7d9f0b7e-1111-4222-8333-444455556666"
#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"

static enum result parse(const char *json, struct webhook_rule **out, struct err *err)
{
    struct rule_row *row;
    enum result result;

    if (rule_row_parse(str_c(json), &row, err) != OK)
        fail_msg("%s: %s", json, err->message);
    result = webhook_rule_parse(row, out, err);
    rule_row_free(row);
    return result;
}

static struct webhook_rule *parse_good(const char *json)
{
    struct webhook_rule *rule;
    struct err err = {0};

    if (parse(json, &rule, &err) != OK)
        fail_msg("%s: %s", json, err.message);
    return rule;
}

static const struct {
    const char *says;
    const char *pattern;
    const char *event;
    bool is_public;
    bool wanted;
} patterns[] = {
    {"one operation of one table", "memories.insert", "memories.insert", true, true},
    {"another operation", "memories.insert", "memories.update", true, false},
    {"another table", "memories.insert", "memory.insert", true, false},
    {"every operation", "memories.*", "memories.delete", true, true},
    {"but not of a table whose name begins so", "memories.*", "memories_old.delete", true, false},
    {"one operation of every table", "*.insert", "notes.insert", true, true},
    {"everything", "*", "notes.truncate", true, true},
    {"everything, also of another schema", "*", "app.things.insert", false, true},
    {"public may be said", "public.memories.insert", "memories.insert", true, true},
    {"with a star too", "public.memories.*", "memories.update", true, true},
    {"everything of public", "public.*", "notes.insert", true, true},
    {"which is nothing of another schema", "public.*", "app.things.insert", false, false},
    {"a table of another schema has its schema in front", "app.things.insert", "app.things.insert",
     false, true},
    {"and is not meant without", "things.insert", "app.things.insert", false, false},
    {"every operation of it", "app.things.*", "app.things.delete", false, true},
    {"everything of a schema", "app.*", "app.things.delete", false, true},
    {"which is nothing of public", "app.*", "things.delete", true, false},
    {"a table of public by a name with its schema is not one of another schema",
     "public.things.insert", "app.things.insert", false, false},
    {"no event at all", "", "memories.insert", true, false},
};

static void test_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        char json[256];
        struct webhook_rule *rule;

        snprintf(json, sizeof(json), "{\"id\":\"" ID "\",\"events\":[\"other.insert\",\"%s\"]}",
                 patterns[i].pattern);
        rule = parse_good(json);
        if (webhook_rule_wants(rule, str_c(patterns[i].event), patterns[i].is_public) !=
            patterns[i].wanted)
            fail_msg("%s: %s and %s", patterns[i].says, patterns[i].pattern, patterns[i].event);
        webhook_rule_free(rule);
    }
}

static void test_no_patterns(void **state)
{
    struct webhook_rule *rule = parse_good("{\"id\":\"" ID "\",\"events\":[]}");

    (void)state;
    assert_false(webhook_rule_wants(rule, STR("memories.insert"), true));
    assert_true(rule->takes_changes);
    assert_false(rule->orders_by_key);
    assert_false(rule->has_owner);
    webhook_rule_free(rule);
}

static void test_who_is_off(void **state)
{
    static const struct {
        const char *says, *columns;
        bool takes_changes, orders_by_key;
    } rows[] = {
        {"switched on", ",\"is_active\":true", true, false},
        {"switched off by its owner", ",\"is_active\":false,\"disabled_reason\":null", false,
         false},
        {"switched off by us: what happens waits for it",
         ",\"is_active\":false,\"disabled_reason\":\"410\"", true, false},
        {"no order", ",\"ordering\":\"none\"", true, false},
        {"by key", ",\"ordering\":\"key\"", true, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char json[256];
        struct webhook_rule *rule;

        snprintf(json, sizeof(json), "{\"id\":\"" ID "\",\"events\":[]%s}", rows[i].columns);
        rule = parse_good(json);
        if (rule->takes_changes != rows[i].takes_changes ||
            rule->orders_by_key != rows[i].orders_by_key)
            fail_msg("%s", rows[i].says);
        webhook_rule_free(rule);
    }
}

#define COLUMNS(owner)                                                                             \
    "[{\"name\":\"user_id\",\"typeoid\":2950,\"value\":" owner "},"                                \
    "{\"name\":\"kind\",\"typeoid\":25,\"value\":\"note\"}]"
#define INSERT(owner)                                                                              \
    "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t\",\"columns\":" COLUMNS(owner) "}"
#define DELETE_FULL(owner)                                                                         \
    "{\"action\":\"D\",\"schema\":\"public\",\"table\":\"t\",\"identity\":" COLUMNS(owner) "}"
#define UPDATE_OWNER(before, after)                                                                \
    "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"t\",\"columns\":" COLUMNS(                \
        after) ",\"identity\":" COLUMNS(before) "}"
#define UPDATE_TOAST                                                                               \
    "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"t\",\"columns\":"                         \
    "[{\"name\":\"kind\",\"typeoid\":25,\"value\":\"note\"}],\"identity\":" COLUMNS("\"" ANN       \
                                                                                    "\"") "}"

static const struct {
    const char *says;
    const char *rule;
    const char *message;
    bool matches;
} rows[] = {
    {"a webhook of nobody gets every row", "{\"id\":\"" ID "\"}", INSERT("\"" BOB "\""), true},
    {"also one without a user", "{\"id\":\"" ID "\"}", INSERT("null"), true},
    {"Ann's gets her rows", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}", INSERT("\"" ANN "\""),
     true},
    {"in capitals too", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     INSERT("\"AAAAAAAA-0000-4000-8000-000000000001\""), true},
    {"but never Bob's", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}", INSERT("\"" BOB "\""),
     false},
    {"nor those of nobody", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}", INSERT("null"), false},
    {"nor rows whose user_id is no uuid", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     INSERT("7"), false},
    {"nor rows of tables without user_id", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"t\",\"columns\":[]}", false},
    {"nor a TRUNCATE, which is nobody's", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"t\"}", false},
    {"a deleted row belongs to whom it belonged", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     DELETE_FULL("\"" ANN "\""), true},
    {"of whom it is not is not told its end", "{\"id\":\"" ID "\",\"user_id\":\"" BOB "\"}",
     DELETE_FULL("\"" ANN "\""), false},
    {"an owner that did not change and did not come is known from the full old row",
     "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}", UPDATE_TOAST, true},
    {"a row that becomes hers is", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\"}",
     UPDATE_OWNER("\"" BOB "\"", "\"" ANN "\""), true},
    {"one that becomes another's is not", "{\"id\":\"" ID "\",\"user_id\":\"" BOB "\"}",
     UPDATE_OWNER("\"" BOB "\"", "\"" ANN "\""), false},
    {"her filter knows what her row was",
     "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\",\"filter\":\"old.kind=eq.note\"}",
     UPDATE_OWNER("\"" ANN "\"", "\"" ANN "\""), true},
    {"and not what it was when it was Bob's",
     "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\",\"filter\":\"old.kind=eq.note\"}",
     UPDATE_OWNER("\"" BOB "\"", "\"" ANN "\""), false},
    {"or nobody's", "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\",\"filter\":\"old.kind=eq.note\"}",
     UPDATE_OWNER("null", "\"" ANN "\""), false},
    {"which a webhook of nobody may ask for", "{\"id\":\"" ID "\",\"filter\":\"old.kind=eq.note\"}",
     UPDATE_OWNER("\"" BOB "\"", "\"" ANN "\""), true},
    {"a filter that holds", "{\"id\":\"" ID "\",\"filter\":\"kind=eq.note\"}",
     INSERT("\"" BOB "\""), true},
    {"one that does not", "{\"id\":\"" ID "\",\"filter\":\"kind=eq.task\"}", INSERT("\"" BOB "\""),
     false},
    {"owner and filter must both hold",
     "{\"id\":\"" ID "\",\"user_id\":\"" ANN "\",\"filter\":\"kind=eq.note\"}",
     INSERT("\"" BOB "\""), false},
};

static void test_matches(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = fixture_read(decoder, rows[i].message);
        struct webhook_rule *rule = parse_good(rows[i].rule);

        if (webhook_rule_matches(rule, &change, types) != rows[i].matches)
            fail_msg("%s", rows[i].says);
        webhook_rule_free(rule);
    }
    types_unref(types);
    decoder_free(decoder);
}

static void test_refused(void **state)
{
    static const struct {
        const char *says;
        const char *json;
        const char *message;
    } refused[] = {
        {"a row without id", "{}", "column id: expected a uuid"},
        {"an id that is no uuid", "{\"id\":\"7\"}", "column id: expected a uuid"},
        {"an owner that is no uuid must not become nobody",
         "{\"id\":\"" ID "\",\"user_id\":\"ann\"}", "column user_id: expected a uuid"},
        {"a filter that cannot be read must not become none",
         "{\"id\":\"" ID "\",\"filter\":\"kind is note\"}", "column filter: "},
        {"a shape that is none", "{\"id\":\"" ID "\",\"payload_format\":\"xml\"}",
         "column payload_format: expected standard, supabase or cloudevents"},
        {"columns that are a text", "{\"id\":\"" ID "\",\"columns\":\"id\"}", "column columns: "},
        {"events that are a text", "{\"id\":\"" ID "\",\"events\":\"*\"}", "column events: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct webhook_rule *rule;
        struct err err = {0};

        if (parse(refused[i].json, &rule, &err) == OK)
            fail_msg("taken: %s", refused[i].says);
        assert_null(rule);
        if (strncmp(err.message, refused[i].message, strlen(refused[i].message)) != 0)
            fail_msg("%s: the error says \"%s\"", refused[i].says, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),   cmocka_unit_test(test_no_patterns),
        cmocka_unit_test(test_who_is_off), cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
