/* "Who may read this row?": the question about one change, for every session that might be told of
 * it, and how it is put to PostgreSQL. Pure; rls asks. */
#ifndef PGHERALD_REALTIME_QUESTION_H
#define PGHERALD_REALTIME_QUESTION_H

#include "base/buf.h"
#include "realtime/access.h"
#include "realtime/session.h"
#include "row/event.h"

/* ASK is the state before the answer. Where the policies can be judged in memory (judge.h) YES or
 * NO are there beforehand; only what is still ASK goes to the database. */
enum verdict_state { VERDICT_ASK, VERDICT_YES, VERDICT_NO };

struct verdict {
    enum verdict_state state;
    size_t place;                /* the session's in the batch that asks */
    bool old_visible;            /* the same session could read the row before the change */
    bool rls;                    /* row level security is on for the table */
    bool failed;                 /* a policy raised an error; `problem` is for the log */
    struct table_access *access; /* what it was judged by, one reference; NULL: by the database */
    struct names answered;       /* columns the session may not read, as the database says */
    char sqlstate[6];
    char *problem;
};

/* Columns the session may not read. */
static inline const struct names *verdict_hidden(const struct verdict *verdict)
{
    return verdict->access ? &verdict->access->hidden : &verdict->answered;
}

struct question {
    struct event *event; /* one reference; of an EVENT_MESSAGE nobody is asked anything */
    bool wants_old;      /* who could read the old row of an UPDATE matters */
    struct session **sessions;
    struct verdict *verdicts; /* as many as sessions */
    size_t count, cap;
};

void question_init(struct question *question, struct event *event);
void question_fini(struct question *question);

/* The place of the session in the question, adding it if it is new. `stamp` is a number that
 * belongs to this question alone; it makes the search a look. */
size_t question_place(struct question *question, struct session *session, uint64_t stamp);

/* Whether the session has a place in the question already. */
static inline bool question_knows(const struct session *session, uint64_t stamp)
{
    return session->seen == stamp;
}

/* The row that is judged: as it is after the change, for DELETE as it was. What the record lacks is
 * in `rest`, if the stream carried the old row as a whole. */
void question_image(const struct change *change, struct columns *record, struct columns *rest);

/* How many sessions there are left to ask for. */
size_t question_open(const struct question *question);

/* Writes $1 and $2 of sql/queries/realtime_visible.sql, and the places in the verdicts. */
void question_write(struct question *const *questions, size_t count, struct buf *questions_out,
                    struct buf *sessions_out);

#endif
