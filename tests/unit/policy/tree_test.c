#include "nodes.h"
#include "policy/tree.h"
#include "unit.h"

static const struct tree *parse(struct arena *arena, const char *text)
{
    return tree_parse(arena, str_c(text));
}

static void test_texts(void **state)
{
    static const struct {
        const char *says, *text;
        bool good;
    } rows[] = {
        {"a node without fields", "{NODE}", true},
        {"fields of all kinds", "{NODE :a 1 :b <> :c (1 2) :d {OTHER :x y} :e 4 [ 1 -2 ]}", true},
        {"a list of nodes", "({A} {B})", true},
        {"sets and lists of numbers", "{NODE :a (b 1 2) :b (o 5) :c (i -1)}", true},
        {"a name with blanks, brackets and a backslash", "{NODE :a x\\ y\\(\\)\\{\\}\\\\ :b 1}",
         true},
        {"an empty name", "{NODE :a \"\" :b 1}", true},
        {"a value that looks like a label", "{NODE :a :b :c 1}", true},
        {"a constant that is NULL", N_NULL(25), true},
        {"a column", N_COLUMN(2, 2950), true},
        {"a subselect", N_SELECT(N_UID), true},
        {"nothing", "", false},
        {"blanks", "  ", false},
        {"a node that does not end", "{NODE :a 1", false},
        {"a list that does not end", "(1 2", false},
        {"bytes that do not end", "{NODE :a 4 [ 1 2", false},
        {"bytes that end with the node", "{NODE :a 4 [ 1 2}", false},
        {"a node without a name", "{}", false},
        {"a field without a label", "{NODE a 1}", false},
        {"a label without a value", "{NODE :a}", false},
        {"two values", "{NODE :a 1 2}", false},
        {"something behind the end", "{NODE} x", false},
        {"a bracket too many", "{NODE}}", false},
        {"the wrong bracket", "(1}", false},
        {"a backslash at the end", "{NODE :a x\\", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;

        arena_init(&arena);
        CHECK((parse(&arena, rows[i].text) != NULL) == rows[i].good, rows[i].says);
        arena_fini(&arena);
    }
}

static void test_fields(void **state)
{
    const struct tree *node, *list;
    struct arena arena;
    int64_t number;

    (void)state;
    arena_init(&arena);
    node = parse(&arena, "{NODE :a -5 :b <> :c (1 2) :d 16 [ 0 -1 ] :e ({X}) :f x\\ y}");
    assert_true(tree_is(node, "NODE"));
    assert_false(tree_is(node, "NOD"));
    assert_true(tree_number(tree_field(node, "a"), &number));
    assert_int_equal(number, -5);
    assert_false(tree_number(tree_field(node, "f"), &number));
    assert_false(tree_number(tree_field(node, "none"), &number));
    assert_int_equal(tree_field(node, "b")->kind, TREE_NOTHING);
    list = tree_field(node, "c");
    assert_int_equal(tree_count(list), 2);
    assert_null(tree_only(list));
    assert_true(tree_word_is(list->first->next, "2"));
    assert_int_equal(tree_field(node, "d")->kind, TREE_BYTES);
    CHECK_STR(tree_field(node, "d")->text, STR("0 -1"), "bytes");
    assert_true(tree_is(tree_only(tree_field(node, "e")), "X"));
    CHECK_STR(tree_field(node, "f")->text, STR("x\\ y"), "a word stays as it is");
    assert_null(tree_field(NULL, "a"));
    assert_int_equal(tree_count(NULL), 0);
    arena_fini(&arena);
}

static void test_defaults(void **state)
{
    static const char meaningless[] = "{N :a false :b 0 :c -1 :d <> :e (b) :f ()}";
    static const char meaningful[] = "{N :a true :b 1 :c (b 1) :d (0) :e {X} :f 1 [ 0 ]}";
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (const struct tree *f = parse(&arena, meaningless)->first; f; f = f->next)
        CHECK(tree_is_default(f), f->label.data);
    for (const struct tree *f = parse(&arena, meaningful)->first; f; f = f->next)
        CHECK(!tree_is_default(f), f->label.data);
    arena_fini(&arena);
}

/* In a block that ends where the text ends. */
static void test_cut_anywhere(void **state)
{
    static const char text[] = "{BOOLEXPR :boolop and :args (" N_COMPARE(
        2972, N_COLUMN(2, 2950), N_SELECT(N_UID)) " " N_TEXT_A ") :location 1}";

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = malloc(len ? len : 1);
        struct arena arena;

        memcpy(copy, text, len);
        arena_init(&arena);
        assert_null(tree_parse(&arena, str_from(copy, len)));
        arena_fini(&arena);
        free(copy);
    }
}

static void test_bounds(void **state)
{
    enum { DEEP = TREE_MAX_DEPTH + 1 };
    static char deep[2 * DEEP + 1], *huge;
    struct arena arena;

    (void)state;
    memset(deep, '(', DEEP);
    memset(deep + DEEP, ')', DEEP);
    arena_init(&arena);
    assert_null(tree_parse(&arena, str_from(deep, 2 * DEEP)));
    assert_non_null(tree_parse(&arena, str_from(deep + 1, 2 * DEEP - 2)));
    huge = malloc(TREE_MAX_BYTES + 1);
    memset(huge, 'x', TREE_MAX_BYTES + 1);
    assert_null(tree_parse(&arena, str_from(huge, TREE_MAX_BYTES + 1)));
    assert_non_null(tree_parse(&arena, str_from(huge, TREE_MAX_BYTES)));
    free(huge);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
