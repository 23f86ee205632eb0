#include "daemon/pipeline_internal.h"

static void check_endpos(struct pipeline *p, lsn_t durable)
{
    if (p->endpos && durable >= p->endpos) {
        stream_send_feedback(p->stream);
        p->doors.finished(p->doors.arg, 0);
        p->endpos = 0;
    }
}

static void confirm(struct pipeline *p, lsn_t durable)
{
    p->confirmed = durable > p->confirmed ? durable : p->confirmed;
    stream_confirm(p->stream, durable);
    stat_set(&p->stats->stored_lsn, durable);
    check_endpos(p, durable);
}

/* Where the stream has come to may be confirmed once nothing is unsaved (the server does not say it
 * again), and once it is recorded that it may be. */
static void confirm_idle(struct pipeline *p)
{
    lsn_t idle = p->idle;

    if (idle == 0 || p->txn.open || p->held.len > 0 || !store_is_idle(p->store) ||
        idle > p->journal.confirmable)
        return;
    p->idle = 0;
    confirm(p, idle);
}

void pipeline_settle(struct pipeline *p)
{
    confirm_idle(p);
    if (p->state == PIPELINE_RUNNING)
        journal_speak(&p->journal, p->store, store_is_idle(p->store) ? p->idle : 0, p->confirmed);
}

/* A part of a source transaction that is on its way goes with its connection: the last word needs
 * another. */
void pipeline_stop_when_settled(struct pipeline *p)
{
    if (!store_is_settled(p->store))
        return;
    if (p->journal.is_stopped) {
        uv_stop(&p->loop);
        return;
    }
    journal_speak(&p->journal, p->store, 0, p->confirmed);
    if (!p->journal.is_asking && !store_is_idle(p->store)) {
        store_close(p->store);
        transaction_reset(&p->txn);
        pipeline_open_store(p);
    }
}

void pipeline_on_said(void *arg)
{
    struct pipeline *p = arg;

    if (p->state == PIPELINE_STOPPING)
        pipeline_stop_when_settled(p);
    else
        pipeline_settle(p);
}

/* The server says that nothing more is to come up to wal_end: an idle or filtered slot may move. */
void pipeline_on_idle(void *arg, lsn_t wal_end)
{
    struct pipeline *p = arg;

    p->idle = wal_end;
    pipeline_settle(p);
}

void pipeline_on_stored(void *arg, const struct batch *batch)
{
    struct pipeline *p = arg;
    const struct event_stored stored = {batch->mark.commit_lsn, batch->audit_rows,
                                        batch->notification_rows, batch->delivery_rows};

    p->backoff_ms = PIPELINE_FIRST_BACKOFF_MS;
    p->failures = 0;
    p->stored = batch->mark.commit_lsn;
    if (batch->delivery_rows > 0 || batch->rule_changes > 0) /* a webhook may be active again */
        p->doors.outbox_grew(p->doors.arg);
    feed_stored(&p->feed, &stored);
    if (p->idle <= batch->mark.end_lsn)
        p->idle = 0;
    if (p->stream) {
        confirm(p, batch->mark.end_lsn);
        pipeline_settle(p);
        pipeline_on_room(p);
    }
    if (p->state == PIPELINE_STOPPING)
        pipeline_stop_when_settled(p);
}
