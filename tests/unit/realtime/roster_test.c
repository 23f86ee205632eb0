#include "fixture.h"
#include "realtime/roster.h"

#include <jansson.h>

#define MAX_TEXT ((size_t)1 << 24)

static void expect_state(const char *says, const struct roster *roster, const char *want)
{
    struct buf out;

    buf_init(&out, MAX_TEXT);
    roster_write_state(roster, &out);
    check_text(says, buf_str(&out), want);
    buf_fini(&out);
}

/* NULL: there is nothing to tell. */
static void expect_diff(const char *says, struct roster *roster, const char *want)
{
    struct buf out;

    buf_init(&out, MAX_TEXT);
    CHECK(roster_write_diff(roster, &out) == (want != NULL), says);
    check_text(says, buf_str(&out), want ? want : "");
    CHECK(!roster_has_changed(roster), says);
    buf_fini(&out);
}

#define REF(n) "\"phx_ref\":\"000000000000000" #n "\""
#define PREV(n) ",\"phx_ref_prev\":\"000000000000000" #n "\""

static void test_one(void **state)
{
    struct roster *roster = roster_new();
    struct presence *a;

    (void)state;
    expect_state("an empty room", roster, "{}");
    expect_diff("of which there is nothing to tell", roster, NULL);
    a = roster_track(roster, NULL, STR("k\"1"), STR("{ \"n\": 1 }"), 1);
    assert_true(presence_is(a, STR("{ \"n\": 1 }")));
    assert_false(presence_is(a, STR("{ \"n\": 2 }")));
    assert_false(presence_is(a, STR("{ \"n\": 1}")));
    assert_int_equal(roster_count(roster), 1);
    expect_state("the room has not been told", roster, "{}");
    expect_diff("it is now", roster,
                "{\"joins\":{\"k\\\"1\":{\"metas\":[{ \"n\": 1 ," REF(1) "}]}},\"leaves\":{}}");
    expect_state("and so is whoever joins", roster,
                 "{\"k\\\"1\":{\"metas\":[{ \"n\": 1 ," REF(1) "}]}}");
    roster_track(roster, a, STR("ignored"), STR("{}"), 2);
    expect_state("an update is not told yet", roster,
                 "{\"k\\\"1\":{\"metas\":[{ \"n\": 1 ," REF(1) "}]}}");
    expect_diff("an update", roster,
                "{\"joins\":{\"k\\\"1\":{\"metas\":[{" REF(2)
                    PREV(1) "}]}},\"leaves\":{\"k\\\"1\":{\"metas\":[{ \"n\": 1 ," REF(1) "}]}}}");
    roster_untrack(roster, a);
    assert_int_equal(roster_count(roster), 0);
    expect_diff("it goes", roster,
                "{\"joins\":{},\"leaves\":{\"k\\\"1\":{\"metas\":[{" REF(2) PREV(1) "}]}}}");
    expect_state("and nothing is left", roster, "{}");
    assert_int_equal(roster_bytes(roster), 0);
    roster_free(roster);
}

/* What comes and goes between two diffs is told as a whole. */
static void test_together(void **state)
{
    struct roster *roster = roster_new();
    struct presence *a, *b, *c;

    (void)state;
    a = roster_track(roster, NULL, STR("k"), STR("{}"), 1);
    roster_untrack(roster, a);
    assert_true(roster_has_changed(roster));
    expect_diff("came and went", roster, NULL);
    assert_int_equal(roster_bytes(roster), 0);

    a = roster_track(roster, NULL, STR("k"), STR("{}"), 1);
    roster_track(roster, a, STR("k"), STR("{\"n\":2}"), 2);
    b = roster_track(roster, NULL, STR("k"), STR("{}"), 3);
    c = roster_track(roster, NULL, STR("l"), STR("{}"), 4);
    expect_diff("only the last version, one entry a key", roster,
                "{\"joins\":{\"k\":{\"metas\":[{\"n\":2," REF(2) "},{" REF(
                    3) "}]},\"l\":{\"metas\":[{" REF(4) "}]}},\"leaves\":{}}");
    roster_track(roster, a, STR("k"), STR("{}"), 5);
    roster_track(roster, a, STR("k"), STR("{\"n\":6}"), 6);
    expect_diff("the version before it is the one that was told", roster,
                "{\"joins\":{\"k\":{\"metas\":[{\"n\":6," REF(6)
                    PREV(2) "}]}},\"leaves\":{\"k\":{\"metas\":[{\"n\":2," REF(2) "}]}}}");
    expect_state("an updated one goes behind the others of its key", roster,
                 "{\"k\":{\"metas\":[{" REF(3) "},{\"n\":6," REF(6)
                     PREV(2) "}]},\"l\":{\"metas\":[{" REF(4) "}]}}");
    roster_track(roster, b, STR("k"), STR("{\"n\":7}"), 7);
    roster_untrack(roster, b);
    roster_untrack(roster, c);
    expect_diff("updated and gone", roster,
                "{\"joins\":{},\"leaves\":{\"k\":{\"metas\":[{" REF(
                    3) "}]},\"l\":{\"metas\":[{" REF(4) "}]}}}");
    roster_free(roster);
}

