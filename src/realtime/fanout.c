#include "realtime/fanout.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "realtime/activity.h"
#include "realtime/waiting.h"

#define MAX_WAITING 8192
#define MAX_WAITING_BYTES ((size_t)64 << 20)
#define MAX_BATCH_BYTES ((size_t)8 << 20)
/* Verdicts in a batch, so that it ends well within its time-out. */
#define MAX_BATCH_SESSIONS 2000
#define MAX_ATTEMPTS 4 /* a row that breaks the connection so often is not asked about again */

struct fanout {
    struct core *core;
    struct rls *rls;
    struct waiting *first, *last;
    size_t count, bytes;
    size_t singly; /* after a refused batch: so many rows are asked about one by one */
    lsn_t last_lsn;
    uint64_t last_ordinal;
};

struct fanout *fanout_new(struct core *core)
{
    struct fanout *fanout = mem_alloc(sizeof(*fanout));

    fanout->core = core;
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
    return waiting->refused || !question_is_open(&waiting->question);
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

    for (struct waiting *w = fanout->first; w && count < limit; w = w->next) {
        if (is_decided(w))
            continue;
        bytes += w->question.event->msg.bytes;
        sessions += w->question.count;
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

/* NULL: it is for nobody. */
static void line_up(struct fanout *fanout, struct waiting *waiting)
{
    if (!waiting)
        return;
    if (fanout->last)
        fanout->last->next = waiting;
    else
        fanout->first = waiting;
    fanout->last = waiting;
    fanout->count++;
    fanout->bytes += waiting->bytes;
    deliver_decided(fanout);
}

static void take_row(struct fanout *fanout, struct event *event)
{
    const struct event_row *row = &event->row;

    if (is_past(fanout, row->commit_lsn, row->ordinal) || row->change.kind == CHANGE_TRUNCATE)
        return;
    line_up(fanout, waiting_new(fanout->core, event));
}

static void take_message(struct fanout *fanout, struct event *event)
{
    const struct event_message *message = &event->message;

    if (is_past(fanout, message->commit_lsn, message->ordinal))
        return;
    recent_note(&fanout->core->recent, message->xid, clock_monotonic_ms());
    line_up(fanout, waiting_new_message(fanout->core, event));
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
    ask(fanout);
}

void fanout_ready(struct fanout *fanout)
{
    deliver_decided(fanout);
    ask(fanout);
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
    }
    fanout->singly += asked;
    deliver_decided(fanout);
}
