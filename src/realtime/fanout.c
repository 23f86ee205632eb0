#include "realtime/fanout.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "realtime/activity.h"
#include "realtime/policies.h"
#include "realtime/waiting.h"

#define MAX_CHECK 64 /* rows that are matched in a turn, so that the sockets have one, too */
#define RECHECK_MAX_MS 32
#define PACE_MS 2 /* between checks while rows come in numbers: a check costs as much for many */
#define MAX_WAITING 8192
#define MAX_WAITING_BYTES ((size_t)64 << 20)
#define MAX_BATCH_BYTES ((size_t)8 << 20)
/* Verdicts in a batch, so that it ends well within its time-out. */
#define MAX_BATCH_SESSIONS 2000
#define MAX_ATTEMPTS 4 /* a row that breaks the connection so often is not asked about again */

struct fanout {
    struct core *core;
    struct rls *rls;
    struct policies *policies;
    struct waiting *first, *last;
    struct waiting *unmatched; /* the first that is; NULL: none. All behind it are, too. */
    bool checking;
    bool crowded;        /* the last check was about several rows, but not as many as it may be */
    uint64_t checked_ms; /* when it was answered */
    unsigned recheck_ms; /* a transaction is not over for others yet: so long until we look again */
    size_t count, bytes;
    size_t singly; /* after a refused batch: so many rows are asked about one by one */
    lsn_t last_lsn;
    uint64_t last_ordinal;
};

struct fanout *fanout_new(struct core *core)
{
    struct fanout *fanout = mem_alloc(sizeof(*fanout));

    fanout->core = core;
    fanout->policies = policies_new();
    return fanout;
}

static struct waiting *pop(struct fanout *fanout)
{
    struct waiting *waiting = fanout->first;

    fanout->first = waiting->next;
    if (!fanout->first)
        fanout->last = NULL;
    fanout->count--;
    fanout->bytes -= waiting->bytes;
    return waiting;
}

void fanout_free(struct fanout *fanout)
{
    if (!fanout)
        return;
    while (fanout->first)
        waiting_free(pop(fanout));
    policies_free(fanout->policies);
    free(fanout);
}

void fanout_set_rls(struct fanout *fanout, struct rls *rls)
{
    fanout->rls = rls;
}

bool fanout_has_room(const struct fanout *fanout)
{
    return fanout->count < MAX_WAITING && fanout->bytes < MAX_WAITING_BYTES;
}

static bool is_decided(const struct waiting *waiting)
{
    return waiting->state == WAITING_MATCHED &&
           (waiting->refused || question_open(&waiting->question) == 0);
}

static void deliver_decided(struct fanout *fanout)
{
    uint64_t now_ms = clock_monotonic_ms();

    while (fanout->first && !fanout->first->asked && is_decided(fanout->first)) {
        struct waiting *waiting = pop(fanout);

        waiting_deliver(waiting, fanout->core, now_ms);
        waiting_free(waiting);
    }
}

static size_t collect_batch(struct fanout *fanout, struct question **batch)
{
    size_t count = 0, bytes = 0, sessions = 0, limit = fanout->singly > 0 ? 1 : RLS_MAX_BATCH;

    for (struct waiting *w = fanout->first; w != fanout->unmatched && count < limit; w = w->next) {
        if (is_decided(w))
            continue;
        bytes += w->question.event->msg.bytes;
        sessions += question_open(&w->question);
        if (count > 0 && (bytes > MAX_BATCH_BYTES || sessions > MAX_BATCH_SESSIONS))
            break;
        w->asked = true;
        w->attempts++;
        batch[count++] = &w->question;
    }
    if (fanout->singly > 0)
        fanout->singly--;
    return count;
}

static void ask(struct fanout *fanout)
{
    struct question *batch[RLS_MAX_BATCH];
    size_t count;

    if (!fanout->rls || !rls_is_ready(fanout->rls) || !fanout->first)
        return;
    count = collect_batch(fanout, batch);
    if (count > 0)
        rls_ask(fanout->rls, batch, count);
}

/* Asks with the check about the table of the row, false if the check is full. */
static bool want(struct fanout *fanout, const struct event *event)
{
    const struct change *change = &event->row.change;

    return event->kind == EVENT_MESSAGE ||
           policies_want(fanout->policies, fanout->core->hub, change->schema, change->table);
}