static void test_metas(void **state)
{
    static const struct {
        const char *says, *meta, *told;
    } rows[] = {
        {"an empty object", "{}", "{" REF(1) "}"},
        {"with white space", "{ }", "{ " REF(1) "}"},
        {"nested", "{\"a\":{\"b\":[]}}", "{\"a\":{\"b\":[]}," REF(1) "}"},
        {"a phx_ref of its own does not count: of two the last does", "{\"phx_ref\":\"x\"}",
         "{\"phx_ref\":\"x\"," REF(1) "}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct roster *roster = roster_new();
        struct buf want, out;

        roster_track(roster, NULL, STR("k"), str_c(rows[i].meta), 1);
        buf_init(&out, MAX_TEXT);
        buf_init(&want, MAX_TEXT);
        buf_addf(&want, "{\"joins\":{\"k\":{\"metas\":[%s]}},\"leaves\":{}}", rows[i].told);
        roster_write_diff(roster, &out);
        check_text(rows[i].says, buf_str(&out), want.data);
        buf_fini(&out);
        buf_fini(&want);
        roster_free(roster);
    }
}

/* ---- a client's view, by the rules of phoenix's presence.js ---- */

static bool has_ref(const json_t *metas, const char *ref)
{
    for (size_t i = 0; i < json_array_size(metas); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(metas, i), "phx_ref")), ref) ==
            0)
            return true;
    return false;
}

/* Those of `metas` that are not in `without`. */
static json_t *minus(const json_t *metas, const json_t *without)
{
    json_t *left = json_array();

    for (size_t i = 0; i < json_array_size(metas); i++) {
        json_t *meta = json_array_get(metas, i);

        if (!has_ref(without, json_string_value(json_object_get(meta, "phx_ref"))))
            json_array_append(left, meta);
    }
    return left;
}

static void sync_diff(json_t *view, const json_t *diff)
{
    const char *key;
    json_t *entry;

    json_object_foreach(json_object_get(diff, "joins"), key, entry)
    {
        json_t *joined = json_object_get(entry, "metas");
        json_t *metas = minus(json_object_get(json_object_get(view, key), "metas"), joined);

        json_array_extend(metas, joined);
        json_object_set_new(view, key, json_pack("{s:o}", "metas", metas));
    }
    json_object_foreach(json_object_get(diff, "leaves"), key, entry)
    {
        json_t *metas = minus(json_object_get(json_object_get(view, key), "metas"),
                              json_object_get(entry, "metas"));

        if (json_array_size(metas) > 0)
            json_object_set_new(view, key, json_pack("{s:o}", "metas", metas));
        else {
            json_object_del(view, key);
            json_decref(metas);
        }
    }
}

static json_t *read_text(const struct buf *text)
{
    json_t *value = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, NULL);

    if (!value)
        fail_msg("not JSON: %s", text->data);
    return value;
}

static json_t *state_of(const struct roster *roster)
{
    struct buf text;
    json_t *value;

    buf_init(&text, MAX_TEXT);
    roster_write_state(roster, &text);
    value = read_text(&text);
    buf_fini(&text);
    return value;
}

#define VIEWS 20
#define TRACKERS 30

/* Whenever a client joined, its view and that of somebody who joins now are one, also in the order
 * of a key's metas; and all of them have what is tracked. */
static void test_views_agree(void **state)
{
    struct roster *roster = roster_new();
    struct presence *tracked[TRACKERS] = {NULL};
    json_t *views[VIEWS] = {NULL};
    size_t view_count = 0, told = 0;
    unsigned seed = 7;

    (void)state;
    for (uint64_t step = 1; step <= 4000; step++) {
        size_t i = (seed = seed * 1103515245 + 12345) / 65536 % TRACKERS;
        unsigned what = (seed = seed * 1103515245 + 12345) / 65536 % 8;
        char key[8], meta[32];

        snprintf(key, sizeof(key), "k%zu", i % 7);
        snprintf(meta, sizeof(meta), "{\"n\":%d}", (int)step);
        if (what < 5) {
            tracked[i] = roster_track(roster, tracked[i], str_c(key), str_c(meta), step);
        } else if (what < 7 && tracked[i]) {
            roster_untrack(roster, tracked[i]);
            tracked[i] = NULL;
        } else if (view_count < VIEWS && step % 13 == 0) {
            views[view_count++] = state_of(roster); /* also while something is untold */
        }
        if (step % 3 == 0 || step == 4000) {
            struct buf text;

            buf_init(&text, MAX_TEXT);
            if (roster_write_diff(roster, &text)) {
                json_t *diff = read_text(&text), *now = state_of(roster);

                for (size_t v = 0; v < view_count; v++) {
                    sync_diff(views[v], diff);
                    assert_true(json_equal(views[v], now));
                }
                told++;
                json_decref(now);
                json_decref(diff);
            }
            buf_fini(&text);
        }
    }
    assert_int_equal(view_count, VIEWS);
    assert_true(told > 1000);
    for (size_t v = 0; v < view_count; v++)
        json_decref(views[v]);
    for (size_t i = 0; i < TRACKERS; i++)
        if (tracked[i])
            roster_untrack(roster, tracked[i]);
    struct buf text;
    buf_init(&text, MAX_TEXT);
    roster_write_diff(roster, &text);
    buf_fini(&text);
    assert_int_equal(roster_bytes(roster), 0);
    roster_free(roster);
}

/* A diff costs what has changed: in a room of 10,000 it is as short as in an empty one. */
static void test_cost(void **state)
{
    struct roster *roster = roster_new();
    struct presence *last = NULL;
    struct buf text;

    (void)state;
    buf_init(&text, MAX_TEXT);
    for (uint64_t i = 1; i <= 10000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key %d", (int)i);
        last = roster_track(roster, NULL, str_c(key), STR("{}"), i);
    }
    roster_write_diff(roster, &text);
    assert_true(text.len > 10000 * 40);
    for (uint64_t i = 1; i <= 10000; i++) {
        buf_clear(&text);
        roster_track(roster, last, STR(""), STR("{}"), 10000 + i);
        assert_true(roster_write_diff(roster, &text));
        assert_true(text.len < 250);
    }
    buf_fini(&text);
    roster_free(roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),   cmocka_unit_test(test_together),
        cmocka_unit_test(test_metas), cmocka_unit_test(test_views_agree),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
