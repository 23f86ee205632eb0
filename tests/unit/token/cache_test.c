#include "unit.h"

#include "base/mem.h"
#include "token/cache.h"

static struct token *make(int64_t expires, size_t claims)
{
    struct token *token = mem_alloc(sizeof(*token));

    token->role = mem_strdup("anon");
    token->claims = mem_alloc(claims + 1);
    token->claims_len = claims;
    token->expires = expires;
    return token;
}

/* Puts a token in, of which only the cache holds a reference then. */
static void put(struct cache *cache, const char *text, int64_t expires, size_t claims)
{
    struct token *token = make(expires, claims);
    struct cache_key key;

    cache_key_of(str_c(text), &key);
    cache_add(cache, &key, token);
    token_free(token);
}

/* When it expires; 0 if it is not found. */
static int64_t look(const struct cache *cache, const char *text, int64_t now)
{
    struct cache_key key;
    struct token *token;
    int64_t expires;

    cache_key_of(str_c(text), &key);
    token = cache_find(cache, &key, now);
    expires = token ? token->expires : 0;
    token_free(token);
    return expires;
}

static void finds_until_they_expire(void **state)
{
    struct cache *cache = cache_new(64);

    (void)state;
    assert_int_equal(look(cache, "a", 0), 0);
    put(cache, "a", 10, 1);
    put(cache, "b", 20, 1);
    assert_int_equal(look(cache, "a", 9), 10);
    assert_int_equal(look(cache, "b", 9), 20);
    assert_int_equal(look(cache, "a", 10), 0);
    assert_int_equal(look(cache, "b", 10), 20);
    assert_int_equal(look(cache, "", 9), 0);
    put(cache, "a", 30, 1); /* the same again takes its own place */
    assert_int_equal(look(cache, "a", 10), 30);
    cache_clear(cache);
    assert_int_equal(look(cache, "a", 10), 0);
    put(cache, "a", 30, 1);
    assert_int_equal(look(cache, "a", 10), 30);
    cache_free(cache);
}

/* One set of eight: the ninth takes the place of what expires first. */
static void makes_room(void **state)
{
    struct cache *cache = cache_new(1);

    (void)state;
    put(cache, "a", 40, 1);
    put(cache, "b", 20, 1);
    put(cache, "c", 30, 1);
    put(cache, "d", 50, 1);
    put(cache, "f", 70, 1);
    put(cache, "g", 71, 1);
    put(cache, "h", 72, 1);
    put(cache, "i", 73, 1);
    put(cache, "e", 60, 1);
    assert_int_equal(look(cache, "b", 0), 0);
    assert_int_equal(look(cache, "a", 0), 40);
    assert_int_equal(look(cache, "c", 0), 30);
    assert_int_equal(look(cache, "d", 0), 50);
    assert_int_equal(look(cache, "e", 0), 60);
    cache_free(cache);
}

static void is_bounded_by_bytes(void **state)
{
    struct cache *cache = cache_new(64);

    (void)state;
    put(cache, "a", 10, CACHE_MAX_BYTES / 2);
    put(cache, "b", 10, CACHE_MAX_BYTES / 3);
    assert_int_equal(look(cache, "a", 0), 10);
    put(cache, "c", 10, CACHE_MAX_BYTES / 3);
    assert_int_equal(look(cache, "a", 0), 0);
    assert_int_equal(look(cache, "b", 0), 0);
    assert_int_equal(look(cache, "c", 0), 10);
    cache_free(cache);
}

/* What is dropped from the cache lives on with those who hold it. */
static void shares(void **state)
{
    struct cache *cache = cache_new(64);
    struct cache_key key;
    struct token *token;

    (void)state;
    put(cache, "a", 10, 1);
    cache_key_of(STR("a"), &key);
    token = cache_find(cache, &key, 0);
    cache_free(cache);
    assert_string_equal(token->role, "anon");
    token_free(token);
    cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_until_they_expire),
        cmocka_unit_test(makes_room),
        cmocka_unit_test(is_bounded_by_bytes),
        cmocka_unit_test(shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
