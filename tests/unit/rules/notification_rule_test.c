#include "fixture.h"

#include "base/json.h"
#include "rules/notification_rule.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"

static enum result parse(const char *json, struct notification_rule **out, struct err *err)
{
    struct rule_row *row;
    enum result result;

    if (rule_row_parse(str_c(json), &row, err) != OK)
        fail_msg("%s: %s", json, err->message);
    result = notification_rule_parse(row, out, err);
    rule_row_free(row);
    return result;
}

static struct notification_rule *parse_good(const char *json)
{
    struct notification_rule *rule;
    struct err err = {0};

    if (parse(json, &rule, &err) != OK)
        fail_msg("%s: %s", json, err.message);
    return rule;
}

#define RULE(more)                                                                                 \
    "{\"id\":\"r1\",\"name\":\"a_note\",\"table_name\":\"notes\",\"events\":[\"insert\","          \
    "\"update\"],\"recipient\":\"user_id\",\"title\":\"{{new.title}}\"" more "}"

static void test_wants(void **state)
{
    static const struct {
        const char *says;
        const char *rule;
        const char *resource;
        enum change_kind kind;
        bool wanted;
    } rows[] = {
        {"a table without schema is one of public", RULE(""), "public.notes", CHANGE_INSERT, true},
        {"another of its events", RULE(""), "public.notes", CHANGE_UPDATE, true},
        {"an event that it does not name", RULE(""), "public.notes", CHANGE_DELETE, false},
        {"another table", RULE(""), "public.note", CHANGE_INSERT, false},
        {"a table of that name elsewhere", RULE(""), "app.notes", CHANGE_INSERT, false},
        {"a rule that is switched off", RULE(",\"is_active\":false"), "public.notes", CHANGE_INSERT,
         false},
        {"a schema that is said",
         "{\"table_name\":\"app.things\",\"events\":[\"delete\"],\"recipient\":\"u\","
         "\"title\":\"t\"}",
         "app.things", CHANGE_DELETE, true},
        {"a TRUNCATE is nobody's, even if named",
         "{\"table_name\":\"notes\",\"events\":[\"truncate\"],\"recipient\":\"u\",\"title\":\"t\"}",
         "public.notes", CHANGE_TRUNCATE, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct notification_rule *rule = parse_good(rows[i].rule);

        if (notification_rule_wants(rule, str_c(rows[i].resource), rows[i].kind) != rows[i].wanted)
            fail_msg("%s", rows[i].says);
        notification_rule_free(rule);
    }
}

#define INSERT(user)                                                                               \
    "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["                    \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":7},"                                                \
    "{\"name\":\"user_id\",\"typeoid\":2950,\"value\":" user "},"                                  \
    "{\"name\":\"title\",\"typeoid\":25,\"value\":\"say \\\"hi\\\"\\n\"}]}"

static void test_recipient(void **state)
{
    static const struct {
        const char *says;
        const char *message;
        bool found, misfit;
    } rows[] = {
        {"a user's id", INSERT("\"" ANN "\""), true, false},
        {"NULL: nobody is to be told", INSERT("null"), false, false},
        {"a name is no user's id, which is worth a warning", INSERT("\"ann\""), false, true},
        {"nor is an empty text", INSERT("\"\""), false, true},
        {"nor a number", INSERT("7"), false, true},
        {"nor a uuid that is too long", INSERT("\"" ANN "0\""), false, true},
        {"nor one that would end an SQL literal",
         INSERT("\"aaaaaaaa-0000-4000-8000-00000000000'\""), false, true},
        {"a column that the row does not carry",
         "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":[]}", false,
         false},
        {"of a deleted row it is the old one",
         "{\"action\":\"D\",\"schema\":\"public\",\"table\":\"notes\",\"identity\":["
         "{\"name\":\"user_id\",\"typeoid\":2950,\"value\":\"" ANN "\"}]}",
         true, false},
    };
    struct decoder *decoder = decoder_new_wal2json();
    struct notification_rule *rule = parse_good(RULE(""));

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = fixture_read(decoder, rows[i].message);
        struct str user = {0};
        bool misfit = !rows[i].misfit;

        if (notification_rule_recipient(rule, &change, &user, &misfit) != rows[i].found ||
            misfit != rows[i].misfit)
            fail_msg("%s", rows[i].says);
        if (rows[i].found)
            check_text(rows[i].says, user, ANN);
    }
    notification_rule_free(rule);
    decoder_free(decoder);
}

#define START "{\"user_id\":\"" ANN "\",\"rule_id\":\"r1\","

