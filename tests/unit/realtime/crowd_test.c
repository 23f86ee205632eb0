#include "access.h"
#include "realtime/crowd.h"
#include "realtime/session.h"

#include <jansson.h>

enum { MANY = 200 };

/* A crowd of sessions, numbered; `sub` of number i is i, the rest are special. */
struct crowd_of {
    struct crowd *crowd;
    struct session sessions[MANY];
    char claims[MANY][80];
    struct binding *bindings[MANY];
    size_t count;
};

static struct binding *new_binding(const char *filter)
{
    json_t *object = json_pack("{s:s,s:s}", "table", "t", "filter", filter);
    struct binding *out;
    struct err err;

    if (binding_read(object, &out, &err) != OK)
        fail_msg("%s", err.message);
    json_decref(object);
    return out;
}

static void add(struct crowd_of *c, const char *claims, const char *filter)
{
    struct session *session = &c->sessions[c->count];

    snprintf(c->claims[c->count], sizeof(c->claims[0]), "%s", claims);
    session->claims = c->claims[c->count];
    session->claims_len = strlen(claims);
    c->bindings[c->count] = new_binding(filter);
    c->bindings[c->count]->session = session;
    crowd_add(c->crowd, c->bindings[c->count++]);
}

static void add_users(struct crowd_of *c, size_t users)
{
    char claims[80];

    for (size_t i = 0; i < users; i++) {
        snprintf(claims, sizeof(claims), "{\"sub\":\"00000000-0000-4000-8000-%012zu\"}", i);
        add(c, claims, "");
    }
}

static void fini(struct crowd_of *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->bindings[i])
            continue;
        crowd_remove(c->crowd, c->bindings[i]);
        binding_free(c->bindings[i]);
    }
    assert_int_equal(crowd_count(c->crowd), 0);
    crowd_free(c->crowd);
}

struct seen {
    struct crowd_of *crowd;
    bool found[MANY];
    size_t count;
};

static void remember(void *arg, struct binding *binding)
{
    struct seen *seen = arg;
    size_t i = 0;

    while (seen->crowd->bindings[i] != binding)
        i++;
    if (seen->found[i])
        fail_msg("binding %zu was found twice", i);
    seen->found[i] = true;
    seen->count++;
}

static struct seen match(struct crowd_of *c, struct table_access *access, const char *u,
                         const char *is_public)
{
    struct column columns[] = {
        {STR("id"), 23, VALUE_LITERAL, STR("1")},
        {STR("u"), 2950, u ? VALUE_ESCAPED : VALUE_NULL, str_c(u)},
        {STR("public"), 16, VALUE_LITERAL, str_c(is_public)},
    };
    const struct change change = {.kind = CHANGE_INSERT, .record = {columns, 3}};
    struct types *types = types_new();
    struct seen seen = {.crowd = c};
    struct policy_row row;

    types_seal(types);
    policy_row_init(&row, access->policy, change.record, (struct columns){0});
    crowd_match(c->crowd, &change, types, &row, remember, &seen);
    policy_row_fini(&row);
    types_unref(types);
    return seen;
}

#define USER_7 "00000000-0000-4000-8000-000000000007"

static void test_readers(void **state)
{
    struct table_access *own = judged_access(N_BOOL("or", N_OWN " " N_PUBLIC));
    struct crowd_of c = {.crowd = crowd_new(STR("authenticated"), true)};
    struct seen seen;

    (void)state;
    add_users(&c, 100);
    add(&c, "{\"sub\":\"auth0|1\"}", ""); /* 100: has to be looked at always */
    add(&c, "{}", "");                    /* 101: owns nothing */
    add(&c, "{\"sub\":\"" USER_7 "\"}", "");
    seen = match(&c, own, USER_7, "false");
    assert_int_equal(seen.count, 103); /* nothing is known */
    crowd_follow(c.crowd, own);
    add(&c, "{\"sub\":\"" USER_7 "\"}", "id=eq.1"); /* 103 */
    add(&c, "{\"sub\":\"" USER_7 "\"}", "id=eq.2");
    seen = match(&c, own, USER_7, "false");
    assert_int_equal(seen.count, 4);
    assert_true(seen.found[7] && seen.found[100] && seen.found[102] && seen.found[103]);
    seen = match(&c, own, NULL, "false");
    assert_int_equal(seen.count, 1);
    assert_true(seen.found[100]);
    seen = match(&c, own, USER_7, "true"); /* everybody's */
    assert_int_equal(seen.count, 104);
    crowd_remove(c.crowd, c.bindings[7]);
    binding_free(c.bindings[7]);
    c.bindings[7] = NULL;
    seen = match(&c, own, USER_7, "false");
    assert_int_equal(seen.count, 3);
    crowd_follow(c.crowd, NULL);
    seen = match(&c, own, USER_7, "false");
    assert_int_equal(seen.count, 103);
    fini(&c);
    access_unref(own);
}

