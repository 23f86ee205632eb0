#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dispatch/endpoint.h"

#define A "aaaaaaaa-0000-0000-0000-000000000000"
#define B "bbbbbbbb-0000-0000-0000-000000000000"
#define C "cccccccc-0000-0000-0000-000000000000"
#define SLOTS 4
#define ENDPOINT_SLOTS 2
#define HOLD 20

static const struct breaker_settings breaker = {70, 10, 300000, 30000, 600000};

static void add(struct endpoints *all, const char *webhook, uint64_t now_ms)
{
    const struct str field[DELIVERY_FIELDS] = {
        [DELIVERY_ID] = STR("1"),
        [DELIVERY_WEBHOOK_ID] = str_c(webhook),
        [DELIVERY_PAYLOAD] = STR("{}"),
    };

    endpoints_add(all, delivery_new(field), now_ms);
}

/* Takes the next one; its endpoint must be `webhook`, NULL: there must be none. */
static struct delivery *next(struct endpoints *all, const char *webhook, uint64_t now_ms)
{
    struct delivery *delivery = endpoints_next(all, now_ms);

    if (!webhook) {
        assert_null(delivery);
        return NULL;
    }
    assert_non_null(delivery);
    assert_string_equal(delivery->field[DELIVERY_WEBHOOK_ID].data, webhook);
    return delivery;
}

static void end(struct endpoints *all, struct delivery *delivery, uint64_t now_ms, int status_code)
{
    endpoints_learn(all, delivery, now_ms, status_code, 0, 1000);
    endpoints_ended(all, delivery, now_ms);
    delivery_free(delivery);
}

/* An endpoint that has answered often enough to be given all it may have. */
static void prove(struct endpoints *all, const char *webhook)
{
    for (int i = 0; i < ENDPOINT_SLOTS; i++) {
        add(all, webhook, 0);
        end(all, next(all, webhook, 0), 0, 200);
    }
}

static void expect_room(struct endpoints *all, uint64_t now_ms, const char *ids, const char *slots,
                        const char *full, unsigned total)
{
    struct endpoints_room room;

    endpoints_ask(all, now_ms, &room);
    assert_string_equal(room.ids.data, ids);
    assert_string_equal(room.slots.data, slots);
    assert_string_equal(room.full.data, full);
    assert_int_equal(room.first, 1);
    assert_int_equal(room.total, total);
    endpoints_room_fini(&room);
}

static void takes_turns(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct delivery *sent[4];

    (void)state;
    prove(all, A);
    prove(all, B);
    for (int i = 0; i < 5; i++)
        add(all, A, 0);
    add(all, B, 0);
    add(all, B, 0);
    sent[0] = next(all, A, 0);
    sent[1] = next(all, B, 0);
    sent[2] = next(all, A, 0);
    sent[3] = next(all, B, 0);
    add(all, C, 0);
    assert_int_equal(endpoints_held(all), 8);
    next(all, NULL, 0); /* all slots are taken */
    assert_int_equal(endpoints_in_flight(all), 4);
    end(all, sent[1], 0, 200);
    sent[1] = next(all, C, 0);
    end(all, sent[1], 0, 200);
    next(all, NULL, 0); /* a slot is free, but A has all that is its */
    end(all, sent[0], 0, 200);
    sent[0] = next(all, A, 0);
    end(all, sent[0], 0, 200);
    end(all, sent[2], 0, 200);
    end(all, sent[3], 0, 200);
    assert_int_equal(endpoints_in_flight(all), 0);
    assert_int_equal(endpoints_held(all), 2);
    assert_true(endpoints_held_bytes(all) > 0);
    endpoints_free(all);
}

static void gives_a_new_endpoint_one_until_it_answers(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct delivery *first;

    (void)state;
    for (int i = 0; i < 3; i++)
        add(all, A, 0);
    first = next(all, A, 0);
    next(all, NULL, 0);
    end(all, first, 0, 200);
    first = next(all, A, 0);
    end(all, next(all, A, 0), 0, 200);
    end(all, first, 0, 200);
    endpoints_free(all);
}

static void keeps_half_of_the_slots_from_suspects(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    const char *dead[] = {"d1", "d2", "d3"};
    struct delivery *hanging[2], *alive;

    (void)state;
    prove(all, A);
    for (int i = 0; i < 3; i++) {
        add(all, dead[i], 0);
        end(all, next(all, dead[i], 0), 0, 0); /* it did not answer */
    }
    for (int i = 0; i < 3; i++)
        add(all, dead[i], 0);
    hanging[0] = next(all, "d1", 0);
    hanging[1] = next(all, "d2", 0);
    add(all, B, 0);
    next(all, NULL, 0); /* d3 has to wait, and who is new: half of the slots hang already */
    add(all, A, 0);
    alive = next(all, A, 0);
    end(all, alive, 0, 200);
    end(all, hanging[0], 0, 200); /* back to life: no suspect any more */
    hanging[0] = next(all, "d3", 0);
    add(all, "d1", 0);
    end(all, next(all, "d1", 0), 0, 200);
    end(all, hanging[0], 0, 0);
    end(all, next(all, B, 0), 0, 200);
    end(all, hanging[1], 0, 0);
    assert_int_equal(endpoints_in_flight(all), 0);
    endpoints_free(all);
}

