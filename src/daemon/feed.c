#include "daemon/feed.h"

#include "base/log.h"

#define GAP_RETRY_MS 100
#define MAX_SCRATCH ((size_t)1 << 30)
#define KEEP_SCRATCH ((size_t)1 << 20)

void feed_init(struct feed *feed, uv_loop_t *loop, const struct config *config, struct stats *stats,
               struct queue *queue, const struct feed_audience *audience)
{
    feed->config = config;
    feed->stats = stats;
    feed->queue = queue;
    feed->audience = *audience;
    feed->gap = (struct event_gap){0};
    buf_init(&feed->scratch, MAX_SCRATCH);
    uv_timer_init(loop, &feed->timer);
    feed->timer.data = feed;
}

void feed_close(struct feed *feed)
{
    uv_close((uv_handle_t *)&feed->timer, NULL);
}

void feed_fini(struct feed *feed)
{
    buf_fini(&feed->scratch);
}

static bool push(struct feed *feed, struct event *event)
{
    if (queue_push(feed->queue, &event->msg))
        return true;
    msg_unref(&event->msg);
    return false;
}

static bool is_in_gap(const struct feed *feed)
{
    return feed->gap.rows || feed->gap.messages;
}

/* Nothing is said until the queue has half emptied: otherwise nearly every row would be a gap of
 * its own. */
static void try_to_end_gap(struct feed *feed)
{
    if (queue_levels(feed->queue).bytes > feed->config->realtime_queue_bytes / 2 ||
        !push(feed, event_new_gap(&feed->gap)))
        return;
    feed->gap = (struct event_gap){0};
    uv_timer_stop(&feed->timer);
}

/* The last row of a burst may have been left out: the gap is told even if no row follows. */
static void on_timer(uv_timer_t *timer)
{
    try_to_end_gap(timer->data);
}

/* Puts the event into the queue, or notes in `left_out` that it is missing there. */
static void offer(struct feed *feed, struct event *event, bool *left_out)
{
    bool was_in_gap = is_in_gap(feed);

    if (push(feed, event))
        return;
    *left_out = true;
    if (was_in_gap)
        return;
    uv_timer_start(&feed->timer, on_timer, GAP_RETRY_MS, GAP_RETRY_MS);
    stat_add(&feed->stats->realtime_gaps_total, 1);
    log_warn("pipeline", "the realtime queue is full; clients will be told to rejoin");
}

/* Whether it may be offered at all: what follows a gap must stand behind the word of it. */
static bool is_past_gap(struct feed *feed, bool *left_out)
{
    if (is_in_gap(feed))
        try_to_end_gap(feed);
    if (!is_in_gap(feed))
        return true;
    *left_out = true;
    return false;
}

void feed_row(struct feed *feed, const struct change *change, const struct position *position,
              size_t source_bytes, struct types *types)
{
    if (change->kind == CHANGE_TRUNCATE || feed->audience.bindings(feed->audience.arg) == 0 ||
        !is_past_gap(feed, &feed->gap.rows))
        return;
    offer(feed, event_new_row(change, position->commit_lsn, position->ordinal, source_bytes, types),
          &feed->gap.rows);
}

void feed_message(struct feed *feed, const struct change *change, const struct position *position)
{
    struct stored_message message;
    struct err err;

    if (change->kind != CHANGE_INSERT || !is_past_gap(feed, &feed->gap.messages))
        return;
    if (stored_message_read(change, &feed->scratch, feed->config->realtime_max_payload_bytes,
                            &message, &err) != OK) {
        stat_add(&feed->stats->messages_rejected_total, 1);
        log_warn("pipeline", "a row of realtime.messages was not sent", log_err(&err));
        return;
    }
    offer(feed, event_new_message(&message, position), &feed->gap.messages);
    buf_shrink(&feed->scratch, KEEP_SCRATCH);
}

void feed_gap(struct feed *feed)
{
    feed->gap = (struct event_gap){.rows = true, .messages = true};
    uv_timer_start(&feed->timer, on_timer, GAP_RETRY_MS, GAP_RETRY_MS);
    try_to_end_gap(feed);
}

void feed_stored(struct feed *feed, const struct event_stored *stored)
{
    if (feed->audience.bindings(feed->audience.arg) > 0)
        push(feed, event_new_stored(stored));
}
