/* A row on its way to the clients that bound it: the question who may read it, and where it goes.
 * Or a message to a topic, which stands in the same line. */
#ifndef PGHERALD_REALTIME_WAITING_H
#define PGHERALD_REALTIME_WAITING_H

#include "realtime/channel.h"
#include "realtime/policies.h"
#include "realtime/question.h"

/* A binding that the row satisfies, or did before an UPDATE. Those of one channel are chained. */
struct target {
    struct binding *binding; /* kept alive by the recipient's channel */
    bool now;                /* the change satisfies it */
    bool before;             /* it would have been told had the old row been deleted */
    size_t next;             /* TARGET_NONE ends the chain */
};
#define TARGET_NONE SIZE_MAX

struct recipient {
    struct channel *channel; /* one reference */
    size_t place;            /* of its session in the question */
    size_t first, last;      /* targets */
};

enum waiting_state {
    WAITING_NEW,      /* nobody has looked at it */
    WAITING_CHECKING, /* it is being asked whether what is known of its table holds */
    WAITING_MATCHED   /* its recipients are known, and what the policies say in memory */
};

struct waiting {
    struct waiting *next;
    enum waiting_state state;
    struct question question;
    struct recipient *recipients;
    size_t recipient_count, recipient_cap;
    struct target *targets;
    size_t target_count, target_cap;
    size_t bytes;      /* the memory it holds, about */
    unsigned attempts; /* how often it was put to the database */
    bool asked;        /* it is in the batch under way */
    bool refused;      /* the database cannot answer: who depends on that is told to rejoin */
};

struct waiting *waiting_new(struct event *event);
/* The same for a message: there is nothing to ask about it, but it must not overtake the rows in
 * front of it. NULL: nobody listens to its topic. */
struct waiting *waiting_new_message(const struct core *core, struct event *event);
void waiting_free(struct waiting *waiting);

/* Finds everybody who bound the row and may be told of it, or may have to ask. A message knows its
 * own. */
void waiting_match(struct waiting *waiting, struct core *core, const struct policies *policies);

/* Sends the row to those with a YES, the message to its topic. */
void waiting_deliver(struct waiting *waiting, struct core *core, uint64_t now_ms);

#endif
