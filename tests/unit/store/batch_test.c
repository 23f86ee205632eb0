#include "fixture.h"

#include "base/json.h"
#include "pg/copy.h"
#include "store/batch.h"

static struct decoder *decoder;
static struct ruleset *rules;
static struct batch batch;
static struct stats stats;

static const struct position position = {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036208), 771};

static int set_up(void **state)
{
    struct types *types = fixture_types();

    (void)state;
    decoder = decoder_new_wal2json();
    rules = ruleset_new(fixture_config(), &stats);
    ruleset_set_types(rules, types);
    types_unref(types);
    batch_init(&batch);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    batch_fini(&batch);
    ruleset_free(rules);
    decoder_free(decoder);
    return 0;
}

static enum result add_audit(const char *message, struct err *err)
{
    struct change change = fixture_read(decoder, message);

    return batch_add_audit(&batch, rules, ruleset_table(rules, &change), &change, &position,
                           STR("WHO"), err);
}

/* What every audit row of `position` begins with: sixteen fields; the time since 2000, the commit's
 * LSN, the ordinal, the xid. */
#define ROW_HEAD                                                                                   \
    "\0\x10"                                                                                       \
    "\0\0\0\x08\0\x03\x03\xe8\x3d\x03\x05\xb0"                                                     \
    "\0\0\0\x08\0\0\0\1\x01\xa2\xb3\xf8"                                                           \
    "\0\0\0\x08\0\0\0\0\0\0\0\3"                                                                   \
    "\0\0\0\x08\0\0\0\0\0\0\3\3"
#define NULL_FIELD "\xff\xff\xff\xff"
#define NOTES "\0\0\0\x0cpublic.notes"
#define PK "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"

static const struct {
    const char *says;
    const char *message;
    struct str bytes;
} audit_rows[] = {
    {"an INSERT has no old values and no changed fields",
     "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7}]," PK,
     STR(ROW_HEAD "\0\0\0\6insert" NOTES "\0\0\0\1"
                  "7" NULL_FIELD NULL_FIELD "\0\0\0\x09\1{\"id\":7}" NULL_FIELD "WHO")},
    {"an UPDATE with a full identity says which fields changed",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7},{\"name\":\"a\",\"typeoid\":20,\"value\":2}],"
     "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":7},"
     "{\"name\":\"a\",\"typeoid\":20,\"value\":1}]," PK,
     STR(ROW_HEAD "\0\0\0\6update" NOTES "\0\0\0\1"
                  "7" NULL_FIELD "\0\0\0\x0f\1{\"id\":7,\"a\":1}\0\0\0\x0f\1{\"a\":2,\"id\":7}"
                  "\0\0\0\x19\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1"
                  "a"
                  "WHO")},
    {"an UPDATE of the key has the old one too",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7}],"
     "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":6}]," PK,
     STR(ROW_HEAD "\0\0\0\6update" NOTES "\0\0\0\1"
                  "7\0\0\0\1"
                  "6\0\0\0\x09\1{\"id\":6}\0\0\0\x09\1{\"id\":7}"
                  "\0\0\0\x1a\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\2"
                  "id"
                  "WHO")},
    {"an UPDATE of nothing changed no field",
     "{\"action\":\"U\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7}],"
     "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":7}]," PK,
     STR(ROW_HEAD "\0\0\0\6update" NOTES "\0\0\0\1"
                  "7" NULL_FIELD "\0\0\0\x09\1{\"id\":7}\0\0\0\x09\1{\"id\":7}"
                  "\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x19"
                  "WHO")},
    {"a DELETE has the key and the old values",
     "{\"action\":\"D\",\"schema\":\"public\",\"table\":\"notes\",\"identity\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7}]," PK,
     STR(ROW_HEAD "\0\0\0\6delete" NOTES "\0\0\0\1"
                  "7" NULL_FIELD "\0\0\0\x09\1{\"id\":7}" NULL_FIELD NULL_FIELD "WHO")},
    {"a TRUNCATE has neither", "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"notes\"," PK,
     STR(ROW_HEAD "\0\0\0\x08truncate" NOTES NULL_FIELD NULL_FIELD NULL_FIELD NULL_FIELD NULL_FIELD
                  "WHO")},
    {"a table without primary key has no resource_id",
     "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"id\",\"typeoid\":20,\"value\":7}]}",
     STR(ROW_HEAD "\0\0\0\6insert" NOTES NULL_FIELD NULL_FIELD NULL_FIELD
                  "\0\0\0\x09\1{\"id\":7}" NULL_FIELD "WHO")},
    {"a key of two columns is a JSON array",
     "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
     "{\"name\":\"a\",\"typeoid\":20,\"value\":7},{\"name\":\"b\",\"typeoid\":25,\"value\":\"x\"}],"
     "\"pk\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
     STR(ROW_HEAD "\0\0\0\6insert" NOTES "\0\0\0\x07[7,\"x\"]" NULL_FIELD NULL_FIELD
                  "\0\0\0\x10\1{\"a\":7,\"b\":\"x\"}" NULL_FIELD "WHO")},
};

