#include "fixture.h"
#include "realtime/hub.h"
#include "realtime/session.h"

#include <jansson.h>

static struct binding *binding(const char *schema, const char *table, const char *event,
                               const char *filter)
{
    json_t *object = json_pack("{s:s,s:s,s:s,s:s}", "schema", schema, "table", table, "event",
                               event, "filter", filter);
    struct binding *out;
    struct err err;

    if (binding_read(object, &out, &err) != OK)
        fail_msg("%s", err.message);
    json_decref(object);
    return out;
}

static const struct session anon = {
    .role = (char *)(uintptr_t) "anon", .claims = (char *)(uintptr_t) "{}", .claims_len = 2};

struct seen {
    const struct change *change;
    const struct types *types;
    struct binding *all[1000];
    int count;
};

static void remember(void *arg, struct binding *found)
{
    struct seen *seen = arg;

    for (int i = 0; i < seen->count; i++)
        if (seen->all[i] == found)
            fail_msg("a binding was found twice");
    seen->all[seen->count++] = found;
}

static void match_crowd(void *arg, struct crowd *crowd)
{
    struct seen *seen = arg;

    crowd_match(crowd, seen->change, seen->types, NULL, remember, seen);
}

static int matches(const struct hub *hub, const char *message)
{
    struct decoder *decoder = decoder_new_wal2json();
    struct types *types = fixture_types();
    struct change change = fixture_read(decoder, message);
    struct seen seen = {.change = &change, .types = types};

    hub_each_crowd(hub, change.schema, change.table, match_crowd, &seen);
    types_unref(types);
    decoder_free(decoder);
    return seen.count;
}

#define ROW(action, schema, table, columns)                                                        \
    "{\"action\":\"" action "\",\"schema\":\"" schema "\",\"table\":\"" table                      \
    "\",\"columns\":[" columns "],\"pk\":[{\"name\":\"id\",\"typeoid\":23}]}"
#define ID(value) "{\"name\":\"id\",\"typeoid\":23,\"value\":" value "}"
#define COL(name, oid, value) "{\"name\":\"" name "\",\"typeoid\":" oid ",\"value\":" value "}"