/* Whether the check saw what the row's transaction has done. */
static bool has_seen(const struct fanout *fanout, const struct event *event)
{
    return event->kind == EVENT_MESSAGE || policies_hold(fanout->policies, event->row.change.xid);
}

/* Rows come faster than clients read: whoever does read gets the time for it. One that does not is
 * over its limit soon, and delays nobody any more. */
static unsigned pause_ms(struct core *core)
{
    unsigned pressure = core->pressure;

    core->pressure = 0;
    if (pressure < 50)
        return 0;
    return pressure < 75 ? 10 : 40;
}

/* With a check after every answer the database would do little else when it is busy anyway. A row
 * that comes alone does not wait. */
static unsigned pace_ms(const struct fanout *fanout)
{
    uint64_t since_ms = clock_monotonic_ms() - fanout->checked_ms;

    return fanout->crowded && since_ms < PACE_MS ? (unsigned)(PACE_MS - since_ms) : 0;
}

/* Whether what is known of the policies still holds is asked once for many rows, after all of them
 * have come: so a policy or grant that was changed before a row was written is heeded. */
static void check(struct fanout *fanout)
{
    size_t count = 0;

    if (!fanout->rls || fanout->checking || !fanout->unmatched || !rls_can_check(fanout->rls))
        return;
    if (pace_ms(fanout) > 0) {
        rls_rest(fanout->rls, pace_ms(fanout)); /* we are called again */
        return;
    }
    policies_begin(fanout->policies);
    for (struct waiting *w = fanout->unmatched; w && count < MAX_CHECK; w = w->next, count++) {
        if (!want(fanout, w->question.event))
            break;
        w->state = WAITING_CHECKING;
    }
    fanout->checking = true;
    rls_check(fanout->rls, fanout->policies, fanout->recheck_ms + pause_ms(fanout->core));
    fanout->crowded = count > 1 && count < MAX_CHECK;
}

/* Rows of a transaction that the check could not see yet, and all behind them, are checked again.
 */
static void match_checked(struct fanout *fanout)
{
    const struct waiting *first = fanout->unmatched;
    bool hold = true;

    for (struct waiting *w = fanout->unmatched; w && w->state == WAITING_CHECKING; w = w->next) {
        size_t before = w->bytes;

        hold = hold && has_seen(fanout, w->question.event);
        if (!hold) {
            w->state = WAITING_NEW;
            continue;
        }
        waiting_match(w, fanout->core, fanout->policies);
        fanout->bytes += w->bytes - before;
        fanout->unmatched = w->next;
    }
    /* Messages that came meanwhile ask for no check: a row is first, or nothing is. */
    while (fanout->unmatched && fanout->unmatched->question.event->kind == EVENT_MESSAGE) {
        waiting_match(fanout->unmatched, fanout->core, fanout->policies);
        fanout->unmatched = fanout->unmatched->next;
    }
    if (fanout->unmatched != first || !first)
        fanout->recheck_ms = 0;
    else
        fanout->recheck_ms = fanout->recheck_ms ? fanout->recheck_ms * 2 : 1;
    if (fanout->recheck_ms > RECHECK_MAX_MS)
        fanout->recheck_ms = RECHECK_MAX_MS;
}

/* After a reconnect the pipeline reads again from its checkpoint: what was here already has gone to
 * the clients. */
static bool is_past(struct fanout *fanout, lsn_t commit_lsn, uint64_t ordinal)
{
    if (commit_lsn < fanout->last_lsn ||
        (commit_lsn == fanout->last_lsn && ordinal <= fanout->last_ordinal))
        return true;
    fanout->last_lsn = commit_lsn;
    fanout->last_ordinal = ordinal;
    return false;
}

static void line_up(struct fanout *fanout, struct waiting *waiting)
{
    if (fanout->last)
        fanout->last->next = waiting;
    else
        fanout->first = waiting;
    fanout->last = waiting;
    fanout->count++;
    fanout->bytes += waiting->bytes;
    if (waiting->state == WAITING_NEW && !fanout->unmatched)
        fanout->unmatched = waiting;
}

static void take_row(struct fanout *fanout, struct event *event)
{
    const struct event_row *row = &event->row;
    const struct change *change = &row->change;

    if (is_past(fanout, row->commit_lsn, row->ordinal) || change->kind == CHANGE_TRUNCATE)
        return;
    if (hub_follows(fanout->core->hub, change->schema, change->table))
        line_up(fanout, waiting_new(event));
}