/* Other policies, other files. */
static void test_other_policies(void **state)
{
    struct table_access *own = judged_access(N_OWN), *all = judged_access(N_TRUE);
    struct crowd_of c = {.crowd = crowd_new(STR("authenticated"), true)};

    (void)state;
    add_users(&c, 50);
    for (int i = 0; i < 3; i++) {
        crowd_follow(c.crowd, own);
        assert_int_equal(match(&c, own, USER_7, "true").count, 1);
        crowd_follow(c.crowd, all);
        assert_int_equal(match(&c, all, USER_7, "true").count, 50);
    }
    fini(&c);
    access_unref(own);
    access_unref(all);
}

/* Found by two keys, told of once. */
static void test_two_keys(void **state)
{
    struct table_access *both = judged_access(N_BOOL("or", N_OWN " " N_OWN));
    struct crowd_of c = {.crowd = crowd_new(STR("authenticated"), true)};

    (void)state;
    crowd_follow(c.crowd, both);
    add_users(&c, 20);
    add(&c, "{\"sub\":\"auth0|1\"}", "");
    assert_int_equal(match(&c, both, USER_7, "false").count, 2);
    fini(&c);
    access_unref(both);
}

/* A filter may be the better index: the fewer candidates count. */
static void test_filter_first(void **state)
{
    struct table_access *own = judged_access(N_OWN);
    struct crowd_of c = {.crowd = crowd_new(STR("authenticated"), true)};
    char filter[32];
    struct seen seen;

    (void)state;
    crowd_follow(c.crowd, own);
    for (int i = 0; i < 50; i++) {
        snprintf(filter, sizeof(filter), "id=eq.%d", i);
        add(&c, "{\"sub\":\"" USER_7 "\"}", filter);
    }
    seen = match(&c, own, USER_7, "false");
    assert_int_equal(seen.count, 1);
    assert_true(seen.found[1]);
    fini(&c);
    access_unref(own);
}

/* A crowd of a wildcard sees rows of many tables. */
static void test_wildcard(void **state)
{
    struct table_access *own = judged_access(N_OWN);
    struct crowd_of c = {.crowd = crowd_new(STR("authenticated"), false)};

    (void)state;
    add_users(&c, 10);
    crowd_follow(c.crowd, own);
    assert_null(c.bindings[0]->bound);
    assert_int_equal(match(&c, own, USER_7, "false").count, 10);
    fini(&c);
    access_unref(own);
}

static void test_value_key(void **state)
{
    static const struct {
        const char *says, *a, *b;
        bool same;
    } rows[] = {
        {"a number and itself with zeros", "1", "01.00", true},
        {"exponents", "1e3", "1000", true},
        {"small numbers", "0.001", "1e-3", true},
        {"zeros", "0", "-0.0", true},
        {"signs matter", "1", "-1", false},
        {"digits matter", "12345678901234567890", "12345678901234567891", false},
        {"the point matters", "12", "1.2", false},
        {"case does not", "ABC", "abc", true},
        {"blanks around do not", " a ", "a", true},
        {"texts", "a", "b", false},
        {"nothing", "", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK((crowd_value_key(str_c(rows[i].a)) == crowd_value_key(str_c(rows[i].b))) ==
                  rows[i].same,
              rows[i].says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),  cmocka_unit_test(test_other_policies),
        cmocka_unit_test(test_two_keys), cmocka_unit_test(test_filter_first),
        cmocka_unit_test(test_wildcard), cmocka_unit_test(test_value_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