static const struct {
    const char *says;
    const char *rule;
    const char *json;
} rendered[] = {
    {"the defaults: the rule's name as type, medium, the event as data", RULE(""),
     START "\"type\":\"a_note\",\"title\":\"say \\\"hi\\\"\\n\",\"message\":null,"
           "\"priority\":\"medium\",\"data\":{\"event\":\"notes.insert\"},\"expires_in\":null,"
           "\"dedupe_key\":null}"},
    {"everything set",
     RULE(",\"type\":\"note\",\"message\":\"No. {{ new.id }} of {{schema}}.{{table}}\","
          "\"priority\":\"high\",\"data\":{\"id\":\"{{new.id}}\",\"at\":\"{{commit_lsn}}\"},"
          "\"expires_in\":\"7 days\",\"dedupe_key\":\"{{event}}:{{new.id}}\""),
     START "\"type\":\"note\",\"title\":\"say \\\"hi\\\"\\n\",\"message\":\"No. 7 of "
           "public.notes\",\"priority\":\"high\",\"data\":{\"id\":\"7\",\"at\":\"0/1A\"},"
           "\"expires_in\":\"7 days\",\"dedupe_key\":\"notes.insert:7\"}"},
    {"a value with quotes stays inside its string", RULE(",\"data\":{\"t\":\"{{new.title}}\"}"),
     START "\"type\":\"a_note\",\"title\":\"say \\\"hi\\\"\\n\",\"message\":null,"
           "\"priority\":\"medium\",\"data\":{\"t\":\"say \\\"hi\\\"\\n\"},\"expires_in\":null,"
           "\"dedupe_key\":null}"},
    {"data need not be an object", RULE(",\"data\":[1,true]"),
     START "\"type\":\"a_note\",\"title\":\"say \\\"hi\\\"\\n\",\"message\":null,"
           "\"priority\":\"medium\",\"data\":[1,true],\"expires_in\":null,\"dedupe_key\":null}"},
    {"what the row does not have is nothing", RULE(",\"message\":\"<{{new.none}}{{old.title}}>\""),
     START "\"type\":\"a_note\",\"title\":\"say \\\"hi\\\"\\n\",\"message\":\"<>\","
           "\"priority\":\"medium\",\"data\":{\"event\":\"notes.insert\"},\"expires_in\":null,"
           "\"dedupe_key\":null}"},
};

static void test_render(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct change change = fixture_read(decoder, INSERT("\"" ANN "\""));

    (void)state;
    change.commit_lsn = 0x1A;
    for (size_t i = 0; i < COUNT(rendered); i++) {
        struct notification_rule *rule = parse_good(rendered[i].rule);
        struct buf out;

        buf_init(&out, 1 << 20);
        notification_rule_render(&out, rule, &change, STR(ANN), STR("notes.insert"));
        check_text(rendered[i].says, buf_str(&out), rendered[i].json);
        buf_fini(&out);
        notification_rule_free(rule);
    }
    decoder_free(decoder);
}

/* Titles are cut where the database would be asked to hold too much, never inside a character. */
static void test_long(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct notification_rule *rule =
        parse_good(RULE(",\"message\":\"{{new.title}}\",\"data\":{\"t\":\"{{new.title}}\"}"));
    struct buf message, out;
    struct change change;

    (void)state;
    buf_init(&message, 1 << 23);
    buf_init(&out, 1 << 23);
    buf_add_c(&message, "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
                        "{\"name\":\"title\",\"typeoid\":25,\"value\":\"x");
    for (int i = 0; i < 1000000; i++)
        buf_add_c(&message, "\xc3\xa9");
    buf_add_c(&message, "\"}]}");
    change = fixture_read(decoder, message.data);
    notification_rule_render(&out, rule, &change, STR(ANN), STR("notes.insert"));
    assert_true(json_is_jsonb(buf_str(&out)));
    assert_non_null(strstr(out.data, "\xc3\xa9\",\"message\":")); /* a whole character at the end */
    assert_non_null(strstr(out.data, "\"data\":{\"event\":\"notes.insert\"}"));
    assert_true(out.len < 80000);
    buf_fini(&out);
    buf_fini(&message);
    notification_rule_free(rule);
    decoder_free(decoder);
}

static void test_refused(void **state)
{
    static const struct {
        const char *says;
        const char *json;
        const char *message;
    } refused[] = {
        {"no title", "{\"table_name\":\"t\",\"events\":[],\"recipient\":\"u\"}",
         "column title: a notification needs a title"},
        {"no recipient", "{\"table_name\":\"t\",\"events\":[],\"title\":\"t\"}",
         "column recipient: name the column that holds the user's id"},
        {"a placeholder that is none", RULE(",\"message\":\"{{user}}\""), "column message: "},
        {"a brace that is not closed", RULE(",\"dedupe_key\":\"{{new.id\""), "column dedupe_key: "},
        {"one in data", RULE(",\"data\":{\"a\":\"{{now}}\"}"), "column data: "},
        {"a condition that cannot be read must not become none", RULE(",\"condition\":\"id > 7\""),
         "column condition: "},
        {"events that are a text",
         "{\"table_name\":\"t\",\"events\":\"insert\",\"recipient\":\"u\",\"title\":\"t\"}",
         "column events: "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct notification_rule *rule;
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
        cmocka_unit_test(test_wants),   cmocka_unit_test(test_recipient),
        cmocka_unit_test(test_render),  cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
