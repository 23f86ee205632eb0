#include "fixture.h"

#include "row/event.h"

#define UPDATE                                                                                     \
    "{\"action\":\"U\",\"xid\":7,\"schema\":\"app\",\"table\":\"th\\\"ings\",\"columns\":["        \
    "{\"name\":\"id\",\"typeoid\":20,\"value\":1},"                                                \
    "{\"name\":\"na\\u006de\",\"typeoid\":25,\"value\":\"a\\nb\"},"                                \
    "{\"name\":\"none\",\"typeoid\":25,\"value\":null}],"                                          \
    "\"identity\":[{\"name\":\"id\",\"typeoid\":20,\"value\":2}],"                                 \
    "\"pk\":[{\"name\":\"id\",\"typeoid\":20}]}"

/* The message and the decoder are gone long before a browser gets the row. */
static void test_row_owns_everything(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    char *message = strdup(UPDATE);
    struct change change = fixture_read(decoder, message);
    struct event *event = event_new_row(&change, 0x1234, 5, strlen(message), types);
    const struct event_row *row = &event->row;

    (void)state;
    decoder_free(decoder);
    memset(message, 'x', strlen(message));
    free(message);
    types_unref(types); /* the event holds one of its own */

    assert_int_equal(event->kind, EVENT_ROW);
    assert_int_equal(row->change.kind, CHANGE_UPDATE);
    assert_int_equal(row->change.xid, 7);
    assert_int_equal(row->commit_lsn, 0x1234);
    assert_int_equal(row->ordinal, 5);
    assert_int_equal(row->source_bytes, strlen(UPDATE));
    check_text("schema", row->change.schema, "app");
    check_text("table", row->change.table, "th\"ings");
    assert_int_equal(row->change.record.count, 3);
    check_text("a number", row->change.record.items[0].value, "1");
    check_text("a name with an escape", row->change.record.items[1].name, "name");
    check_text("a value as it came", row->change.record.items[1].value, "a\\nb");
    assert_int_equal(row->change.record.items[2].form, VALUE_NULL);
    assert_int_equal(row->change.identity.count, 1);
    check_text("the old key", row->change.identity.items[0].value, "2");
    assert_int_equal(row->change.key_count, 1);
    check_text("the key's name", row->change.key[0], "id");
    assert_non_null(types_find(row->types, OID_PAIR));
    assert_true(event->msg.bytes >= sizeof(*event) + 4 * sizeof(struct column));
    msg_unref(msg_ref(&event->msg));
    msg_unref(&event->msg);
}

static void test_row_without_columns(void **state)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    struct change change =
        fixture_read(decoder, "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"t\"}");
    struct event *event = event_new_row(&change, 1, 1, 10, types);

    (void)state;
    assert_int_equal(event->row.change.record.count, 0);
    assert_int_equal(event->row.change.key_count, 0);
    check_text("table", event->row.change.table, "t");
    msg_unref(&event->msg);
    types_unref(types);
    decoder_free(decoder);
}

static void test_message_owns_everything(void **state)
{
    char topic[] = "room", name[] = "said", payload[] = "{\"a\": 1}", id[] = "an id";
    const struct stored_message message = {str_c(topic), str_c(name), str_c(payload),
                                           str_c(id),    true,        false};
    const struct position position = {.commit_lsn = 0x1234, .ordinal = 6, .xid = 9};
    struct event *event = event_new_message(&message, &position);
    const struct stored_message *copy = &event->message.message;

    (void)state;
    topic[0] = name[0] = payload[0] = id[0] = 'x';
    assert_int_equal(event->kind, EVENT_MESSAGE);
    assert_int_equal(event->message.commit_lsn, 0x1234);
    assert_int_equal(event->message.ordinal, 6);
    assert_int_equal(event->message.xid, 9);
    check_text("topic", copy->topic, "room");
    check_text("event", copy->event, "said");
    check_text("payload", copy->payload, "{\"a\": 1}");
    check_text("id", copy->id, "an id");
    assert_true(copy->is_private && !copy->is_binary);
    assert_int_equal(event->msg.bytes, sizeof(*event) + 4 + 4 + 8 + 5);
    msg_unref(&event->msg);
}

static void test_others(void **state)
{
    const struct event_stored stored = {0x99, 1, 2, 3};
    const struct event_attempt attempt = {.message_id = "msg_1", .attempt = 2, .status_code = 503};
    struct event *event;

    (void)state;
    event = event_new_stored(&stored);
    assert_int_equal(event->kind, EVENT_STORED);
    assert_int_equal(event->stored.commit_lsn, 0x99);
    assert_int_equal(event->stored.deliveries, 3);
    assert_ptr_equal(event_of(&event->msg), event);
    msg_unref(&event->msg);

    event = event_new_attempt(&attempt);
    assert_int_equal(event->kind, EVENT_ATTEMPT);
    assert_string_equal(event->attempt.message_id, "msg_1");
    assert_int_equal(event->attempt.status_code, 503);
    msg_unref(&event->msg);

    event = event_new_gap(&(struct event_gap){.messages = true});
    assert_int_equal(event->kind, EVENT_GAP);
    assert_true(event->gap.messages && !event->gap.rows);
    assert_int_equal(event->msg.bytes, sizeof(*event));
    msg_unref(&event->msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_owns_everything),
        cmocka_unit_test(test_row_without_columns),
        cmocka_unit_test(test_message_owns_everything),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
