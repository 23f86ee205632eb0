#include "dispatch/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FORGET_MS 60000           /* an endpoint without a fault */
#define FORGET_TROUBLED_MS 600000 /* one that is known to be in trouble */
#define BUCKETS 1024              /* a power of two */
#define UUID_TEXT 36

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct endpoints {
    struct endpoint *buckets[BUCKETS];
    struct endpoint *turn; /* in the ring */
    struct breaker_settings breaker;
    unsigned slots, endpoint_slots, hold;
    unsigned count, max;
    unsigned waiting, in_flight, suspect_in_flight;
    size_t held_bytes;
    bool cut_off; /* the last claim brought less than there was */
    bool hungry;
};

struct endpoints *endpoints_new(unsigned slots, unsigned endpoint_slots, unsigned hold,
                                const struct breaker_settings *breaker)
{
    struct endpoints *all = mem_alloc(sizeof(*all));

    all->breaker = *breaker;
    all->slots = slots;
    all->endpoint_slots = endpoint_slots;
    all->hold = hold;
    all->max = 4 * hold; /* those with deliveries are at most `hold` */
    return all;
}

static void endpoint_free(struct endpoint *endpoint)
{
    delivery_list_free(&endpoint->waiting);
    free(endpoint);
}

void endpoints_free(struct endpoints *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (all->buckets[i]) {
            struct endpoint *endpoint = all->buckets[i];

            all->buckets[i] = endpoint->chain;
            endpoint_free(endpoint);
        }
    }
    free(all);
}

unsigned endpoints_held(const struct endpoints *all)
{
    return all->waiting + all->in_flight;
}

size_t endpoints_held_bytes(const struct endpoints *all)
{
    return all->held_bytes;
}

unsigned endpoints_in_flight(const struct endpoints *all)
{
    return all->in_flight;
}

static unsigned held_by(const struct endpoint *endpoint)
{
    return (unsigned)endpoint->waiting.count + endpoint->in_flight;
}

/* The ring */

static void ring_join(struct endpoints *all, struct endpoint *endpoint)
{
    if (endpoint->ring_next)
        return;
    if (!all->turn) {
        endpoint->ring_next = endpoint->ring_prev = endpoint;
        all->turn = endpoint;
        return;
    }
    endpoint->ring_next = all->turn;
    endpoint->ring_prev = all->turn->ring_prev;
    endpoint->ring_prev->ring_next = endpoint;
    all->turn->ring_prev = endpoint;
}

static void ring_leave(struct endpoints *all, struct endpoint *endpoint)
{
    if (!endpoint->ring_next)
        return;
    if (all->turn == endpoint)
        all->turn = endpoint->ring_next == endpoint ? NULL : endpoint->ring_next;
    endpoint->ring_prev->ring_next = endpoint->ring_next;
    endpoint->ring_next->ring_prev = endpoint->ring_prev;
    endpoint->ring_next = endpoint->ring_prev = NULL;
}

/* The map */

static struct endpoint **bucket_of(struct endpoints *all, struct str id)
{
    return &all->buckets[str_hash(id) & (BUCKETS - 1)];
}

static bool is_out_of_use(const struct endpoint *endpoint, uint64_t now_ms)
{
    uint64_t keep = pace_is_troubled(&endpoint->pace) ? FORGET_TROUBLED_MS : FORGET_MS;

    return held_by(endpoint) == 0 && !endpoint->more && !pace_is_paused(&endpoint->pace, now_ms) &&
           endpoint->used_ms + keep <= now_ms;
}

static void forget_unused(struct endpoints *all, uint64_t now_ms, bool any)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct endpoint **at = &all->buckets[i];

        while (*at) {
            struct endpoint *endpoint = *at;

            if (is_out_of_use(endpoint, now_ms) || (any && held_by(endpoint) == 0)) {
                *at = endpoint->chain;
                endpoint_free(endpoint);
                all->count--;
            } else {
                at = &endpoint->chain;
            }
        }
    }
}

static struct endpoint *endpoint_new(struct endpoints *all, struct str id)
{
    struct endpoint *endpoint = mem_alloc(sizeof(*endpoint) + id.len + 1);

    memcpy(endpoint + 1, id.data, id.len);
    endpoint->id = str_from((const char *)(endpoint + 1), id.len);
    pace_init(&endpoint->pace, all->endpoint_slots);
    endpoint->asked = pace_hold(&endpoint->pace, 0);
    return endpoint;
}

static struct endpoint *find_or_make(struct endpoints *all, struct str id, uint64_t now_ms)
{
    struct endpoint **bucket = bucket_of(all, id);
    struct endpoint *endpoint = *bucket;

