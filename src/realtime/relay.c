#include "realtime/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define MAX_MESSAGES 65536 /* in a queue */
/* Topics share places, so a message may go to a loop where nobody wants it. A power of two. */
#define PLACES 65536

struct relay {
    size_t loops;
    size_t max_bytes;
    struct queue *queues[QUEUES_MAX];
    _Atomic unsigned *followed[QUEUES_MAX]; /* PLACES: how many topics a loop has there */
    _Atomic size_t open;                    /* ends that may still push */
};

/* What another loop was not given, and has not been told of yet. */
struct missed {
    bool broadcasts, presences;
};

struct relay_end {
    struct relay *relay;
    unsigned self;
    bool left;
    struct stats *stats;
    struct relay_events events;
    struct missed missed[QUEUES_MAX];
};

struct relay *relay_new(size_t loops, size_t max_bytes)
{
    struct relay *relay = mem_alloc(sizeof(*relay));

    relay->loops = loops;
    relay->max_bytes = max_bytes;
    relay->open = loops;
    for (size_t i = 0; i < loops; i++) {
        relay->queues[i] = queue_new(MAX_MESSAGES, max_bytes);
        relay->followed[i] = mem_array(PLACES, sizeof(*relay->followed[i]));
    }
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    for (size_t i = 0; i < relay->loops; i++) {
        queue_free(relay->queues[i]);
        free(relay->followed[i]);
    }
    free(relay);
}

struct relay_end *relay_open(struct relay *relay, unsigned self, struct stats *stats,
                             const struct relay_events *events)
{
    struct relay_end *end = mem_alloc(sizeof(*end));

    end->relay = relay;
    end->self = self;
    end->stats = stats;
    end->events = *events;
    queue_set_wake(relay->queues[self], events->wake, events->arg);
    return end;
}

void relay_close(struct relay_end *end)
{
    free(end);
}

/* Messages */

static void free_relayed(struct msg *msg)
{
    free(msg);
}

static struct relayed *new_relayed(enum relayed_kind kind, size_t count, size_t text)
{
    size_t size = sizeof(struct relayed) + count * sizeof(struct relayed_presence) + text;
    struct relayed *relayed = mem_alloc(size);

    msg_init(&relayed->msg, size, free_relayed);
    relayed->kind = kind;
    relayed->count = count;
    return relayed;
}

/* The next piece of the allocation's text. */
static struct str put(char **at, struct str text)
{
    struct str copy = str_from(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.data, text.len);
    *at += text.len;
    return copy;
}

static struct str put_object(char **at, struct str open)
{
    struct str object = put(at, open);

    if (open.len == 0)
        return object;
    *(*at)++ = '}';
    return str_from(object.data, open.len + 1);
}

static struct relayed *new_broadcast(struct str topic, bool is_private,
                                     const struct broadcast *broadcast)
{
    size_t text = topic.len + broadcast->event.len + broadcast->payload.len + broadcast->meta.len +
                  broadcast->id.len;
    struct relayed *relayed = new_relayed(RELAYED_BROADCAST, 0, text);
    char *at = (char *)relayed->presences;

    relayed->topic = put(&at, topic);
    relayed->is_private = is_private;
    relayed->broadcast.form = broadcast->form;
    relayed->broadcast.event = put(&at, broadcast->event);
    relayed->broadcast.payload = put(&at, broadcast->payload);
    relayed->broadcast.meta = put(&at, broadcast->meta);
    relayed->broadcast.id = put(&at, broadcast->id);
    return relayed;
}

struct relayed *relayed_presences_new(const struct relayed_presence *presences, size_t count,
                                      bool complete)
{
    struct relayed *relayed;
    size_t text = 0;
    char *at;

    for (size_t i = 0; i < count; i++)
        text += presences[i].topic.len + presences[i].key.len + presences[i].meta.len + 1;
    relayed = new_relayed(RELAYED_PRESENCES, count, text);
    relayed->complete = complete;
    at = (char *)(relayed->presences + count);
    for (size_t i = 0; i < count; i++) {
        relayed->presences[i] = presences[i];
        relayed->presences[i].topic = put(&at, presences[i].topic);
        relayed->presences[i].key = put(&at, presences[i].key);
        relayed->presences[i].meta = put_object(&at, presences[i].meta);
    }
    return relayed;
}

/* Pushing. The reference stays with the caller. */

