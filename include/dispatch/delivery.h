/* A delivery: a row of the outbox that was claimed, on its way through the dispatcher.
 *
 *   outbox ─claim─▶ endpoint's waiting list ─▶ sender ─▶ list of results ─record─▶ outbox, freed
 *
 * It is on exactly one list, or with the sender. It owns all its text. */
#ifndef PGHERALD_DISPATCH_DELIVERY_H
#define PGHERALD_DISPATCH_DELIVERY_H

#include "base/buf.h"
#include "base/err.h"
#include "dispatch/breaker.h"
#include "dispatch/schedule.h"

struct endpoint;

enum delivery_field {
    DELIVERY_ID, /* of the row, as text */
    DELIVERY_WEBHOOK_ID,
    DELIVERY_MESSAGE_ID,
    DELIVERY_EVENT_TYPE,
    DELIVERY_PAYLOAD,
    DELIVERY_ENDPOINT_NAME,
    DELIVERY_URL,
    DELIVERY_SECRETS, /* those that are valid, with spaces between */
    DELIVERY_HEADERS, /* a json object */
    DELIVERY_VERSION, /* webhooks.updated_at as it was when the row was claimed */
    DELIVERY_ORIGIN,  /* change, replay or test */
    DELIVERY_FIELDS
};

/* What came of the attempt that was made. */
struct attempt {
    uint64_t started_ms; /* clock_monotonic_ms() */
    unsigned duration_ms;
    int status_code; /* 0: no answer */
    struct schedule_decision decision;
    bool moved_breaker; /* of its endpoint, to what follows */
    enum breaker_state breaker;
    uint64_t breaker_pause_ms;
    unsigned breaker_opened;
    struct err error; /* empty if delivered */
    struct buf response;
};

struct delivery {
    struct delivery *next;
    struct endpoint *endpoint;
    struct buf text;
    struct str field[DELIVERY_FIELDS]; /* into text, each with a NUL behind it */
    unsigned attempts;                 /* made before */
    unsigned timeout_ms;
    unsigned max_retries;
    unsigned max_concurrency; /* of its endpoint; 0: the configured one */
    unsigned rate;            /* requests a second; 0: any */
    struct schedule_plan plan;
    bool is_probe;           /* its endpoint's breaker is half open */
    unsigned breaker_opened; /* and opened so often in a row */
    uint64_t claimed_ms;     /* clock_monotonic_ms() */
    struct attempt attempt;
};

struct delivery_list {
    struct delivery *first;
    struct delivery *last;
    size_t count;
};

/* Copies the fields; NULL if they are longer than the server can send. */
struct delivery *delivery_new(const struct str field[DELIVERY_FIELDS]);
void delivery_free(struct delivery *delivery); /* NULL is fine */

void delivery_list_add(struct delivery_list *list, struct delivery *delivery);
struct delivery *delivery_list_take(struct delivery_list *list); /* the first; NULL when empty */
/* Moves all of `from` behind what `list` has. */
void delivery_list_join(struct delivery_list *list, struct delivery_list *from);
void delivery_list_free(struct delivery_list *list);

#endif
