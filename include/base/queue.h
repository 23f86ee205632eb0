/* A bounded, one-way queue of ref-counted messages between two threads.
 *
 * Pushing never blocks: a full queue refuses, the refusal is counted, and the pusher applies its
 * own policy (hold back, or drop and tell). `wake` runs on the pusher's thread when the queue was
 * empty; the receiver's loop is woken there (uv_async_send). */
#ifndef PGHERALD_BASE_QUEUE_H
#define PGHERALD_BASE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every message starts with. The last msg_unref() calls `free`. */
struct msg {
    atomic_uint refs;
    size_t bytes; /* what it counts against the queue's byte limit */
    void (*free)(struct msg *msg);
};

void msg_init(struct msg *msg, size_t bytes, void (*free)(struct msg *msg)); /* one reference */
struct msg *msg_ref(struct msg *msg);
void msg_unref(struct msg *msg);

struct queue;

struct queue_levels {
    size_t depth;     /* messages in it now */
    size_t bytes;     /* their sum now */
    uint64_t refused; /* pushes refused since it was made */
};

struct queue *queue_new(size_t max_messages, size_t max_bytes);
void queue_free(struct queue *q); /* drops what is in it */

/* To be called before the other thread starts pushing. */
void queue_set_wake(struct queue *q, void (*wake)(void *arg), void *arg);

/* Takes over one reference of `msg` on success. One message alone always fits, whatever its size.
 * false: full, the reference stays with the caller. */
bool queue_push(struct queue *q, struct msg *msg);

/* The oldest message, its reference now the caller's; NULL when empty. */
struct msg *queue_pop(struct queue *q);

struct queue_levels queue_levels(struct queue *q);

/* Several queues that are given the same messages, each to be emptied by a thread of its own. */
#define QUEUES_MAX 16

struct queues {
    struct queue *items[QUEUES_MAX];
    size_t count;
};

/* Takes over the reference, whoever has room for the message. */
void queues_push(const struct queues *queues, struct msg *msg);

#endif
