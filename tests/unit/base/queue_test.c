#include "unit.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/queue.h"

struct number {
    struct msg msg;
    unsigned value;
};

static atomic_uint living; /* messages that were not freed */

static void number_free(struct msg *msg)
{
    atomic_fetch_sub(&living, 1);
    free(msg);
}

static struct msg *number_new(unsigned value, size_t bytes)
{
    struct number *number = mem_alloc(sizeof(*number));

    msg_init(&number->msg, bytes, number_free);
    number->value = value;
    atomic_fetch_add(&living, 1);
    return &number->msg;
}

static bool push(struct queue *q, unsigned value, size_t bytes)
{
    struct msg *msg = number_new(value, bytes);

    if (queue_push(q, msg))
        return true;
    msg_unref(msg);
    return false;
}

static unsigned pop(struct queue *q)
{
    struct msg *msg = queue_pop(q);
    unsigned value = msg ? ((struct number *)msg)->value : 0;

    msg_unref(msg);
    return value;
}

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

static void keeps_order_around_the_ring(void **state)
{
    struct queue *q = queue_new(3, 1000);

    (void)state;
    for (unsigned i = 1; i <= 10; i++) {
        assert_true(push(q, 2 * i, 1));
        assert_true(push(q, 2 * i + 1, 1));
        assert_int_equal(pop(q), 2 * i);
        assert_int_equal(pop(q), 2 * i + 1);
    }
    CHECK(queue_pop(q) == NULL, "an empty queue gives nothing");
    queue_free(q);
    assert_int_equal(living, 0);
}

static void refuses_beyond_its_limits(void **state)
{
    struct queue *q = queue_new(3, 10);

    (void)state;
    CHECK(push(q, 1, 100), "one message alone always fits");
    CHECK(!push(q, 2, 1), "behind it nothing does");
    assert_int_equal(pop(q), 1);
    CHECK(push(q, 3, 4) && push(q, 4, 6), "exactly the byte limit");
    CHECK(push(q, 5, 0), "the third message");
    CHECK(!push(q, 6, 0), "the fourth is one too many");
    assert_int_equal(queue_levels(q).depth, 3);
    assert_int_equal(queue_levels(q).bytes, 10);
    assert_int_equal(queue_levels(q).refused, 2);
    queue_free(q);
    CHECK(living == 0, "what is left is dropped with the queue");
    queue_free(NULL);
}

static void wakes_when_it_was_empty(void **state)
{
    struct queue *q = queue_new(10, 1000);
    unsigned wakes = 0;

    (void)state;
    queue_set_wake(q, count_wake, &wakes);
    push(q, 1, 1);
    push(q, 2, 1);
    CHECK(wakes == 1, "once for two messages");
    pop(q);
    push(q, 3, 1);
    CHECK(wakes == 1, "not while there is something");
    pop(q);
    pop(q);
    push(q, 4, 1);
    CHECK(wakes == 2, "again after it was emptied");
    queue_free(q);
}

static void frees_with_the_last_reference(void **state)
{
    struct msg *msg = number_new(1, 1);

    (void)state;
    msg_ref(msg);
    msg_unref(msg);
    assert_int_equal(living, 1);
    msg_unref(msg);
    assert_int_equal(living, 0);
    msg_unref(NULL);
}

#define MANY 20000

static void *push_many(void *arg)
{
    for (unsigned i = 1; i <= MANY; i++)
        while (!push(arg, i, 1))
            ;
    return NULL;
}

static void carries_between_threads(void **state)
{
    struct queue *q = queue_new(16, 1000);
    pthread_t thread;
    unsigned next = 1;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, push_many, q), 0);
    while (next <= MANY) {
        unsigned value = pop(q);

        if (value == 0)
            continue;
        if (value != next)
            fail_msg("got %u, want %u", value, next);
        next++;
    }
    pthread_join(thread, NULL);
    queue_free(q);
    assert_int_equal(living, 0);
}

static void gives_to_all_that_have_room(void **state)
{
    struct queues queues = {{queue_new(1, 100), queue_new(2, 100)}, 2};

    (void)state;
    queues_push(&queues, number_new(1, 1));
    queues_push(&queues, number_new(2, 1));
    assert_int_equal(living, 2); /* shared, not copied */
    assert_int_equal(pop(queues.items[0]), 1);
    CHECK(pop(queues.items[0]) == 0, "it had no room for the second");
    assert_int_equal(pop(queues.items[1]), 1);
    assert_int_equal(pop(queues.items[1]), 2);
    assert_int_equal(living, 0);
    queue_free(queues.items[0]);
    queue_free(queues.items[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_around_the_ring),
        cmocka_unit_test(refuses_beyond_its_limits),
        cmocka_unit_test(wakes_when_it_was_empty),
        cmocka_unit_test(frees_with_the_last_reference),
        cmocka_unit_test(carries_between_threads),
        cmocka_unit_test(gives_to_all_that_have_room),
    };

    return cmocka_run_group_tests_name("base/queue", tests, NULL, NULL);
}