static void asks_for_what_there_is_room_for(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct delivery *sent;

    (void)state;
    expect_room(all, 0, "{}", "{}", "{}", HOLD);
    add(all, A, 0);
    expect_room(all, 0, "{" A "}", "{0}", "{" A "}", HOLD - 1);
    sent = next(all, A, 0);
    end(all, sent, 0, 200); /* in a second: 2 at once, and 1 to wait in the half second ahead */
    expect_room(all, 0, "{" A "}", "{3}", "{}", HOLD);
    endpoints_free(all);
}

static void knows_whether_there_is_more(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct endpoints_room room;

    (void)state;
    add(all, A, 0); /* as asked for: there may be more */
    endpoints_answered(all, false);
    assert_false(endpoints_hungry(all)); /* but it has what it can take */
    end(all, next(all, A, 0), 0, 200);
    assert_true(endpoints_hungry(all));

    endpoints_ask(all, 0, &room); /* 3, and one comes: that was all */
    endpoints_room_fini(&room);
    assert_false(endpoints_hungry(all));
    add(all, A, 0);
    endpoints_answered(all, false);
    end(all, next(all, A, 0), 0, 200);
    assert_false(endpoints_hungry(all));

    endpoints_ask(all, 0, &room); /* one comes, but the claim was cut off */
    endpoints_room_fini(&room);
    add(all, A, 0);
    endpoints_answered(all, true);
    end(all, next(all, A, 0), 0, 200);
    assert_true(endpoints_hungry(all));
    endpoints_free(all);
}

static void asks_again_for_who_had_no_room(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct endpoints_room room;

    (void)state;
    add(all, A, 0);
    endpoints_ask(all, 0, &room);
    endpoints_room_fini(&room);
    endpoints_answered(all, false);
    assert_false(endpoints_hungry(all));
    end(all, next(all, A, 0), 0, 200);
    assert_true(endpoints_hungry(all));
    endpoints_free(all);
}

static void looks_again_when_a_pause_ends(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct endpoints_room room;

    (void)state;
    add(all, A, 0);
    end(all, next(all, A, 0), 0, 429);
    endpoints_ask(all, 0, &room);
    assert_string_equal(room.full.data, "{" A "}");
    endpoints_room_fini(&room);
    endpoints_answered(all, false);
    endpoints_look(all, 999);
    assert_false(endpoints_hungry(all));
    endpoints_look(all, 1000);
    assert_true(endpoints_hungry(all));
    endpoints_free(all);
}

static size_t free_late(struct endpoints *all, uint64_t claimed_ms, uint64_t now_ms)
{
    struct delivery_list late = endpoints_take_late(all, claimed_ms, now_ms);
    size_t count = late.count;

    delivery_list_free(&late);
    return count;
}

static void gives_up_what_waits_too_long(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct delivery *sent;

    (void)state;
    add(all, A, 100);
    add(all, A, 200);
    add(all, B, 150);
    add(all, C, 300);
    assert_int_equal(free_late(all, 99, 1000), 0);
    assert_int_equal(free_late(all, 150, 1000), 2);
    sent = next(all, A, 1000);
    assert_int_equal(free_late(all, UINT64_MAX, 1000), 1); /* C's; A's is under way */
    assert_int_equal(endpoints_held(all), 1);
    end(all, sent, 1000, 429);
    add(all, A, 1000);
    next(all, NULL, 1500);
    assert_int_equal(free_late(all, 0, 1500), 1); /* paused: others may try it before */
    assert_int_equal(endpoints_held(all), 0);
    assert_int_equal(endpoints_held_bytes(all), 0);
    next(all, NULL, 9000);
    endpoints_free(all);
}

static void forgets_who_is_out_of_use(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);

    (void)state;
    add(all, A, 0);
    end(all, next(all, A, 0), 0, 200);
    add(all, B, 0);
    end(all, next(all, B, 0), 0, 0);
    endpoints_answered(all, false);
    expect_room(all, 0, "{" A "," B "}", "{3,1}", "{}", HOLD);
    endpoints_answered(all, false);
    expect_room(all, 3600000, "{}", "{}", "{}", HOLD);
    endpoints_free(all);
}

static void stays_bounded(void **state)
{
    struct endpoints *all = endpoints_new(SLOTS, ENDPOINT_SLOTS, HOLD, &breaker);
    struct endpoints_room room;
    char id[40];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "%036d", i);
        add(all, id, 0);
        end(all, next(all, id, 0), 0, 200);
    }
    endpoints_ask(all, 0, &room);
    assert_true(buf_ok(&room.ids));
    assert_true(room.ids.len <= 4 * HOLD * 37 + 2);
    endpoints_room_fini(&room);
    endpoints_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_turns),
        cmocka_unit_test(gives_a_new_endpoint_one_until_it_answers),
        cmocka_unit_test(keeps_half_of_the_slots_from_suspects),
        cmocka_unit_test(asks_for_what_there_is_room_for),
        cmocka_unit_test(knows_whether_there_is_more),
        cmocka_unit_test(asks_again_for_who_had_no_room),
        cmocka_unit_test(looks_again_when_a_pause_ends),
        cmocka_unit_test(gives_up_what_waits_too_long),
        cmocka_unit_test(forgets_who_is_out_of_use),
        cmocka_unit_test(stays_bounded),
    };

    return cmocka_run_group_tests_name("dispatch/endpoint", tests, NULL, NULL);
}
