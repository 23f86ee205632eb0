#include "dispatch/ledger.h"

#include "base/log.h"
#include "dispatch/report.h"

#define BATCH 512
#define BATCH_BYTES ((size_t)8 << 20)
#define BATCH_BYTES_MAX ((size_t)64 << 20)
#define DELAY_MS 5      /* how long the first result waits for company */
#define MOST_REFUSALS 5 /* of one result, with ever longer pauses in between */

void ledger_fini(struct ledger *ledger)
{
    delivery_list_free(&ledger->done);
    delivery_list_free(&ledger->recording);
    delivery_list_free(&ledger->unsent);
}

void ledger_add_result(struct ledger *ledger, struct delivery *delivery, uint64_t now_ms)
{
    if (!ledger->done.first)
        ledger->oldest_ms = now_ms;
    delivery_list_add(&ledger->done, delivery);
}

void ledger_add_unsent(struct ledger *ledger, struct delivery_list *list)
{
    delivery_list_join(&ledger->unsent, list);
}

bool ledger_is_settled(const struct ledger *ledger)
{
    return !ledger->done.first && !ledger->recording.first && !ledger->unsent.first &&
           !ledger->releasing;
}

bool ledger_is_behind(const struct ledger *ledger)
{
    return ledger->done.count >= 2 * BATCH;
}

static void start_recording(struct ledger *ledger, struct outbox *outbox, uint64_t now_ms)
{
    size_t most = ledger->careful ? 1 : BATCH;
    struct buf results;

    buf_init(&results, BATCH_BYTES_MAX);
    while (ledger->done.first && ledger->recording.count < most && results.len < BATCH_BYTES) {
        struct delivery *delivery = delivery_list_take(&ledger->done);

        report_add_json(&results, delivery, now_ms);
        delivery_list_add(&ledger->recording, delivery);
    }
    buf_add_char(&results, ']');
    outbox_record(outbox, buf_str(&results));
    buf_fini(&results);
}

static uint64_t record(struct ledger *ledger, struct outbox *outbox, uint64_t now_ms, bool hurry)
{
    uint64_t age_ms = now_ms - ledger->oldest_ms;

    if (!ledger->done.first || ledger->recording.first)
        return UINT64_MAX;
    if (!hurry && !ledger->careful && ledger->done.count < BATCH && age_ms < DELAY_MS)
        return DELAY_MS - age_ms;
    start_recording(ledger, outbox, now_ms);
    return UINT64_MAX;
}

static void release(struct ledger *ledger, struct outbox *outbox)
{
    if (!ledger->unsent.first || ledger->releasing)
        return;
    ledger->releasing = true;
    outbox_release(outbox, &ledger->unsent);
    delivery_list_free(&ledger->unsent);
}

uint64_t ledger_write(struct ledger *ledger, struct outbox *outbox, uint64_t now_ms, bool hurry)
{
    uint64_t wait_ms;

    if (!outbox_is_up(outbox))
        return UINT64_MAX;
    wait_ms = record(ledger, outbox, now_ms, hurry);
    release(ledger, outbox);
    return wait_ms;
}

uint64_t ledger_recorded(struct ledger *ledger)
{
    uint64_t first_ms = UINT64_MAX;
    struct delivery *delivery;

    ledger->refusals = 0;
    if (ledger->careful)
        ledger->careful--;
    while ((delivery = delivery_list_take(&ledger->recording))) {
        struct schedule_decision decision = delivery->attempt.decision;

        if (decision.verdict == SCHEDULE_RETRY && decision.delay_ms < first_ms)
            first_ms = decision.delay_ms;
        if (delivery->attempt.moved_breaker) /* only now does a claim know of it */
            first_ms = 0;
        delivery_free(delivery);
    }
    return first_ms;
}

static void give_up_first(struct ledger *ledger)
{
    struct delivery *delivery = delivery_list_take(&ledger->recording);

    log_error("dispatch", "an attempt could not be recorded, its delivery will be sent again",
              log_v("delivery", delivery->field[DELIVERY_ID]),
              log_v("message", delivery->field[DELIVERY_MESSAGE_ID]));
    delivery_free(delivery);
}

/* Refused together, they are tried one by one, until it is known which of them it is about. That
 * one is given up in the end, since it would hold up all others: its lease ends, it is sent again.
 */
void ledger_refused(struct ledger *ledger)
{
    if (ledger->recording.count > 1) {
        ledger->careful = ledger->recording.count;
        return;
    }
    if (++ledger->refusals < MOST_REFUSALS)
        return;
    ledger->refusals = 0;
    give_up_first(ledger);
}

void ledger_released(struct ledger *ledger)
{
    ledger->releasing = false;
}

/* Results are recorded again, which changes nothing if they were. What should have been given back
 * may belong to another dispatcher by the time the connection is there again. */
void ledger_lost(struct ledger *ledger)
{
    delivery_list_join(&ledger->recording, &ledger->done);
    ledger->done = ledger->recording;
    ledger->recording = (struct delivery_list){0};
    delivery_list_free(&ledger->unsent);
    ledger->releasing = false;
}