static void test_match(void **state)
{
    static const struct {
        const char *says, *schema, *table, *event, *filter, *message;
        int found;
    } rows[] = {
        {"its table", "public", "t", "*", "", ROW("I", "public", "t", ID("1")), 1},
        {"another table", "public", "u", "*", "", ROW("I", "public", "t", ID("1")), 0},
        {"another schema", "app", "t", "*", "", ROW("I", "public", "t", ID("1")), 0},
        {"all tables of its schema", "public", "*", "*", "", ROW("I", "public", "t", ID("1")), 1},
        {"all tables of another", "app", "*", "*", "", ROW("I", "public", "t", ID("1")), 0},
        {"its table in all schemas", "*", "t", "*", "", ROW("I", "public", "t", ID("1")), 1},
        {"everything", "*", "*", "*", "", ROW("I", "public", "t", ID("1")), 1},
        {"its event", "public", "t", "INSERT", "", ROW("I", "public", "t", ID("1")), 1},
        {"another event", "public", "t", "UPDATE", "", ROW("I", "public", "t", ID("1")), 0},
        {"its value", "public", "t", "*", "id=eq.1", ROW("I", "public", "t", ID("1")), 1},
        {"another value", "public", "t", "*", "id=eq.2", ROW("I", "public", "t", ID("1")), 0},
        {"a filter that is no equality", "public", "t", "*", "id=gt.1",
         ROW("I", "public", "t", ID("2")), 1},
        {"the same number in other words", "public", "t", "*", "n=eq.1e2",
         ROW("I", "public", "t", COL("n", "1700", "100.00")), 1},
        {"leading zeros", "public", "t", "*", "id=eq.007", ROW("I", "public", "t", ID("7")), 1},
        {"a text is not a number", "public", "t", "*", "v=eq.007",
         ROW("I", "public", "t", COL("v", "25", "\"7\"")), 0},
        {"a uuid in capitals", "public", "t", "*", "u=eq.AAAAAAAA-0000-0000-0000-000000000001",
         ROW("I", "public", "t", COL("u", "2950", "\"aaaaaaaa-0000-0000-0000-000000000001\"")), 1},
        {"a text in capitals is another", "public", "t", "*", "v=eq.A",
         ROW("I", "public", "t", COL("v", "25", "\"a\"")), 0},
        {"a boolean by another name", "public", "t", "*", "b=eq.1",
         ROW("I", "public", "t", COL("b", "16", "true")), 1},
        {"the same instant in another zone", "public", "t", "*", "at=eq.2026-01-01T02:00:00+02:00",
         ROW("I", "public", "t", COL("at", "1184", "\"2026-01-01 00:00:00+00\"")), 1},
        {"a text with an escape in it", "public", "t", "*", "v=eq.\"a\\\"b\"",
         ROW("I", "public", "t", COL("v", "25", "\"a\\\"b\"")), 1},
        {"a column that the row does not have", "public", "t", "*", "z=eq.1",
         ROW("I", "public", "t", ID("1")), 0},
        {"NULL", "public", "t", "*", "v=eq.a", ROW("I", "public", "t", COL("v", "25", "null")), 0},
        {"a type that is not known", "public", "t", "*", "v=eq.a",
         ROW("I", "public", "t", COL("v", "16999", "\"a\"")), 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct hub *hub = hub_new();
        struct binding *it = binding(rows[i].schema, rows[i].table, rows[i].event, rows[i].filter);
        int found;

        hub_add(hub, it, &anon);
        assert_int_equal(hub_count(hub), 1);
        CHECK(hub_follows(hub, STR("public"), STR("t")) ==
                  (strcmp(rows[i].schema, "app") != 0 && strcmp(rows[i].table, "u") != 0),
              rows[i].says);
        found = matches(hub, rows[i].message);
        if (found != rows[i].found)
            fail_msg("%s: found %d", rows[i].says, found);
        hub_remove(hub, it);
        assert_int_equal(hub_count(hub), 0);
        assert_int_equal(matches(hub, rows[i].message), 0);
        binding_free(it);
        hub_free(hub);
    }
}

/* Many come and go in an order of no meaning; afterwards each is found by its own value only. */
static void test_many(void **state)
{
    enum { MANY = 500 };
    struct hub *hub = hub_new();
    struct binding *all[MANY];
    char filter[32];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(filter, sizeof(filter), "id=eq.%d", i / 2);
        all[i] = binding("public", "t", "*", i % 5 == 0 ? "" : filter);
        hub_add(hub, all[i], &anon);
    }
    for (int i = 0; i < MANY; i += 3)
        hub_remove(hub, all[i]);
    /* 7 without 6, and the 66 of those without a filter that 3 does not divide; each once */
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("3"))), 67);
    for (int i = 0; i < MANY; i += 3)
        hub_add(hub, all[i], &anon);
    /* 3 of i 6 and 7, both filtered, and the 100 that have no filter */
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("3"))), 102);
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("1000"))), 100);
    for (int i = MANY - 1; i >= 0; i--) {
        hub_remove(hub, all[i]);
        binding_free(all[i]);
    }
    hub_free(hub);
}

/* Roles are apart, since what they may read is. */
static void test_roles(void **state)
{
    static const struct session other = {.role = (char *)(uintptr_t) "authenticated"};
    struct hub *hub = hub_new();
    struct binding *one = binding("public", "t", "*", ""), *two = binding("*", "*", "*", "");

    (void)state;
    hub_add(hub, one, &anon);
    hub_add(hub, two, &other);
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("1"))), 2);
    hub_remove(hub, one);
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("1"))), 1);
    assert_null(one->session);
    hub_add(hub, one, &other);
    assert_int_equal(matches(hub, ROW("I", "public", "t", ID("1"))), 2);
    hub_remove(hub, two);
    hub_remove(hub, one);
    assert_false(hub_follows(hub, STR("public"), STR("t")));
    binding_free(one);
    binding_free(two);
    hub_free(hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
