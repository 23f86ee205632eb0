#include "fixture.h"

#include <stdio.h>

#include "rules/table_cache.h"

static void test_names(void **state)
{
    static const struct {
        const char *schema, *table, *resource, *insert, *truncate;
    } rows[] = {
        {"public", "memories", "public.memories", "memories.insert", "memories.truncate"},
        {"app", "things", "app.things", "app.things.insert", "app.things.truncate"},
        {"Public", "T", "Public.T", "Public.T.insert", "Public.T.truncate"},
        {"public", "with.dot", "public.with.dot", "with.dot.insert", "with.dot.truncate"},
    };
    struct table_cache *cache = table_cache_new();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool made;
        struct table_rules *table =
            table_cache_get(cache, str_c(rows[i].schema), str_c(rows[i].table), &made);

        assert_true(made);
        check_text("resource", table->resource, rows[i].resource);
        check_text("insert", table->events[rule_operation(CHANGE_INSERT)], rows[i].insert);
        check_text("truncate", table->events[rule_operation(CHANGE_TRUNCATE)], rows[i].truncate);
        assert_ptr_equal(table_cache_get(cache, str_c(rows[i].schema), str_c(rows[i].table), &made),
                         table);
        assert_false(made);
    }
    table_cache_free(cache);
}

/* `a`.`b.c` and `a.b`.`c` look the same when they are joined; they are two tables. */
static void test_look_alikes(void **state)
{
    struct table_cache *cache = table_cache_new();
    bool made;
    struct table_rules *one = table_cache_get(cache, STR("a"), STR("b.c"), &made);
    struct table_rules *two = table_cache_get(cache, STR("a.b"), STR("c"), &made);

    (void)state;
    assert_true(made);
    assert_ptr_not_equal(one, two);
    table_cache_free(cache);
}

/* Names may be longer than any server has them: they are cut, not followed. */
static void test_long_names(void **state)
{
    struct table_cache *cache = table_cache_new();
    char name[5001];
    bool made;
    struct table_rules *table;

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    table = table_cache_get(cache, str_c(name), str_c(name), &made);
    assert_true(made);
    assert_true(table->resource.len < 2048);
    assert_true(table->events[0].len < 2048);
    table_cache_free(cache);
}

static struct table_rules *numbered(struct table_cache *cache, int i, bool *made)
{
    char name[32];

    snprintf(name, sizeof(name), "part_%d", i);
    return table_cache_get(cache, STR("public"), str_c(name), made);
}

/* Partitions come and go for ever: memory does not grow with them. */
static void test_growth(void **state)
{
    struct table_cache *cache = table_cache_new();
    bool made;

    (void)state;
    for (int i = 0; i < 16384; i++) {
        numbered(cache, i, &made);
        assert_true(made);
    }
    numbered(cache, 0, &made);
    assert_false(made);
    numbered(cache, 16384, &made); /* the one too many empties it */
    assert_true(made);
    numbered(cache, 16384, &made);
    assert_false(made);
    numbered(cache, 0, &made);
    assert_true(made);
    table_cache_clear(cache);
    numbered(cache, 0, &made);
    assert_true(made);
    table_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_look_alikes),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
