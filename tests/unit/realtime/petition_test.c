#include "fixture.h"

#include "realtime/petition.h"

static struct sessions sessions;
static struct session *ann, *bob;
static struct petition_line line;

static struct session *session_of(const char *role, const char *claims)
{
    const struct token token = {.role = (char *)(uintptr_t)role,
                                .claims = (char *)(uintptr_t)claims,
                                .claims_len = strlen(claims)};

    return session_get(&sessions, &token);
}

static int set_up(void **state)
{
    (void)state;
    ann = session_of("authenticated", "{\"sub\":\"ann\"}");
    bob = session_of("authenticated", "{\"sub\":\"bob\"}");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    petition_line_fini(&line);
    session_unref(ann);
    session_unref(bob);
    assert_int_equal(sessions.map.count, 0);
    sessions_fini(&sessions);
    return 0;
}

/* Counts who was told what. */
struct told {
    int yes, no;
};

static void on_told(void *arg, const struct channel_rights *rights, const struct err *why)
{
    struct told *told = arg;

    (void)why;
    if (rights && rights->may_read_broadcast)
        told->yes++;
    else
        told->no++;
}

static void refuse_all(void)
{
    struct petition *petition;

    while ((petition = petition_line_take(&line))) {
        petition_tell(petition, NULL, NULL);
        petition_free(petition);
    }
}

static void ask(struct session *session, const char *topic, struct told *told)
{
    petition_line_ask(&line, session, str_c(topic), 1000, on_told, told);
}

static void test_sharing(void **state)
{
    static const struct channel_rights reads = {.may_read_broadcast = true};
    struct told first = {0}, second = {0}, other = {0}, late = {0};
    struct petition *petition;

    (void)state;
    ask(ann, "room", &first);
    ask(ann, "room", &second);
    ask(bob, "room", &other);
    ask(ann, "hall", &other);
    assert_int_equal(line.count, 3); /* the same session in the same topic */
    petition = petition_line_take(&line);
    assert_string_equal(petition->topic, "room");
    assert_ptr_equal(petition->session, ann);
    ask(ann, "room", &late); /* after it was put: a question of its own */
    assert_int_equal(line.count, 3);
    petition_tell(petition, &reads, NULL);
    petition_tell(petition, &reads, NULL); /* nobody hears it twice */
    petition_free(petition);
    assert_int_equal(first.yes, 1);
    assert_int_equal(second.yes, 1);
    assert_int_equal(other.yes + other.no + late.yes + late.no, 0);
    refuse_all();
    assert_int_equal(other.no, 2);
    assert_int_equal(late.no, 1);
}

static void test_order(void **state)
{
    struct told told = {0};
    struct petition *first, *second;

    (void)state;
    assert_null(petition_line_take(&line));
    ask(ann, "1", &told);
    ask(ann, "2", &told);
    ask(ann, "3", &told);
    first = petition_line_take(&line);
    second = petition_line_take(&line);
    petition_line_add_first(&line, second);
    petition_line_add_first(&line, first);
    ask(ann, "1", &told); /* it waits again, so it can be shared again */
    assert_int_equal(line.count, 3);
    first = petition_line_take(&line);
    petition_line_add(&line, first);
    for (const char *topic = "231"; *topic; topic++) {
        struct petition *next = petition_line_take(&line);

        assert_int_equal(next->topic[0], *topic);
        petition_tell(next, NULL, NULL);
        petition_free(next);
    }
    assert_int_equal(told.no, 4);
    assert_null(petition_line_take(&line));
}

static void test_write(void **state)
{
    struct told told = {0};
    struct petition *batch[3];
    struct buf questions, names;

    (void)state;
    ask(bob, "a \"b\"", &told);
    ask(ann, "room", &told);
    ask(bob, "room", &told);
    for (size_t i = 0; i < 3; i++)
        batch[i] = petition_line_take(&line);
    buf_init(&questions, 65536);
    buf_init(&names, 65536);
    petition_write(batch, 3, sessions_stamp(&sessions), &questions, &names);
    check_text("a question each, with the place of its session", buf_str(&questions),
               "[{\"session\":0,\"topic\":\"a \\\"b\\\"\"},{\"session\":1,\"topic\":\"room\"},"
               "{\"session\":0,\"topic\":\"room\"}]");
    check_text("a session once", buf_str(&names),
               "[{\"role\":\"authenticated\",\"claims\":\"{\\\"sub\\\":\\\"bob\\\"}\"},"
               "{\"role\":\"authenticated\",\"claims\":\"{\\\"sub\\\":\\\"ann\\\"}\"}]");
    buf_fini(&questions);
    buf_fini(&names);
    for (size_t i = 0; i < 3; i++) {
        petition_tell(batch[i], NULL, NULL);
        petition_free(batch[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sharing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