/* A message knows whom it is for, unless it stands behind rows that do not. */
static void take_message(struct fanout *fanout, struct event *event)
{
    const struct event_message *message = &event->message;
    struct waiting *waiting;

    if (is_past(fanout, message->commit_lsn, message->ordinal))
        return;
    recent_note(&fanout->core->recent, message->xid, clock_monotonic_ms());
    waiting = waiting_new_message(fanout->core, event);
    if (!waiting)
        return;
    if (!fanout->unmatched)
        waiting->state = WAITING_MATCHED;
    line_up(fanout, waiting);
    deliver_decided(fanout);
}

static bool has_missed(const struct channel *channel, const struct event_gap *gap)
{
    if (!channel->room)
        return false;
    return (gap->rows && channel->binding_count > 0) ||
           (gap->messages && channel->rights.may_read_broadcast);
}

/* Everybody who may have missed something rejoins and loads anew. */
static void take_gap(struct fanout *fanout, const struct event_gap *gap)
{
    struct client *next_client;
    struct channel *next;
    size_t failed = 0;

    for (struct client *client = fanout->core->clients; client; client = next_client) {
        next_client = client->next;
        for (struct channel *channel = client->channels; channel; channel = next) {
            next = channel->next;
            if (has_missed(channel, gap)) {
                channel_fail(channel);
                failed++;
            }
            if (client->closing)
                break;
        }
    }
    if (failed > 0)
        log_warn("realtime", "rows or messages were left out, clients rejoin",
                 log_u("channels", failed));
}

void fanout_take(struct fanout *fanout, struct event *event)
{
    switch (event->kind) {
    case EVENT_ROW:
        take_row(fanout, event);
        break;
    case EVENT_MESSAGE:
        take_message(fanout, event);
        break;
    case EVENT_STORED:
        activity_stored(fanout->core, &event->stored);
        break;
    case EVENT_ATTEMPT:
        activity_attempt(fanout->core, &event->attempt);
        break;
    case EVENT_GAP:
        take_gap(fanout, &event->gap);
        break;
    }
    msg_unref(&event->msg);
    check(fanout);
}

void fanout_ready(struct fanout *fanout)
{
    deliver_decided(fanout);
    check(fanout);
    ask(fanout);
}

/* Without an answer the database is asked about each row, which needs no knowledge of ours. */
void fanout_checked(struct fanout *fanout, const struct err *err)
{
    if (err)
        log_error("realtime",
                  "cannot learn the policies of tables, rows are asked about one by one",
                  log_err(err));
    fanout->checking = false;
    fanout->checked_ms = clock_monotonic_ms();
    match_checked(fanout);
    deliver_decided(fanout);
}

static void refuse(struct fanout *fanout, struct waiting *waiting)
{
    const struct change *change = &waiting->question.event->row.change;

    log_error("realtime", "nobody can say who may read a row: it was not sent, clients rejoin",
              log_v("schema", change->schema), log_v("table", change->table));
    stat_add(&fanout->core->stats->rls_errors_total, 1);
    waiting->refused = true;
}

static size_t count_asked(const struct fanout *fanout)
{
    size_t asked = 0;

    for (const struct waiting *w = fanout->first; w; w = w->next)
        asked += w->asked;
    return asked;
}

void fanout_answered(struct fanout *fanout, const struct err *err)
{
    size_t asked = count_asked(fanout);

    if (err)
        log_error("realtime", "the database refused to say who may read rows", log_u("rows", asked),
                  log_err(err));
    if (err && asked > 1)
        fanout->singly += asked;
    for (struct waiting *w = fanout->first; w; w = w->next) {
        if (w->asked && err && asked == 1)
            refuse(fanout, w);
        w->asked = false;
    }
    deliver_decided(fanout);
}

/* One row may be what kills the connection (a policy that crashes a backend), so the rows of the
 * lost batch are asked about one by one from here on. */
void fanout_lost(struct fanout *fanout)
{
    size_t asked = count_asked(fanout);

    for (struct waiting *w = fanout->first; w; w = w->next) {
        if (w->asked && asked == 1 && w->attempts >= MAX_ATTEMPTS)
            refuse(fanout, w);
        w->asked = false;
        if (w->state == WAITING_CHECKING)
            w->state = WAITING_NEW;
    }
    fanout->checking = false;
    fanout->singly += asked;
    deliver_decided(fanout);
}
