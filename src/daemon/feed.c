#include "daemon/feed.h"

#include "base/log.h"

#define GAP_RETRY_MS 100
#define MAX_SCRATCH ((size_t)1 << 30)
#define KEEP_SCRATCH ((size_t)1 << 20)

void feed_init(struct feed *feed, uv_loop_t *loop, const struct config *config, struct stats *stats,
               const struct queues *queues, const struct feed_audience *audience)
{
    feed->config = config;
    feed->stats = stats;
    feed->door_count = queues->count;
    for (size_t i = 0; i < queues->count; i++)
        feed->doors[i] = (struct feed_door){.queue = queues->items[i]};
    feed->audience = *audience;
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

/* The reference stays with the caller. */
static bool push(const struct feed_door *door, struct event *event)
{
    if (queue_push(door->queue, msg_ref(&event->msg)))
        return true;
    msg_unref(&event->msg);
    return false;
}

static bool is_in_gap(const struct feed_door *door)
{
    return door->gap.rows || door->gap.messages;
}

/* Nothing is said until the queue has half emptied: otherwise nearly every row would be a gap of
 * its own. */
static void try_to_end_gap(const struct feed *feed, struct feed_door *door)
{
    struct event *event;

    if (!is_in_gap(door) ||
        queue_levels(door->queue).bytes > feed->config->realtime_queue_bytes / 2)
        return;
    event = event_new_gap(&door->gap);
    if (push(door, event))
        door->gap = (struct event_gap){0};
    msg_unref(&event->msg);
}

/* The last row of a burst may have been left out: the gap is told even if no row follows. */
static void on_timer(uv_timer_t *timer)
{
    struct feed *feed = timer->data;
    bool any = false;

    for (size_t i = 0; i < feed->door_count; i++) {
        try_to_end_gap(feed, &feed->doors[i]);
        any = any || is_in_gap(&feed->doors[i]);
    }
    if (!any)
        uv_timer_stop(timer);
}

static void begin_gap(struct feed *feed)
{
    uv_timer_start(&feed->timer, on_timer, GAP_RETRY_MS, GAP_RETRY_MS);
    stat_add(&feed->stats->realtime_gaps_total, 1);
    log_warn("pipeline", "the realtime queue is full; clients will be told to rejoin");
}

/* What follows a gap must stand behind the word of it. */
static void offer(struct feed *feed, struct feed_door *door, struct event *event)
{
    bool was_in_gap;

    try_to_end_gap(feed, door);
    was_in_gap = is_in_gap(door);
    if (!was_in_gap && push(door, event))
        return;
    door->gap.rows = door->gap.rows || event->kind == EVENT_ROW;
    door->gap.messages = door->gap.messages || event->kind == EVENT_MESSAGE;
    if (!was_in_gap)
        begin_gap(feed);
}

/* Takes over the reference. */
static void offer_all(struct feed *feed, struct event *event)
{
    for (size_t i = 0; i < feed->door_count; i++)
        offer(feed, &feed->doors[i], event);
    msg_unref(&event->msg);
}

/* While nothing could be taken, nothing need be made. */
static bool has_room(struct feed *feed)
{
    bool any = false;

    for (size_t i = 0; i < feed->door_count; i++) {
        try_to_end_gap(feed, &feed->doors[i]);
        any = any || !is_in_gap(&feed->doors[i]);
    }
    return any;
}

static void leave_out(struct feed *feed, struct event_gap gap)
{
    for (size_t i = 0; i < feed->door_count; i++) {
        feed->doors[i].gap.rows = feed->doors[i].gap.rows || gap.rows;
        feed->doors[i].gap.messages = feed->doors[i].gap.messages || gap.messages;
    }
}

void feed_row(struct feed *feed, const struct change *change, const struct position *position,
              size_t source_bytes, struct types *types)
{
    if (change->kind == CHANGE_TRUNCATE || feed->audience.bindings(feed->audience.arg) == 0)
        return;
    if (has_room(feed))
        offer_all(feed, event_new_row(change, position->commit_lsn, position->ordinal, source_bytes,
                                      types));
    else
        leave_out(feed, (struct event_gap){.rows = true});
}

void feed_message(struct feed *feed, const struct change *change, const struct position *position)
{
    struct stored_message message;
    struct err err;

    if (change->kind != CHANGE_INSERT)
        return;
    if (!has_room(feed)) {
        leave_out(feed, (struct event_gap){.messages = true});
        return;
    }
    if (stored_message_read(change, &feed->scratch, feed->config->realtime_max_payload_bytes,
                            &message, &err) != OK) {
        stat_add(&feed->stats->messages_rejected_total, 1);
        log_warn("pipeline", "a row of realtime.messages was not sent", log_err(&err));
        return;
    }
    offer_all(feed, event_new_message(&message, position));
    buf_shrink(&feed->scratch, KEEP_SCRATCH);
}

void feed_gap(struct feed *feed)
{
    leave_out(feed, (struct event_gap){.rows = true, .messages = true});
    uv_timer_start(&feed->timer, on_timer, GAP_RETRY_MS, GAP_RETRY_MS);
    on_timer(&feed->timer);
}

void feed_stored(struct feed *feed, const struct event_stored *stored)
{
    struct event *event;

    if (feed->audience.bindings(feed->audience.arg) == 0)
        return;
    event = event_new_stored(stored);
    for (size_t i = 0; i < feed->door_count; i++)
        (void)push(&feed->doors[i], event);
    msg_unref(&event->msg);
}