    while (endpoint && !str_eq(endpoint->id, id))
        endpoint = endpoint->chain;
    if (endpoint)
        return endpoint;
    if (all->count >= all->max)
        forget_unused(all, now_ms, true);
    endpoint = endpoint_new(all, id);
    endpoint->chain = *bucket;
    *bucket = endpoint;
    all->count++;
    return endpoint;
}

/* Claiming */

static unsigned room_of(const struct endpoint *endpoint, uint64_t now_ms)
{
    unsigned hold = pace_hold(&endpoint->pace, now_ms), held = held_by(endpoint);

    return hold > held ? hold - held : 0;
}

static void add_separator(struct buf *array)
{
    if (array->len > 1)
        buf_add_char(array, ',');
}

static void add_item(struct buf *array, struct str id)
{
    add_separator(array);
    buf_add_str(array, id);
}

static void ask_one(struct endpoint *endpoint, uint64_t now_ms, struct endpoints_room *room)
{
    endpoint->asked = room_of(endpoint, now_ms);
    endpoint->got = 0;
    add_item(&room->ids, endpoint->id);
    add_separator(&room->slots);
    buf_add_u64(&room->slots, endpoint->asked);
    if (endpoint->asked == 0)
        add_item(&room->full, endpoint->id);
}

void endpoints_ask(struct endpoints *all, uint64_t now_ms, struct endpoints_room *room)
{
    struct buf *const arrays[] = {&room->ids, &room->slots, &room->full};
    struct pace fresh;
    unsigned held = endpoints_held(all);

    forget_unused(all, now_ms, false);
    pace_init(&fresh, all->endpoint_slots);
    room->first = pace_hold(&fresh, now_ms);
    room->total = all->hold > held ? all->hold - held : 0;
    for (size_t i = 0; i < COUNT(arrays); i++) {
        buf_init(arrays[i], (size_t)all->max * (UUID_TEXT + 1) + 3);
        buf_add_char(arrays[i], '{');
    }
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct endpoint *at = all->buckets[i]; at; at = at->chain)
            ask_one(at, now_ms, room);
    for (size_t i = 0; i < COUNT(arrays); i++)
        buf_add_char(arrays[i], '}');
    all->cut_off = false;
    all->hungry = false;
}

void endpoints_room_fini(struct endpoints_room *room)
{
    buf_fini(&room->ids);
    buf_fini(&room->slots);
    buf_fini(&room->full);
}

/* What the claim says of its endpoint with each delivery. */
static void take_terms(const struct endpoints *all, struct pace *pace,
                       const struct delivery *delivery, uint64_t now_ms)
{
    unsigned max = all->endpoint_slots;

    if (delivery->max_concurrency > 0 && delivery->max_concurrency < max)
        max = delivery->max_concurrency;
    pace_allow(pace, max, delivery->rate);
    if (delivery->is_probe)
        pace_probe(pace, delivery->breaker_opened);
    else
        pace_no_probe(pace, now_ms);
}

void endpoints_add(struct endpoints *all, struct delivery *delivery, uint64_t now_ms)
{
    struct endpoint *endpoint = find_or_make(all, delivery->field[DELIVERY_WEBHOOK_ID], now_ms);

    take_terms(all, &endpoint->pace, delivery, now_ms);
    delivery->endpoint = endpoint;
    delivery->claimed_ms = now_ms;
    delivery_list_add(&endpoint->waiting, delivery);
    endpoint->got++;
    endpoint->used_ms = now_ms;
    ring_join(all, endpoint);
    all->waiting++;
    all->held_bytes += delivery->text.len;
}

static void judge_claim(struct endpoint *endpoint, bool cut_off)
{
    /* Without room it was not asked for, so nothing is known. */
    endpoint->more = cut_off || endpoint->got >= endpoint->asked;
}

void endpoints_answered(struct endpoints *all, bool cut_off)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct endpoint *at = all->buckets[i]; at; at = at->chain)
            judge_claim(at, cut_off);
    all->cut_off = cut_off;
    if (cut_off && endpoints_held(all) == 0)
        all->hungry = true;
}

bool endpoints_hungry(const struct endpoints *all)
{
    return all->hungry;
}

/* Half of the room free is the moment to fill it: claims then come in batches, and in time. */
static void note_hunger(struct endpoints *all, const struct endpoint *endpoint, uint64_t now_ms)
{
    unsigned hold = pace_hold(&endpoint->pace, now_ms);

    if (endpoint->more && hold > 0 && room_of(endpoint, now_ms) >= (hold + 1) / 2)
        all->hungry = true;
    if (all->cut_off && endpoints_held(all) <= all->hold / 2)
        all->hungry = true;
}

