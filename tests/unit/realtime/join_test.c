#include "fixture.h"
#include "realtime/join.h"

#include <jansson.h>

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!value)
        fail_msg("the test's JSON is wrong: %s", text);
    return value;
}

#define I (1u << CHANGE_INSERT)
#define U (1u << CHANGE_UPDATE)
#define D (1u << CHANGE_DELETE)

static void test_binding(void **state)
{
    static const struct {
        const char *says, *text, *schema, *table;
        unsigned kinds;
        bool filter;
        size_t selected;
    } rows[] = {
        {"everything given",
         "{\"event\":\"INSERT\",\"schema\":\"s\",\"table\":\"t\",\"filter\":\"id=eq.1\"}", "s", "t",
         I, true, 0},
        {"nothing given", "{}", "public", "*", I | U | D, false, 0},
        {"nulls and empty texts are nothing",
         "{\"event\":\"*\",\"schema\":null,\"table\":\"\",\"filter\":\"\",\"select\":null}",
         "public", "*", I | U | D, false, 0},
        {"the event's case does not matter", "{\"event\":\"dElEtE\"}", "public", "*", D, false, 0},
        {"an unknown event is all of them", "{\"event\":\"UPSERT\"}", "public", "*", I | U | D,
         false, 0},
        {"all schemas", "{\"schema\":\"*\"}", "*", "*", I | U | D, false, 0},
        {"columns, each once", "{\"table\":\"t\",\"select\":[\"b\",\"a\",\"b\"]}", "public", "t",
         I | U | D, false, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *object = json(rows[i].text);
        struct binding *binding;
        struct err err = {0};

        if (binding_read(object, &binding, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        check_text(rows[i].says, str_c(binding->schema), rows[i].schema);
        check_text(rows[i].says, str_c(binding->table), rows[i].table);
        assert_int_equal(binding->kinds, rows[i].kinds);
        assert_int_equal(binding->filter != NULL, rows[i].filter);
        assert_int_equal(binding->select.count, rows[i].selected);
        assert_true(binding->id >= 1 && binding->id < UINT64_C(1) << 53);
        binding_free(binding);
        json_decref(object);
    }
}

static void test_bad_binding(void **state)
{
    static const struct {
        const char *says, *text;
    } rows[] = {
        {"no object", "[]"},
        {"a table that is no text", "{\"table\":1}"},
        {"a filter that is no text", "{\"table\":\"t\",\"filter\":{}}"},
        {"a filter that is none", "{\"table\":\"t\",\"filter\":\"nonsense\"}"},
        {"an operator that there is not", "{\"table\":\"t\",\"filter\":\"id=about.1\"}"},
        {"select with all tables", "{\"select\":[\"a\"]}"},
        {"select with all schemas", "{\"schema\":\"*\",\"table\":\"t\",\"select\":[\"a\"]}"},
        {"select that is no list", "{\"table\":\"t\",\"select\":\"a\"}"},
        {"select of numbers", "{\"table\":\"t\",\"select\":[1]}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *object = json(rows[i].text);
        struct binding *binding;
        struct err err = {0};

        if (binding_read(object, &binding, &err) == OK)
            fail_msg("%s: was taken", rows[i].says);
        assert_null(binding);
        assert_true(err.message[0] != '\0');
        json_decref(object);
    }
}

static void test_ids(void **state)
{
    static const struct {
        const char *says, *a, *b;
        bool same;
    } rows[] = {
        {"the same words", "{\"event\":\"INSERT\",\"table\":\"t\"}",
         "{\"table\":\"t\",\"event\":\"INSERT\"}", true},
        {"what is left out is the default", "{\"table\":\"t\"}",
         "{\"event\":\"*\",\"schema\":\"public\",\"table\":\"t\",\"filter\":\"\"}", true},
        {"another event", "{\"event\":\"INSERT\"}", "{\"event\":\"UPDATE\"}", false},
        {"another table", "{\"table\":\"t\"}", "{\"table\":\"u\"}", false},
        {"another filter", "{\"filter\":\"id=eq.1\"}", "{\"filter\":\"id=eq.2\"}", false},
        {"another selection", "{\"table\":\"t\",\"select\":[\"a\"]}",
         "{\"table\":\"t\",\"select\":[\"b\"]}", false},
        {"names do not run together", "{\"schema\":\"ab\",\"table\":\"c\"}",
         "{\"schema\":\"a\",\"table\":\"bc\"}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *a = json(rows[i].a), *b = json(rows[i].b);

        if ((binding_id(a) == binding_id(b)) != rows[i].same)
            fail_msg("%s", rows[i].says);
        json_decref(a);
        json_decref(b);
    }
}

static void test_echo(void **state)
{
    json_t *payload = json("{\"config\":{\"postgres_changes\":["
                           "{\"event\":\"*\",\"schema\":\"public\",\"table\":\"t\",\"x\":1},"
                           "{\"table\":\"u\",\"event\":\"insert\",\"select\":[\"id\"]},"
                           "{\"filter\":\"broken\",\"table\":\"v\"}]}}");
    struct join join;
    struct err err;
    char want[512];

    (void)state;
    assert_int_equal(join_read(payload, STR("realtime:room"), &join, &err), OK);
    const json_t *list = json_object_get(json_object_get(payload, "config"), "postgres_changes");
    snprintf(want, sizeof(want),
             "[{\"event\":\"*\",\"schema\":\"public\",\"table\":\"t\",\"id\":%llu},"
             "{\"event\":\"insert\",\"table\":\"u\",\"select\":[\"id\"],\"id\":%llu},"
             "{\"table\":\"v\",\"filter\":\"broken\",\"id\":%llu}]",
             (unsigned long long)binding_id(json_array_get(list, 0)),
             (unsigned long long)binding_id(json_array_get(list, 1)),
             (unsigned long long)binding_id(json_array_get(list, 2)));
    check_text("the client's own words in its own order", buf_str(&join.echo), want);
    assert_int_equal(join.binding_count, 2);
    assert_true(join.has_problem);
    join_fini(&join);
    json_decref(payload);
}

static void test_join(void **state)
{
    static const struct {
        const char *says, *text;
        bool ok;
        const char *token;
        bool is_private, presence;
    } rows[] = {
        {"without a config", "{}", true, "", false, true},
        {"a token", "{\"access_token\":\"a.b.c\"}", true, "a.b.c", false, true},
        {"the token's other name", "{\"user_token\":\"a.b.c\"}", true, "a.b.c", false, true},
        {"a key is no token", "{\"access_token\":\"sb_publishable_x\"}", true, "", false, true},
        {"null is no token", "{\"access_token\":null}", true, "", false, true},
        {"booleans may be texts",
         "{\"config\":{\"private\":\"true\",\"presence\":{\"enabled\":\"false\"}}}", true, "", true,
         false},
        {"unknown keys are tolerated", "{\"config\":{\"x\":{}},\"y\":1}", true, "", false, true},
        {"no bindings", "{\"config\":{\"postgres_changes\":null}}", true, "", false, true},
        {"a payload that is no object", "[]", false, 0, false, false},
        {"bindings that are no list", "{\"config\":{\"postgres_changes\":{}}}", false, 0, false,
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *payload = json(rows[i].text);
        struct join join;
        struct err err = {0};
        bool ok = join_read(payload, STR("realtime:room"), &join, &err) == OK;

        if (ok != rows[i].ok)
            fail_msg("%s: %s", rows[i].says, err.message);
        if (ok) {
            check_text(rows[i].says, join.access_token, rows[i].token);
            assert_int_equal(join.is_private, rows[i].is_private);
            assert_int_equal(join.presence, rows[i].presence);
            assert_int_equal(join.binding_count, 0);
            join_fini(&join);
        }
        json_decref(payload);
    }
}

static void test_options(void **state)
{
    static const struct {
        const char *says, *text;
        bool self, ack;
        struct replay replay;
    } rows[] = {
        {"nothing said", "{\"config\":{}}", false, false, {0}},
        {"said", "{\"config\":{\"broadcast\":{\"self\":true,\"ack\":true}}}", true, true, {0}},
        {"as texts",
         "{\"config\":{\"broadcast\":{\"self\":\"True\",\"ack\":\"false\"}}}",
         true,
         false,
         {0}},
        {"as something else",
         "{\"config\":{\"broadcast\":{\"self\":1,\"ack\":{}}}}",
         false,
         false,
         {0}},
        {"a broadcast that is none", "{\"config\":{\"broadcast\":true}}", false, false, {0}},
        {"a replay",
         "{\"config\":{\"broadcast\":{\"replay\":{\"since\":5,\"limit\":2}}}}",
         false,
         false,
         {true, true, 5, 2}},
        {"without a limit",
         "{\"config\":{\"broadcast\":{\"replay\":{\"since\":5}}}}",
         false,
         false,
         {true, true, 5, REPLAY_LIMIT}},
        {"without a time",
         "{\"config\":{\"broadcast\":{\"replay\":{}}}}",
         false,
         false,
         {true, false, 0, REPLAY_LIMIT}},
        {"with a limit that is none",
         "{\"config\":{\"broadcast\":{\"replay\":{\"since\":1,\"limit\":\"2\"}}}}",
         false,
         false,
         {true, false, 1, REPLAY_LIMIT}},
        {"that is null",
         "{\"config\":{\"broadcast\":{\"replay\":null}}}",
         false,
         false,
         {false, false, 0, REPLAY_LIMIT}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *payload = json(rows[i].text);
        struct join join;
        struct err err = {0};

        if (join_read(payload, STR("realtime:room"), &join, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        CHECK(join.self_broadcast == rows[i].self, rows[i].says);
        CHECK(join.ack_broadcast == rows[i].ack, rows[i].says);
        CHECK(join.replay.wanted == rows[i].replay.wanted, rows[i].says);
        CHECK(join.replay.valid == rows[i].replay.valid, rows[i].says);
        if (join.replay.valid) {
            CHECK(join.replay.since_ms == rows[i].replay.since_ms, rows[i].says);
            CHECK(join.replay.limit == rows[i].replay.limit, rows[i].says);
        }
        join_fini(&join);
        json_decref(payload);
    }
}

static void test_legacy(void **state)
{
    static const struct {
        const char *says, *topic, *payload;
        const char *schema, *table; /* NULL: nothing is bound */
        bool filter, legacy;
    } rows[] = {
        {"schema, table and filter", "realtime:public:users:id=eq.1", "{}", "public", "users", true,
         true},
        {"a filter with a colon", "realtime:public:users:at=gt.12:30", "{}", "public", "users",
         true, true},
        {"schema and table", "realtime:app:users", "{\"user_token\":\"x\"}", "app", "users", false,
         true},
        {"a schema that is followed by nothing", "realtime:app:", "{}", NULL, NULL, false, true},
        {"everything", "realtime:*", "{}", "*", "*", false, true},
        {"the usual schema", "realtime:public", "{}", "public", "*", false, true},
        {"any other word is a room", "realtime:lobby", "{}", NULL, NULL, false, true},
        {"with a config, the topic is a name", "realtime:public:users", "{\"config\":{}}", NULL,
         NULL, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *payload = json(rows[i].payload);
        struct join join;
        struct err err = {0};

        if (join_read(payload, str_c(rows[i].topic), &join, &err) != OK)
            fail_msg("%s: %s", rows[i].says, err.message);
        CHECK(join.legacy == rows[i].legacy, rows[i].says);
        CHECK(join.binding_count == (rows[i].schema != NULL), rows[i].says);
        CHECK(!join.has_problem, join.problem.message);
        if (rows[i].schema && join.binding_count > 0) {
            check_text(rows[i].says, str_c(join.bindings[0]->schema), rows[i].schema);
            check_text(rows[i].says, str_c(join.bindings[0]->table), rows[i].table);
            CHECK((join.bindings[0]->filter != NULL) == rows[i].filter, rows[i].says);
        }
        join_fini(&join);
        json_decref(payload);
    }
}

static void test_too_many(void **state)
{
    json_t *list = json_array(), *payload;
    struct join join;
    struct err err;

    (void)state;
    for (int i = 0; i <= JOIN_MAX_BINDINGS; i++)
        json_array_append_new(list, json_object());
    payload = json_pack("{s:{s:o}}", "config", "postgres_changes", list);
    assert_int_equal(join_read(payload, STR("realtime:room"), &join, &err), FAILED);
    json_array_remove(list, 0);
    assert_int_equal(join_read(payload, STR("realtime:room"), &join, &err), OK);
    join_fini(&join);
    json_decref(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binding), cmocka_unit_test(test_bad_binding),
        cmocka_unit_test(test_ids),     cmocka_unit_test(test_echo),
        cmocka_unit_test(test_join),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_legacy),  cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
