#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

/* A ring: messages stand at first, first+1, ... first+depth-1, modulo max_messages. */
struct queue {
    pthread_mutex_t lock;
    struct msg **ring;
    size_t max_messages;
    size_t max_bytes;
    size_t first;
    struct queue_levels levels;
    void (*wake)(void *arg);
    void *wake_arg;
};

void msg_init(struct msg *msg, size_t bytes, void (*free_msg)(struct msg *msg))
{
    atomic_init(&msg->refs, 1);
    msg->bytes = bytes;
    msg->free = free_msg;
}

struct msg *msg_ref(struct msg *msg)
{
    atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    return msg;
}

void msg_unref(struct msg *msg)
{
    if (msg && atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) == 1)
        msg->free(msg);
}

struct queue *queue_new(size_t max_messages, size_t max_bytes)
{
    struct queue *q = mem_alloc(sizeof(*q));

    pthread_mutex_init(&q->lock, NULL);
    q->ring = mem_array(max_messages, sizeof(*q->ring));
    q->max_messages = max_messages;
    q->max_bytes = max_bytes;
    return q;
}

void queue_free(struct queue *q)
{
    struct msg *msg;

    if (!q)
        return;
    while ((msg = queue_pop(q)))
        msg_unref(msg);
    pthread_mutex_destroy(&q->lock);
    free(q->ring);
    free(q);
}

void queue_set_wake(struct queue *q, void (*wake)(void *arg), void *arg)
{
    q->wake = wake;
    q->wake_arg = arg;
}

bool queue_push(struct queue *q, struct msg *msg)
{
    bool was_empty, fits;

    pthread_mutex_lock(&q->lock);
    was_empty = q->levels.depth == 0;
    fits = was_empty ||
           (q->levels.depth < q->max_messages && q->levels.bytes + msg->bytes <= q->max_bytes);
    if (fits) {
        q->ring[(q->first + q->levels.depth) % q->max_messages] = msg;
        q->levels.depth++;
        q->levels.bytes += msg->bytes;
    } else {
        q->levels.refused++;
    }
    pthread_mutex_unlock(&q->lock);
    if (fits && was_empty && q->wake)
        q->wake(q->wake_arg);
    return fits;
}

struct msg *queue_pop(struct queue *q)
{
    struct msg *msg = NULL;

    pthread_mutex_lock(&q->lock);
    if (q->levels.depth > 0) {
        msg = q->ring[q->first];
        q->first = (q->first + 1) % q->max_messages;
        q->levels.depth--;
        q->levels.bytes -= msg->bytes;
    }
    pthread_mutex_unlock(&q->lock);
    return msg;
}

void queues_push(const struct queues *queues, struct msg *msg)
{
    for (size_t i = 0; i < queues->count; i++)
        if (!queue_push(queues->items[i], msg_ref(msg)))
            msg_unref(msg);
    msg_unref(msg);
}

struct queue_levels queue_levels(struct queue *q)
{
    struct queue_levels levels;

    pthread_mutex_lock(&q->lock);
    levels = q->levels;
    pthread_mutex_unlock(&q->lock);
    return levels;
}
