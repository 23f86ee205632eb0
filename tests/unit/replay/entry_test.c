#include "fixture.h"

#include <stdio.h>

#include "base/stats.h"
#include "replay/entry.h"
#include "rules/webhook_body.h"

static struct types *types;
static struct entry_reader *reader;

static struct entry_column columns[] = {
    {{"id", 2}, OID_INT8},         {{"name", 4}, OID_TEXT},     {{"at", 2}, OID_TIMESTAMPTZ},
    {{"tags", 4}, OID_TEXT_ARRAY}, {{"doc", 3}, OID_JSONB},     {{"on", 2}, OID_BOOL},
    {{"token", 5}, OID_TEXT},      {{"quo\"ted", 7}, OID_TEXT}, {{"ratio", 5}, OID_FLOAT8},
};
static struct str key[] = {{"id", 2}};
static const struct entry_table table = {
    .schema = {"public", 6},
    .table = {"things", 6},
    .columns = columns,
    .column_count = COUNT(columns),
    .key = key,
    .key_count = COUNT(key),
};

static int set_up(void **state)
{
    (void)state;
    types = fixture_types();
    reader = entry_reader_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    entry_reader_free(reader);
    types_unref(types);
    return 0;
}

static struct change read_entry(enum change_kind kind, const char *old_values,
                                const char *new_values)
{
    const struct entry entry = {
        .kind = kind,
        .position = {.commit_lsn = 0x16b3748,
                     .ordinal = 3,
                     .commit_time = INT64_C(1795405721036208),
                     .xid = 7},
        .old_values = str_c(old_values),
        .new_values = str_c(new_values),
    };
    struct change change;
    struct err err;

    if (entry_read(reader, &table, types, &entry, &change, &err) != OK)
        fail_msg("%s", err.message);
    return change;
}

/* The body that a webhook gets, which is what all this is for. */
static const struct row {
    const char *says;
    enum change_kind kind;
    const char *old_values, *new_values;
    const char *rows; /* of the body */
} rows[] = {
    {"columns stand in the table's order, not in jsonb's", CHANGE_INSERT, "",
     "{\"at\": \"2026-11-23T03:48:41+00:00\", \"id\": 1, \"on\": true, \"name\": \"a\"}",
     "\"record\":{\"id\":1,\"name\":\"a\",\"at\":\"2026-11-23T03:48:41+00:00\",\"on\":true},"
     "\"old_record\":null"},
    {"NULL is null", CHANGE_INSERT, "", "{\"id\": 1, \"name\": null, \"doc\": null}",
     "\"record\":{\"id\":1,\"name\":null,\"doc\":null},\"old_record\":null"},
    {"arrays and json", CHANGE_INSERT, "",
     "{\"id\": 1, \"tags\": [\"a b\", null], \"doc\": {\"x\": [1, 2.50]}, \"ratio\": 0.00001}",
     "\"record\":{\"id\":1,\"tags\":[\"a b\",null],\"doc\":{\"x\": [1, "
     "2.50]},\"ratio\":1e-05},\"old_record\":null"},
    {"an update has both rows", CHANGE_UPDATE, "{\"id\": 1, \"name\": \"a\"}",
     "{\"id\": 1, \"name\": \"b\"}",
     "\"record\":{\"id\":1,\"name\":\"b\"},\"old_record\":{\"id\":1,\"name\":\"a\"}"},
    {"an update without an identity has an empty old row", CHANGE_UPDATE, "", "{\"id\": 1}",
     "\"record\":{\"id\":1},\"old_record\":{}"},
    {"a delete has the old row", CHANGE_DELETE, "{\"id\": 1, \"name\": \"a\"}", "",
     "\"record\":null,\"old_record\":{\"id\":1,\"name\":\"a\"}"},
    {"a secret stays redacted", CHANGE_INSERT, "", "{\"id\": 1, \"token\": \"[redacted]\"}",
     "\"record\":{\"id\":1,\"token\":\"[redacted]\"},\"old_record\":null"},
    {"a secret that was not redacted then is now", CHANGE_INSERT, "",
     "{\"id\": 1, \"token\": \"oops\"}",
     "\"record\":{\"id\":1,\"token\":\"[redacted]\"},\"old_record\":null"},
    {"a number that the stream did not carry", CHANGE_INSERT, "",
     "{\"id\": 1, \"ratio\": \"[not in the stream: NaN or Infinity]\"}",
     "\"record\":{\"id\":1,\"ratio\":\"[not in the stream: NaN or "
     "Infinity]\"},\"old_record\":null"},
    {"what was redacted and is no text stays so", CHANGE_INSERT, "",
     "{\"id\": 1, \"on\": \"[redacted]\", \"at\": \"[left out: 9 bytes]\"}",
     "\"record\":{\"id\":1,\"at\":\"[left out: 9 bytes]\",\"on\":\"[redacted]\"},"
     "\"old_record\":null"},
    {"columns that are gone stand behind the others", CHANGE_INSERT, "",
     "{\"a\": [1], \"b\": 1.50, \"id\": 1, \"c \\\"\\\\\": \"x\\n\", \"d\": true, \"e\": null}",
     "\"record\":{\"id\":1,\"a\":[1],\"b\":1.50,\"c \\\"\\\\\":\"x\\n\",\"d\":true,\"e\":null},"
     "\"old_record\":null"},
    {"a quoted name", CHANGE_INSERT, "", "{\"quo\\\"ted\": \"\\u0001\", \"id\": 1}",
     "\"record\":{\"id\":1,\"quo\\\"ted\":\"\\u0001\"},\"old_record\":null"},
    {"a type that was changed since", CHANGE_INSERT, "", "{\"id\": \"one\", \"name\": 1}",
     "\"record\":{\"id\":\"one\",\"name\":1},\"old_record\":null"},
};