void endpoints_look(struct endpoints *all, uint64_t now_ms)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct endpoint *at = all->buckets[i]; at; at = at->chain)
            note_hunger(all, at, now_ms);
}

/* Sending */

static bool may_send(const struct endpoints *all, const struct endpoint *endpoint, uint64_t now_ms)
{
    if (pace_ready_ms(&endpoint->pace) > now_ms || endpoint->in_flight >= endpoint->pace.limit)
        return false;
    return !pace_is_suspect(&endpoint->pace) || all->suspect_in_flight < (all->slots + 1) / 2;
}

static void count_in_flight(struct endpoints *all, struct endpoint *endpoint, int change)
{
    endpoint->in_flight += (unsigned)change;
    all->in_flight += (unsigned)change;
    if (pace_is_suspect(&endpoint->pace))
        all->suspect_in_flight += (unsigned)change;
}

static struct delivery *take_waiting(struct endpoints *all, struct endpoint *endpoint)
{
    struct delivery *delivery = delivery_list_take(&endpoint->waiting);

    all->waiting--;
    if (endpoint->waiting.count == 0)
        ring_leave(all, endpoint);
    return delivery;
}

struct delivery *endpoints_next(struct endpoints *all, uint64_t now_ms)
{
    struct endpoint *start = all->turn, *at = start;

    if (!start || all->in_flight >= all->slots)
        return NULL;
    do {
        if (may_send(all, at, now_ms)) {
            all->turn = at->ring_next;
            at->used_ms = now_ms;
            pace_spend(&at->pace, now_ms);
            count_in_flight(all, at, 1);
            return take_waiting(all, at);
        }
        at = at->ring_next;
    } while (at != start);
    return NULL;
}

uint64_t endpoints_ready_ms(const struct endpoints *all, uint64_t now_ms)
{
    const struct endpoint *start = all->turn, *at = start;
    uint64_t first_ms = UINT64_MAX;

    if (!start || all->in_flight >= all->slots)
        return UINT64_MAX;
    do {
        uint64_t ready_ms = pace_ready_ms(&at->pace);

        if (at->in_flight < at->pace.limit && ready_ms > now_ms && ready_ms < first_ms)
            first_ms = ready_ms;
        at = at->ring_next;
    } while (at != start);
    return first_ms;
}

void endpoints_ended(struct endpoints *all, struct delivery *delivery, uint64_t now_ms)
{
    struct endpoint *endpoint = delivery->endpoint;

    count_in_flight(all, endpoint, -1);
    all->held_bytes -= delivery->text.len;
    endpoint->used_ms = now_ms;
    delivery->endpoint = NULL; /* which may be forgotten from now on */
    note_hunger(all, endpoint, now_ms);
}

void endpoints_learn(struct endpoints *all, struct delivery *delivery, uint64_t now_ms,
                     int status_code, int64_t retry_after_s, unsigned duration_ms)
{
    struct endpoint *endpoint = delivery->endpoint;
    bool was_suspect = pace_is_suspect(&endpoint->pace);

    delivery->attempt.moved_breaker =
        pace_learn(&endpoint->pace, &all->breaker, now_ms, status_code, retry_after_s, duration_ms);
    delivery->attempt.breaker = endpoint->pace.breaker.state;
    delivery->attempt.breaker_pause_ms = endpoint->pace.breaker.pause_ms;
    delivery->attempt.breaker_opened = endpoint->pace.breaker.opened;
    if (was_suspect && !pace_is_suspect(&endpoint->pace))
        all->suspect_in_flight -= endpoint->in_flight;
    else if (!was_suspect && pace_is_suspect(&endpoint->pace))
        all->suspect_in_flight += endpoint->in_flight;
}

/* Those that wait for one endpoint are in the order of their claims. */
static void take_late(struct endpoints *all, struct endpoint *endpoint, uint64_t claimed_ms,
                      uint64_t now_ms, struct delivery_list *late)
{
    bool paused = pace_is_paused(&endpoint->pace, now_ms);

    while (endpoint->waiting.first &&
           (paused || endpoint->waiting.first->claimed_ms <= claimed_ms)) {
        struct delivery *delivery = take_waiting(all, endpoint);

        all->held_bytes -= delivery->text.len;
        delivery->endpoint = NULL;
        endpoint->more = true;
        delivery_list_add(late, delivery);
    }
}

struct delivery_list endpoints_take_late(struct endpoints *all, uint64_t claimed_ms,
                                         uint64_t now_ms)
{
    struct delivery_list late = {0};

    for (size_t i = 0; i < BUCKETS && all->waiting > 0; i++)
        for (struct endpoint *at = all->buckets[i]; at; at = at->chain)
            take_late(all, at, claimed_ms, now_ms, &late);
    return late;
}