static void test_audit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(audit_rows); i++) {
        struct err err = {0};

        batch_reset(&batch);
        ruleset_clear(rules, RULE_AUDIT_POLICY); /* and what is known of the table's columns */
        assert_int_equal(add_audit(audit_rows[i].message, &err), OK);
        check_bytes(audit_rows[i].says, buf_str(&batch.audit), audit_rows[i].bytes);
        assert_int_equal(batch.audit_rows, 1);
    }
}

/* A key of so many bytes: is it the resource_id? */
static bool has_resource_id(size_t bytes)
{
    const size_t at = sizeof(ROW_HEAD "\0\0\0\6insert" NOTES) - 1;
    struct buf message;
    struct err err = {0};
    uint32_t length;

    buf_init(&message, 8192);
    buf_add_c(&message, "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"notes\",\"columns\":["
                        "{\"name\":\"id\",\"typeoid\":25,\"value\":\"");
    for (size_t i = 0; i < bytes; i++)
        buf_add_char(&message, 'k');
    buf_add_c(&message, "\"}]," PK);
    batch_reset(&batch);
    assert_int_equal(add_audit(message.data, &err), OK);
    buf_fini(&message);
    memcpy(&length, batch.audit.data + at, sizeof(length));
    return length != UINT32_MAX;
}

static void test_long_keys(void **state)
{
    (void)state;
    assert_true(has_resource_id(2048));
    assert_false(has_resource_id(2049)); /* no row of a btree holds much more */
}

#define WEBHOOK_ID "00112233-4455-6677-8899-aabbccddeeff"

static struct webhook_rule webhook_of(const char *id)
{
    struct webhook_rule rule = {.takes_changes = true};

    assert_true(str_to_uuid(str_c(id), rule.id));
    return rule;
}

static void add_delivery(const char *id, const struct position *at)
{
    const struct webhook_rule webhook = webhook_of(id);
    struct err err = {0};

    assert_int_equal(batch_add_delivery(&batch, &webhook, STR("notes.insert"), at, STR("notes:1"),
                                        STR("{\"a\":1}"), &err),
                     OK);
}

#define MESSAGE_ID "msg_101a2b3f8_3_660e9783ae5b0_ccddeeff"

static void test_delivery(void **state)
{
    (void)state;
    add_delivery(WEBHOOK_ID, &position);
    check_bytes("endpoint, message id, event, body, row key", buf_str(&batch.deliveries),
                STR("\0\5\0\0\0\x10\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
                    "\0\0\0\x26" MESSAGE_ID "\0\0\0\x0cnotes.insert\0\0\0\7{\"a\":1}"
                    "\0\0\0\7notes:1"));
    assert_int_equal(batch.delivery_rows, 1);
}

static void message_id_of(const char *id, const struct position *at, char out[64])
{
    const unsigned char *p;

    batch_reset(&batch);
    add_delivery(id, at);
    p = (const unsigned char *)batch.deliveries.data + 2 + 4 + 16;
    assert_int_equal(p[0] | p[1] | p[2], 0);
    assert_true(p[3] < 64);
    memcpy(out, p + 4, p[3]);
    out[p[3]] = '\0';
}

