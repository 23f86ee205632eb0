#include "rules/notes.h"

#include "rules/image.h"

#define UPDATE_BARE TABLE("U") "\"columns\":[" ID "," TITLE("new") "]," PK
#define UPDATE_SEEN                                                                                \
    TABLE("U")                                                                                     \
    "\"columns\":[" ID "," TITLE("a") "," SEEN(IS) "],"                                            \
                                                   "\"identity\":[" ID                             \
                                                   "," TITLE("a") "," SEEN(WAS) "]," PK
#define UPDATE_NOTHING                                                                             \
    TABLE("U") "\"columns\":[" ID "," TITLE("a") "],\"identity\":[" ID "," TITLE("a") "]," PK
#define UPDATE_NULLS                                                                               \
    TABLE("U")                                                                                     \
    "\"columns\":[" ID                                                                             \
    "," TOKEN("null") "," BODY "],"                                                                \
                      "\"identity\":[" ID                                                          \
                      "," TOKEN("\"x\"") ",{\"name\":\"body\",\"typeoid\":25,\"value\":null}]," PK
#define DELETE_KEY TABLE("D") "\"identity\":[" ID "]," PK

/* The policy of `notes`: seen_at is left out. */
#define POLICY "{\"table_name\":\"public.notes\",\"redact\":[\"tit*\"],\"ignore\":[\"seen_at\"]}"

#define CHANGES_ONLY "{\"table_name\":\"public.notes\",\"only_if_changed\":true}"
#define HASHED(more)                                                                               \
    "{\"table_name\":\"public.notes\",\"hash\":[\"title\",\"token\",\"ratio\"]" more "}"
#define RATIO(value) "{\"name\":\"ratio\",\"typeoid\":701,\"value\":" value "}"
#define INSERT_LOST                                                                                \
    TABLE("I")                                                                                     \
    "\"columns\":[" ID                                                                             \
    ",{\"name\":\"ratio\",\"typeoid\":701,\"value\":null,\"optional\":false}]," PK
#define UPDATE_LOST                                                                                \
    TABLE("U")                                                                                     \
    "\"columns\":[" ID                                                                             \
    ",{\"name\":\"ratio\",\"typeoid\":701,\"value\":null,\"optional\":false}],\"identity\":[" ID   \
    "," RATIO("null") "]," PK

static void use_policy(const char *json)
{
    struct err err = {0};

    ruleset_clear(rules, RULE_AUDIT_POLICY);
    if (json && ruleset_put(rules, RULE_AUDIT_POLICY, STR("public.notes"), str_c(json), &err) != OK)
        fail_msg("%s", err.message);
}

