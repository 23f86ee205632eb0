/* "May we do what in this topic?": what joins and senders wait to be told, and how it is put to
 * PostgreSQL. Pure; authorizer asks.
 *
 * Whoever asks the same (session, topic) while it has not been put yet shares the answer. Not
 * later: rights that are taken away count from the next question on. */
#ifndef PGHERALD_REALTIME_PETITION_H
#define PGHERALD_REALTIME_PETITION_H

#include "base/buf.h"
#include "base/err.h"
#include "realtime/rights.h"
#include "realtime/session.h"

struct petitioner {
    struct petitioner *next;
    rights_cb *cb;
    void *arg;
};

struct petition {
    struct map_node node; /* while it waits in a line */
    struct petition *next;
    struct session *session; /* one reference */
    char *topic;             /* without `realtime:` */
    uint64_t since_ms;
    struct petitioner *petitioners; /* NULL: they have been told already */
    bool alone;                     /* not to be asked together with others any more */
    unsigned losses;                /* connections that broke while it was asked */
};

/* First in, first out. */
struct petition_line {
    struct petition *first, *last;
    struct map open; /* by session and topic */
    size_t count;
};

void petition_line_fini(struct petition_line *line); /* must be empty */
void petition_line_ask(struct petition_line *line, struct session *session, struct str topic,
                       uint64_t now_ms, rights_cb *cb, void *arg);
/* Puts back what was taken out and has no answer: at the end, or in front. */
void petition_line_add(struct petition_line *line, struct petition *petition);
void petition_line_add_first(struct petition_line *line, struct petition *petition);
/* The oldest, now the caller's; NULL if it is empty. */
struct petition *petition_line_take(struct petition_line *line);

/* Tells everybody who asked; the petition stays the caller's. */
void petition_tell(struct petition *petition, const struct channel_rights *rights,
                   const struct err *why);
/* All have been told. */
void petition_free(struct petition *petition);

/* Writes $1 and $2 of sql/queries/realtime_authorize.sql. `stamp` is a number that belongs to this
 * batch alone. */
void petition_write(struct petition *const *batch, size_t count, uint64_t stamp,
                    struct buf *questions, struct buf *sessions);

#endif