/* A receiver tells a message it has had by its id alone. */
static void test_message_ids(void **state)
{
    static const struct {
        const char *says;
        const char *id;
        struct position at;
        bool same;
    } rows[] = {
        {"read again after a restart",
         WEBHOOK_ID,
         {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036208), 771},
         true},
        {"the next row",
         WEBHOOK_ID,
         {UINT64_C(0x101A2B3F8), 4, INT64_C(1795405721036208), 771},
         false},
        {"the same place of another transaction",
         WEBHOOK_ID,
         {UINT64_C(0x101A2B3F9), 3, INT64_C(1795405721036208), 771},
         false},
        {"the same LSN after a restore, at another time",
         WEBHOOK_ID,
         {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036209), 771},
         false},
        {"another endpoint, though its id was only counted up",
         "00112233-4455-6677-8899-aabbccddeefe",
         {UINT64_C(0x101A2B3F8), 3, INT64_C(1795405721036208), 771},
         false},
    };
    char first[64], other[64];

    (void)state;
    message_id_of(WEBHOOK_ID, &position, first);
    assert_null(strchr(first, '.')); /* the signature is over id.timestamp.body */
    for (size_t i = 0; i < COUNT(rows); i++) {
        message_id_of(rows[i].id, &rows[i].at, other);
        if ((strcmp(first, other) == 0) != rows[i].same)
            fail_msg("%s: %s", rows[i].says, other);
    }
}

static void test_message_id_fits(void **state)
{
    static const struct position last = {UINT64_MAX, UINT64_MAX, INT64_MAX, UINT32_MAX};
    char id[64];

    (void)state;
    message_id_of("ffffffff-ffff-ffff-ffff-ffffffffffff", &last, id);
    assert_int_equal(strlen(id),
                     4 + 16 + 1 + 16 + 1 + 16 + 1 + 8); /* struct event_attempt has 64 */
}

static void test_rules(void **state)
{
    static const struct {
        enum rule_kind kind;
        const char *id, *row;
        const char *json;
    } rows[] = {
        {RULE_WEBHOOK, "w1", "{\"id\":\"w1\"}",
         "{\"kind\":\"webhook\",\"id\":\"w1\",\"row\":{\"id\":\"w1\"}}"},
        {RULE_NOTIFICATION, "n1", "",
         ",{\"kind\":\"notification_rule\",\"id\":\"n1\",\"row\":null}"},
        {RULE_AUDIT_POLICY, "a\"b", "",
         ",{\"kind\":\"audit_policy\",\"id\":\"a\\\"b\",\"row\":null}"},
        {RULE_WEBHOOK, "", "", ",{\"kind\":\"webhook\",\"id\":null,\"row\":null}"},
    };
    size_t before = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};

        assert_int_equal(
            batch_add_rule(&batch, rows[i].kind, str_c(rows[i].id), str_c(rows[i].row), &err), OK);
        check_text("a change of a rule",
                   str_from(batch.rules.data + before, batch.rules.len - before), rows[i].json);
        before = batch.rules.len;
    }
    assert_int_equal(batch.rule_changes, 4);
}

static struct notification_rule *notification(void)
{
    struct notification_rule *rule = NULL;
    struct rule_row *row;
    struct err err = {0};

    if (rule_row_parse(STR("{\"id\":\"r\",\"name\":\"n\",\"table_name\":\"t\",\"events\":[],"
                           "\"recipient\":\"u\",\"title\":\"t\"}"),
                       &row, &err) != OK ||
        notification_rule_parse(row, &rule, &err) != OK)
        fail_msg("%s", err.message);
    rule_row_free(row);
    return rule;
}

static enum result add_notification(const struct notification_rule *rule, struct err *err)
{
    const struct change change = {.kind = CHANGE_INSERT};

    return batch_add_notification(&batch, rule, &change, STR("u1"), STR("t.insert"), err);
}

/* The store puts brackets around them: it has to be JSON then. */
static void test_notifications(void **state)
{
    struct notification_rule *rule = notification();
    struct err err = {0};
    struct buf list;

    (void)state;
    buf_init(&list, 1 << 16);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add_notification(rule, &err), OK);
        buf_clear(&list);
        buf_add_char(&list, '[');
        buf_add_str(&list, buf_str(&batch.notifications));
        buf_add_char(&list, ']');
        assert_true(json_is_jsonb(buf_str(&list)));
    }
    assert_int_equal(batch.notification_rows, 3);
    buf_fini(&list);
    notification_rule_free(rule);
}