static void gives_the_body_again(void **state)
{
    struct stats stats = {0};
    struct ruleset *rules = ruleset_new(fixture_config(), &stats);

    (void)state;
    ruleset_set_types(rules, types);
    for
        EACH(struct row, r, rows)
        {
            struct change change = read_entry(r->kind, r->old_values, r->new_values);
            const struct position position = {
                .commit_lsn = change.commit_lsn, .ordinal = 3, .commit_time = change.commit_time};
            const struct webhook_change of = {rules, ruleset_table(rules, &change), &change,
                                              &position};
            const struct webhook_rule webhook = {.format = WEBHOOK_STANDARD};
            struct webhook_body body;
            struct buf wanted;

            webhook_body_init(&body);
            buf_init(&wanted, 65536);
            webhook_body_begin(&body, &of);
            buf_addf(&wanted,
                     "{\"type\":\"things.%.*s\",\"timestamp\":\"2026-11-23T03:48:41.036208Z\","
                     "\"data\":{\"schema\":\"public\",\"table\":\"things\",\"operation\":\"%.*s\","
                     "%s,\"commit_lsn\":\"0/16B3748\",\"ordinal\":3}}",
                     STR_ARG(change_verb(r->kind)), STR_ARG(change_verb(r->kind)), r->rows);
            check_text(r->says, webhook_body_for(&body, &webhook), buf_str(&wanted).data);
            buf_fini(&wanted);
            webhook_body_fini(&body);
        }
    ruleset_free(rules);
}

static void tells_forms_as_the_stream_does(void **state)
{
    struct change change = read_entry(CHANGE_INSERT, "",
                                      "{\"id\": 5, \"name\": \"a\\\"b\", \"at\": "
                                      "\"2026-11-23T03:48:41+00:00\", \"tags\": [\"x\"], "
                                      "\"on\": false}");
    const struct column *items = change.record.items;

    (void)state;
    CHECK(change.record.count == 5 && change.identity.count == 0, "five columns");
    CHECK(items[0].form == VALUE_LITERAL && items[0].type == OID_INT8, "a number is a literal");
    CHECK_STR(items[0].value, STR("5"), "a number's text");
    CHECK(items[1].form == VALUE_ESCAPED, "a text is escaped");
    CHECK_STR(items[1].value, STR("a\\\"b"), "a text's escapes");
    CHECK_STR(items[2].value, STR("2026-11-23 03:48:41+00"), "a timestamp is PostgreSQL's");
    CHECK_STR(items[3].value, STR("{x}"), "an array is PostgreSQL's");
    CHECK(items[4].form == VALUE_LITERAL, "a boolean is a literal");
    CHECK_STR(items[4].value, STR("false"), "a boolean's text");
    CHECK(change.key_count == 1 && str_eq(change.key[0], STR("id")), "the key");
}

static void says_what_is_missing(void **state)
{
    struct change change = read_entry(
        CHANGE_INSERT, "",
        "{\"id\": 5, \"name\": \"[redacted]\", \"at\": \"[left out: 300 bytes]\", \"on\": true}");
    const struct column *items = change.record.items;

    (void)state;
    CHECK(entry_is_redacted(&items[1]) && !entry_is_left_out(&items[1]), "redacted");
    CHECK(entry_is_left_out(&items[2]) && !entry_is_redacted(&items[2]), "left out");
    CHECK(!entry_is_redacted(&items[0]) && !entry_is_left_out(&items[0]), "a number");
}

static bool hides_name(void *arg, const struct column *column)
{
    (void)arg;
    return str_eq(column->name, STR("name")) && !entry_is_digest(column);
}

static void redacts(void **state)
{
    static const char digest[] =
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char image[200];
    struct change change;

    (void)state;
    snprintf(image, sizeof(image), "{\"id\": 1, \"name\": \"%s\"}", digest);
    change = read_entry(CHANGE_UPDATE, "{\"id\": 1, \"name\": \"plain\"}", image);
    entry_redact(reader, hides_name, NULL);
    CHECK_STR(change.record.items[1].value, str_c(digest), "a digest stays");
    CHECK_STR(change.identity.items[1].value, STR("[redacted]"), "a plain text does not");
    CHECK_STR(change.identity.items[0].value, STR("1"), "nor does anything else change");
    change = read_entry(CHANGE_INSERT, "", "{\"name\": null}");
    entry_redact(reader, hides_name, NULL);
    CHECK(change.record.items[0].form == VALUE_NULL, "a NULL stays");
}

static void refuses_what_is_no_image(void **state)
{
    const struct entry entry = {.kind = CHANGE_INSERT, .new_values = STR("[1]")};
    struct change change;
    struct err err;

    (void)state;
    CHECK(entry_read(reader, &table, types, &entry, &change, &err) == FAILED, "an array");
    CHECK_STR(str_c(err.message), STR("an image is no JSON object"), "an array");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_body_again),
        cmocka_unit_test(tells_forms_as_the_stream_does),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(redacts),
        cmocka_unit_test(refuses_what_is_no_image),
    };

    return cmocka_run_group_tests_name("replay/entry", tests, set_up, tear_down);
}
