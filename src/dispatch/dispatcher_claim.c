/* Taking deliveries from the outbox: as many as there is room for, of the endpoints that have it.
 */
#include "base/clock.h"
#include "dispatch/dispatcher_internal.h"

#define HOLD_BYTES ((size_t)32 << 20)
#define OVERDUE_MS 100 /* something due was not claimed: another dispatcher has it */

static void on_due(uv_timer_t *timer)
{
    struct dispatcher *d = timer->data;

    d->wants_claim = true;
}

void dispatcher_claim_in(struct dispatcher *d, uint64_t delay_ms)
{
    if (d->state == DISPATCHER_RUNNING && delay_ms < POLL_TICKS * TICK_MS &&
        (!uv_is_active((uv_handle_t *)&d->due) || uv_timer_get_due_in(&d->due) > delay_ms))
        uv_timer_start(&d->due, on_due, delay_ms, 0);
}

static bool may_claim(const struct dispatcher *d)
{
    return d->state == DISPATCHER_RUNNING && !d->claiming && outbox_is_up(d->outbox) &&
           endpoints_held(d->endpoints) < d->hold / 2 + d->config->webhook_concurrency &&
           endpoints_held_bytes(d->endpoints) < HOLD_BYTES / 2 && !ledger_is_behind(&d->ledger);
}

void dispatcher_claim(struct dispatcher *d)
{
    size_t held_bytes = endpoints_held_bytes(d->endpoints);
    struct endpoints_room room;
    struct outbox_claim claim;

    if (!(d->wants_claim || endpoints_hungry(d->endpoints)) || !may_claim(d))
        return;
    d->wants_claim = false;
    d->claiming = true;
    endpoints_ask(d->endpoints, clock_monotonic_ms(), &room);
    claim = (struct outbox_claim){
        .deliveries = room.total,
        .bytes = HOLD_BYTES - held_bytes,
        .first_slots = room.first,
        .ids = buf_str(&room.ids),
        .slots = buf_str(&room.slots),
        .margin_ms = LEASE_MARGIN_MS,
    };
    d->claimed_count = d->claimed_bytes = 0;
    d->asked_count = claim.deliveries;
    d->asked_bytes = claim.bytes;
    outbox_claim(d->outbox, &claim);
    buf_clear(&d->full);
    buf_add_str(&d->full, buf_str(&room.full));
    endpoints_room_fini(&room);
}

void dispatcher_on_delivery(void *arg, struct delivery *delivery)
{
    struct dispatcher *d = arg;

    d->claimed_count++;
    d->claimed_bytes += delivery->field[DELIVERY_PAYLOAD].len;
    if (d->state == DISPATCHER_RUNNING)
        endpoints_add(d->endpoints, delivery, clock_monotonic_ms());
    else
        dispatcher_give_back(d, delivery);
}

void dispatcher_on_claimed(void *arg, bool more)
{
    struct dispatcher *d = arg;

    d->claiming = false;
    if (more)
        d->wants_claim = true;
    endpoints_answered(d->endpoints,
                       d->claimed_count >= d->asked_count || d->claimed_bytes >= d->asked_bytes);
    if (!d->wants_claim && !endpoints_hungry(d->endpoints))
        outbox_ask_next(d->outbox, buf_str(&d->full));
}

void dispatcher_on_next(void *arg, uint64_t delay_ms)
{
    dispatcher_claim_in(arg, delay_ms > OVERDUE_MS ? delay_ms : OVERDUE_MS);
}