static bool push(struct relay_end *end, size_t to, struct relayed *relayed)
{
    if (queue_push(end->relay->queues[to], msg_ref(&relayed->msg))) {
        stat_add(&end->stats->relayed_total, 1);
        return true;
    }
    msg_unref(&relayed->msg);
    return false;
}

/* Takes over the reference. */
static bool push_once(struct relay_end *end, size_t to, struct relayed *relayed)
{
    bool pushed;

    relayed->from = end->self;
    pushed = push(end, to, relayed);
    msg_unref(&relayed->msg);
    return pushed;
}

static bool has_missed(const struct relay_end *end, size_t to)
{
    return end->missed[to].broadcasts || end->missed[to].presences;
}

/* Otherwise nearly every message would be a gap of its own. */
static bool has_half_emptied(const struct relay *relay, size_t to)
{
    struct queue_levels levels = queue_levels(relay->queues[to]);

    return levels.bytes <= relay->max_bytes / 2 && levels.depth <= MAX_MESSAGES / 2;
}

/* A list may be long, and may not fit: so this is tried now and then, not with every message. */
static void make_up(struct relay_end *end, size_t to)
{
    struct missed *missed = &end->missed[to];

    if (!has_missed(end, to) || !has_half_emptied(end->relay, to))
        return;
    if (missed->broadcasts && push_once(end, to, new_relayed(RELAYED_GAP, 0, 0)))
        missed->broadcasts = false;
    if (missed->presences && push_once(end, to, end->events.list(end->events.arg)))
        missed->presences = false;
}

static void miss(struct relay_end *end, size_t to, enum relayed_kind kind)
{
    if (!has_missed(end, to)) {
        stat_add(&end->stats->relay_gaps_total, 1);
        log_warn("realtime",
                 "a realtime loop does not keep up with what others pass on; its clients will be "
                 "told what has changed, or to rejoin",
                 log_u("loop", to));
    }
    if (kind == RELAYED_BROADCAST)
        end->missed[to].broadcasts = true;
    else
        end->missed[to].presences = true;
}

static void offer(struct relay_end *end, size_t to, struct relayed *relayed)
{
    if (has_missed(end, to) || !push(end, to, relayed))
        miss(end, to, relayed->kind);
}

/* What loops do */

static size_t place_of(struct str topic, bool is_private)
{
    return hash_more(is_private, topic) % PLACES;
}

/* The loop that joins counts before it answers the join, so whoever sends after the answer is seen
 * here to have somebody to send to. */
void relay_follow(struct relay_end *end, struct str topic, bool is_private, bool follows)
{
    _Atomic unsigned *place;

    if (!end)
        return;
    place = &end->relay->followed[end->self][place_of(topic, is_private)];
    if (follows)
        atomic_fetch_add(place, 1);
    else
        atomic_fetch_sub(place, 1);
}

bool relay_broadcast(struct relay_end *end, struct str topic, bool is_private,
                     const struct broadcast *broadcast)
{
    struct relayed *relayed = NULL;
    size_t place;

    if (!end || end->left)
        return false;
    place = place_of(topic, is_private);
    for (size_t to = 0; to < end->relay->loops; to++) {
        if (to == end->self || atomic_load(&end->relay->followed[to][place]) == 0)
            continue;
        if (!relayed) {
            relayed = new_broadcast(topic, is_private, broadcast);
            relayed->from = end->self;
        }
        offer(end, to, relayed);
    }
    if (!relayed)
        return false;
    msg_unref(&relayed->msg);
    return true;
}

void relay_presence(struct relay_end *end, const struct relayed_presence *presence)
{
    struct relayed *relayed;

    if (!end || end->left)
        return;
    relayed = relayed_presences_new(presence, 1, false);
    relayed->from = end->self;
    for (size_t to = 0; to < end->relay->loops; to++)
        if (to != end->self)
            offer(end, to, relayed);
    msg_unref(&relayed->msg);
}

void relay_retry(struct relay_end *end)
{
    if (!end || end->left)
        return;
    for (size_t to = 0; to < end->relay->loops; to++)
        make_up(end, to);
}

struct relayed *relay_pop(struct relay_end *end)
{
    return (struct relayed *)queue_pop(end->relay->queues[end->self]);
}

void relay_leave(struct relay_end *end)
{
    if (!end || end->left)
        return;
    end->left = true;
    atomic_fetch_sub(&end->relay->open, 1);
}

bool relay_is_left(const struct relay_end *end)
{
    return !end || atomic_load(&end->relay->open) == 0;
}