static const struct {
    const char *says;
    const char *message;
    const char *policy;
    const char *old, *new;
} images[] = {
    {"an INSERT: the secret is not kept, all else as to_jsonb has it", INSERT, NULL, "{}",
     "{\"id\":7,\"title\":\"a \\\"b\\\"\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\"}"},
    {"an UPDATE with a full identity: what did not change and did not come is there too",
     UPDATE_FULL, NULL,
     "{\"id\":7,\"title\":\"old\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\",\"body\":\"long\"}",
     "{\"id\":7,\"title\":\"new\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-24T03:48:41+00:00\",\"body\":\"long\"}"},
    {"with the default identity the old row is its key", UPDATE_KEY, NULL, "{\"id\":7}",
     "{\"id\":7,\"title\":\"new\"}"},
    {"a DELETE has the old row; a secret that was NULL stays null", DELETE_FULL, NULL,
     "{\"id\":7,\"title\":\"old\",\"token\":null}", "{}"},
    {"a policy redacts and leaves out more", INSERT, POLICY, "{}",
     "{\"id\":7,\"title\":\"[redacted]\",\"token\":\"[redacted]\"}"},
    {"also in the old row, whatever its columns' places", UPDATE_FULL, POLICY,
     "{\"id\":7,\"title\":\"[redacted]\",\"token\":\"[redacted]\",\"body\":\"long\"}",
     "{\"id\":7,\"title\":\"[redacted]\",\"token\":\"[redacted]\",\"body\":\"long\"}"},
    {"the first column left out leaves no comma", INSERT,
     "{\"table_name\":\"public.notes\",\"ignore\":[\"id\"]}", "{}",
     "{\"title\":\"a \\\"b\\\"\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\"}"},
    {"a hashed value is a digest of the secret and its text; what is a secret stays redacted",
     INSERT, HASHED(",\"hash_secret\":\"pepper\""), "{}",
     "{\"id\":7,\"title\":\"sha256:"
     "f1f375d269e9919c5eeb43016f17ba3dbebe9d8a6c6b8fa0ac16a52b5c432e33\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\"}"},
    {"without a secret it is redacted", INSERT, HASHED(""), "{}",
     "{\"id\":7,\"title\":\"[redacted]\",\"token\":\"[redacted]\","
     "\"seen_at\":\"2026-11-23T03:48:41+00:00\"}"},
    {"a NULL is no secret", DELETE_FULL,
     HASHED(",\"hash_secret\":\"pepper\",\"redact\":[\"title\"]"),
     "{\"id\":7,\"title\":\"[redacted]\",\"token\":null}", "{}"},
    {"what the stream cannot carry is said, in the old row too", UPDATE_LOST, NULL,
     "{\"id\":7,\"ratio\":\"[not in the stream: NaN or Infinity]\"}",
     "{\"id\":7,\"ratio\":\"[not in the stream: NaN or Infinity]\"}"},
    {"but not of a redacted column", INSERT_LOST,
     "{\"table_name\":\"public.notes\",\"redact\":[\"ratio\"]}", "{}",
     "{\"id\":7,\"ratio\":\"[redacted]\"}"},
    {"nor can it be hashed", INSERT_LOST, HASHED(",\"hash_secret\":\"pepper\""), "{}",
     "{\"id\":7,\"ratio\":\"[not in the stream: NaN or Infinity]\"}"},
    {"every column left out leaves an object", UPDATE_KEY,
     "{\"table_name\":\"public.notes\",\"ignore\":[\"*\"]}", "{}", "{}"},
};

static void test_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(images); i++) {
        struct change change = fixture_read(decoder, images[i].message);
        struct table_rules *table;
        struct buf out;

        use_policy(images[i].policy);
        table = ruleset_table(rules, &change);
        buf_init(&out, 1 << 16);
        image_add_old(&out, rules, table, &change, NULL, IMAGE_TABLE_ORDER);
        check_text(images[i].says, buf_str(&out), images[i].old);
        buf_clear(&out);
        image_add_new(&out, rules, table, &change, NULL, IMAGE_TABLE_ORDER);
        check_text(images[i].says, buf_str(&out), images[i].new);
        buf_fini(&out);
    }
}

static void add_name(void *arg, struct str name)
{
    buf_add_str(arg, name);
    buf_add_char(arg, ' ');
}

static const struct {
    const char *says;
    const char *message;
    const char *policy;
    const char *changed; /* NULL: not known */
    bool is_worthless;
} changes[] = {
    {"columns that differ, the redacted one too, in the record's order", UPDATE_FULL, NULL,
     "title token seen_at ", false},
    {"from NULL and to NULL are changes", UPDATE_NULLS, NULL, "token body ", false},
    {"without the old row nobody knows", UPDATE_KEY, NULL, NULL, false},
    {"nor without any identity", UPDATE_BARE, POLICY, NULL, false},
    {"an INSERT has no changes", INSERT, NULL, NULL, false},
    {"nor has a DELETE", DELETE_FULL, NULL, NULL, false},
    {"an UPDATE that changed nothing", UPDATE_NOTHING, NULL, "", false},
    {"is not one of ignored columns", UPDATE_NOTHING, POLICY, "", false},
    {"an ignored column is not named", UPDATE_FULL, POLICY, "title token ", false},
    {"a change of ignored columns alone is worth nothing", UPDATE_SEEN, POLICY, "", true},
    {"without the policy it is", UPDATE_SEEN, NULL, "seen_at ", false},
    {"one that changed nothing, where only changes are wanted", UPDATE_NOTHING, CHANGES_ONLY, "",
     true},
    {"one of a redacted column is a change", UPDATE_FULL, CHANGES_ONLY, "title token seen_at ",
     false},
    {"where the old row is not known it may be one", UPDATE_KEY, CHANGES_ONLY, NULL, false},
    {"a lost value may have changed, so the entry is made", UPDATE_LOST, CHANGES_ONLY, "", false},
};

