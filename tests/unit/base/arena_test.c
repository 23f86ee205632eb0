#include "base/arena.h"
#include "unit.h"

/* What is taken stays as it was, however much follows, and is aligned for anything. */
static void test_many(void **state)
{
    enum { MANY = 2000 };
    struct arena arena;
    unsigned char *all[MANY];

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < MANY; i++) {
        size_t size = i % 97 == 0 ? 10000 : i % 40;

        all[i] = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)all[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(all[i][k], 0);
        memset(all[i], (int)(i % 256), size);
    }
    for (size_t i = 0; i < MANY; i++)
        for (size_t k = 0; k < (i % 97 == 0 ? 10000 : i % 40); k++)
            assert_int_equal(all[i][k], i % 256);
    arena_fini(&arena);
    assert_null(arena.blocks);
}

static void test_str(void **state)
{
    struct arena arena;
    struct str copy;

    (void)state;
    arena_init(&arena);
    copy = arena_str(&arena, str_from("abcdef", 3));
    CHECK_STR(copy, STR("abc"), "a copy");
    assert_int_equal(copy.data[copy.len], '\0');
    CHECK_STR(arena_str(&arena, str_from(NULL, 0)), STR(""), "of nothing");
    assert_non_null(arena_array(&arena, 0, 8));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_str),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