#define SMALL "{\"action\":\"T\",\"schema\":\"s\",\"table\":\"t\"}"
#define LARGE                                                                                      \
    "{\"action\":\"U\",\"schema\":\"s\",\"table\":\"t\",\"columns\":["                             \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":7},"                                                \
    "{\"name\":\"a\",\"typeoid\":25,\"value\":\"0123456789012345678901234567890\"}],"              \
    "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":7},"                                  \
    "{\"name\":\"a\",\"typeoid\":25,\"value\":\"x\"}]," PK

/* However much of a row fits: what does not fit whole is not there at all, the rows before it are
 * not touched, and the next one that is small enough is taken. */
static void test_oversize_audit(void **state)
{
    static const char *const large[] = {LARGE,
                                        "{\"action\":\"T\",\"schema\":\"s\",\"table\":\"t\"," PK};
    struct err err = {0};
    struct buf small;

    (void)state;
    assert_int_equal(add_audit(SMALL, &err), OK);
    buf_init(&small, 1024);
    buf_add_str(&small, buf_str(&batch.audit));
    for (size_t which = 0; which < COUNT(large); which++) {
        size_t fitted = 0;

        for (size_t room = 0; fitted == 0; room++) {
            batch_reset(&batch);
            batch.audit.max = 1 << 20;
            assert_int_equal(add_audit(SMALL, &err), OK);
            batch.audit.max = small.len + room;
            if (add_audit(large[which], &err) == OK) {
                fitted = room;
                assert_int_equal(batch.audit_rows, 2);
                continue;
            }
            assert_int_equal(batch.audit_rows, 1);
            check_bytes("the rows before", buf_str(&batch.audit), buf_str(&small));
            assert_true(buf_ok(&batch.audit));
            assert_non_null(strstr(err.message, "an audit row does not fit"));
        }
        assert_true(fitted > 40);
    }
    buf_fini(&small);
}

static void test_oversize_others(void **state)
{
    const struct webhook_rule webhook = webhook_of(WEBHOOK_ID);
    struct notification_rule *rule = notification();
    struct err err = {0};
    size_t one;

    (void)state;
    add_delivery(WEBHOOK_ID, &position);
    assert_int_equal(add_notification(rule, &err), OK);
    assert_int_equal(batch_add_rule(&batch, RULE_WEBHOOK, STR("w"), STR("{}"), &err), OK);

    one = batch.deliveries.len;
    batch.deliveries.max = one + 20;
    assert_int_equal(
        batch_add_delivery(&batch, &webhook, STR("e"), &position, STR(""), STR("{}"), &err),
        FAILED);
    assert_int_equal(batch.deliveries.len, one);
    assert_int_equal(batch.delivery_rows, 1);

    one = batch.notifications.len;
    batch.notifications.max = one + 20;
    assert_int_equal(add_notification(rule, &err), FAILED);
    assert_int_equal(batch.notifications.len, one);

    one = batch.rules.len;
    batch.rules.max = one + 20;
    assert_int_equal(batch_add_rule(&batch, RULE_WEBHOOK, STR("w2"), STR("{}"), &err), FAILED);
    assert_int_equal(batch.rules.len, one);
    assert_int_equal(batch_effects(&batch), 3);
    notification_rule_free(rule);
}

static void test_counts(void **state)
{
    struct err err = {0};

    (void)state;
    assert_true(batch_is_empty(&batch));
    assert_int_equal(batch_bytes(&batch), 0);
    assert_int_equal(add_audit(SMALL, &err), OK);
    add_delivery(WEBHOOK_ID, &position);
    assert_false(batch_is_empty(&batch));
    assert_int_equal(batch_effects(&batch), 2);
    assert_int_equal(batch_bytes(&batch), batch.audit.len + batch.deliveries.len);
    assert_true(batch.started_ms > 0);
    buf_clear(&batch.audit); /* handed to the socket: the effects are counted all the same */
    assert_int_equal(batch_effects(&batch), 2);
    batch.mark = (struct store_mark){1, 2, 3};
    batch_reset(&batch);
    assert_true(batch_is_empty(&batch));
    assert_int_equal(batch_bytes(&batch), 0);
    assert_int_equal(batch.mark.end_lsn, 0);
    assert_int_equal(batch.started_ms, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_audit),         TEST(test_long_keys),       TEST(test_delivery),
        TEST(test_message_ids),   TEST(test_message_id_fits), TEST(test_rules),
        TEST(test_notifications), TEST(test_oversize_audit),  TEST(test_oversize_others),
        TEST(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