static void test_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct change change = fixture_read(decoder, changes[i].message);
        struct table_rules *table;
        struct buf out;
        bool known;

        use_policy(changes[i].policy);
        table = ruleset_table(rules, &change);
        buf_init(&out, 1 << 16);
        known = image_changed_columns(rules, table, &change, add_name, &out);
        if (known != (changes[i].changed != NULL))
            fail_msg("%s: known %d", changes[i].says, (int)known);
        check_text(changes[i].says, buf_str(&out), known ? changes[i].changed : "");
        if (image_is_worthless(rules, table, &change) != changes[i].is_worthless)
            fail_msg("%s: is it worth an entry?", changes[i].says);
        buf_fini(&out);
    }
}

static const struct {
    const char *says;
    const char *message;
    const char *key; /* NULL: none */
} keys[] = {
    {"one column: its text", INSERT, "7"},
    {"of a deleted row the old one", DELETE_KEY, "7"},
    {"a text with an escape is the text, not its JSON",
     TABLE("I") "\"columns\":[{\"name\":\"k\",\"typeoid\":25,\"value\":\"a\\\"b\\n\"}],"
                "\"pk\":[{\"name\":\"k\"}]}",
     "a\"b\n"},
    {"several columns: a JSON array of typed values",
     TABLE("I") "\"columns\":[{\"name\":\"a\",\"typeoid\":20,\"value\":7},"
                "{\"name\":\"b\",\"typeoid\":25,\"value\":\"x\\\"y\"},"
                "{\"name\":\"c\",\"typeoid\":1184,\"value\":\"" WAS "\"}],"
                "\"pk\":[{\"name\":\"b\"},{\"name\":\"a\"},{\"name\":\"c\"}]}",
     "[\"x\\\"y\",7,\"2026-11-23T03:48:41+00:00\"]"},
    {"no primary key", TABLE("I") "\"columns\":[" ID "]}", NULL},
    {"an empty one", TABLE("I") "\"columns\":[" ID "],\"pk\":[]}", NULL},
    {"a deleted row whose identity is another index",
     TABLE("D") "\"identity\":[" TITLE("x") "]," PK, NULL},
    {"half a key is none",
     TABLE("D") "\"identity\":[" ID "],\"pk\":[{\"name\":\"id\"},{\"name\":\"b\"}]}", NULL},
};

static void test_keys(void **state)
{
    (void)state;
    use_policy(NULL);
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct change change = fixture_read(decoder, keys[i].message);
        struct buf out;

        buf_init(&out, 1024);
        if (image_add_key(&out, rules, &change) != (keys[i].key != NULL))
            fail_msg("%s", keys[i].says);
        check_text(keys[i].says, buf_str(&out), keys[i].key ? keys[i].key : "");
        buf_fini(&out);
    }
}

#define PAIR(a, b)                                                                                 \
    "[{\"name\":\"a\",\"typeoid\":20,\"value\":" a                                                 \
    "},{\"name\":\"b\",\"typeoid\":25,\"value\":\"" b "\"}]"
#define PAIR_KEY ",\"pk\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"

static const struct {
    const char *says;
    const char *message;
    const char *key; /* NULL: none */
} old_keys[] = {
    {"no update", INSERT, NULL},
    {"one column of two is another",
     TABLE("U") "\"columns\":" PAIR("8", "x") ",\"identity\":" PAIR("7", "x") PAIR_KEY,
     "[7,\"x\"]"},
    {"neither is",
     TABLE("U") "\"columns\":" PAIR("8", "x") ",\"identity\":" PAIR("8", "x") PAIR_KEY, NULL},
    {"the row before is not known", TABLE("U") "\"columns\":" PAIR("8", "x") PAIR_KEY, NULL},
};

static void test_old_keys(void **state)
{
    (void)state;
    use_policy(NULL);
    for (size_t i = 0; i < COUNT(old_keys); i++) {
        struct change change = fixture_read(decoder, old_keys[i].message);
        struct buf out;

        buf_init(&out, 1024);
        if (image_add_old_key(&out, rules, &change) != (old_keys[i].key != NULL))
            fail_msg("%s", old_keys[i].says);
        check_text(old_keys[i].says, buf_str(&out), old_keys[i].key ? old_keys[i].key : "");
        buf_fini(&out);
    }
}

static void test_chosen_columns(void **state)
{
    static const struct {
        const char *says;
        char *columns[2];
        const char *old, *new;
    } rows[] = {
        {"those, in the order of the table, and no other",
         {"body", "id"},
         "{\"id\":7,\"body\":\"long\"}",
         "{\"id\":7,\"body\":\"long\"}"},
        {"a secret stays one",
         {"token", "nothing"},
         "{\"token\":\"[redacted]\"}",
         "{\"token\":\"[redacted]\"}"},
        {"none that is there", {"x", "y"}, "{}", "{}"},
    };

    (void)state;
    use_policy(NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct change change = fixture_read(decoder, UPDATE_FULL);
        struct table_rules *table = ruleset_table(rules, &change);
        const struct rule_list only = {(char **)(uintptr_t)rows[i].columns, 2};
        struct buf out;

        buf_init(&out, 4096);
        image_add_old(&out, rules, table, &change, &only, IMAGE_TABLE_ORDER);
        check_text(rows[i].says, buf_str(&out), rows[i].old);
        buf_clear(&out);
        image_add_new(&out, rules, table, &change, &only, IMAGE_TABLE_ORDER);
        check_text(rows[i].says, buf_str(&out), rows[i].new);
        buf_fini(&out);
    }
}

/* An image of one or two values of so many bytes, and which of them are left out. */
static void check_large(const char *says, uint32_t type, size_t first, size_t second,
                        const char *wanted)
{
    char *text = calloc(1, first > second ? first : second);
    const struct column columns[] = {
        {STR("id"), OID_INT8, VALUE_LITERAL, STR("7")},
        {STR("a"), type, VALUE_ESCAPED, str_from(text, first)},
        {STR("b"), type, VALUE_ESCAPED, str_from(text, second)},
        {STR("end"), OID_INT8, VALUE_LITERAL, STR("8")},
    };
    const struct change change = {.kind = CHANGE_INSERT,
                                  .schema = STR("public"),
                                  .table = STR("large"),
                                  .record = {columns, COUNT(columns)}};
    struct buf out;
    size_t kept = 0;

    assert_non_null(text);
    memset(text, '1', first > second ? first : second);
    buf_init(&out, (size_t)1 << 30);
    image_add_new(&out, rules, ruleset_table(rules, &change), &change, NULL, IMAGE_TABLE_ORDER);
    assert_true(buf_ok(&out));
    for (size_t i = 0; i < out.len; i++) /* a long run of digits becomes one of them */
        if (i == 0 || out.data[i] != '1' || out.data[i - 1] != '1')
            out.data[kept++] = out.data[i];
    buf_truncate(&out, kept);
    check_text(says, buf_str(&out), wanted);
    buf_fini(&out);
    free(text);
}

/* One row that jsonb cannot hold would stop the audit trail for good. */
static void test_large(void **state)
{
    (void)state;
    check_large("text of 130 MB twice: the second one has no room", OID_TEXT, 130000000, 130000000,
                "{\"id\":7,\"a\":\"1\",\"b\":\"[left out: 130000000 bytes]\",\"end\":8}");
    check_large("text of 100 MB twice fits", OID_TEXT, 100000000, 100000000,
                "{\"id\":7,\"a\":\"1\",\"b\":\"1\",\"end\":8}");
    check_large("json of 31 MB needs more than it looks; what is small after it has room",
                OID_JSONB, 31000000, 5,
                "{\"id\":7,\"a\":\"[left out: 31000000 bytes]\",\"b\":1,\"end\":8}");
}

/* An image that does not fit marks the buffer, wherever it ends. */
static void test_full(void **state)
{
    struct change change = fixture_read(decoder, UPDATE_FULL);
    struct table_rules *table;

    (void)state;
    use_policy(NULL);
    table = ruleset_table(rules, &change);
    for (size_t max = 0; max < 90; max++) {
        struct buf out;

        buf_init(&out, max);
        image_add_new(&out, rules, table, &change, NULL, IMAGE_TABLE_ORDER);
        assert_false(buf_ok(&out));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images),         cmocka_unit_test(test_changed),
        cmocka_unit_test(test_keys),           cmocka_unit_test(test_old_keys),
        cmocka_unit_test(test_chosen_columns), cmocka_unit_test(test_full),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
