/* "Who may read this row?": the question about one change, for every session that might be told of
 * it, and how it is put to PostgreSQL. Pure; rls asks. */
#ifndef PGHERALD_REALTIME_QUESTION_H
#define PGHERALD_REALTIME_QUESTION_H

#include "base/buf.h"
#include "realtime/names.h"
#include "realtime/session.h"
#include "row/event.h"

/* ASK is the state before the answer. Whoever knows better (a policy evaluated in memory) may put
 * YES or NO there beforehand; only what is still ASK goes to the database. */
enum verdict_state { VERDICT_ASK, VERDICT_YES, VERDICT_NO };

struct verdict {
    enum verdict_state state;
    size_t place;        /* the session's in the batch that asks */
    bool old_visible;    /* the same session could read the row before the change */
    bool rls;            /* row level security is on for the table */
    bool failed;         /* a policy raised an error; `problem` is for the log */
    struct names hidden; /* columns the session may not read */
    char sqlstate[6];
    char *problem;
};

struct question {
    struct event *event; /* one reference; of an EVENT_MESSAGE nobody is asked anything */
    struct session **sessions;
    struct verdict *verdicts; /* as many as sessions */
    size_t count, cap;
};

void question_init(struct question *question, struct event *event);
void question_fini(struct question *question);

/* The place of the session in the question, adding it if it is new. `stamp` is a number that
 * belongs to this question alone; it makes the search a look. */
size_t question_place(struct question *question, struct session *session, uint64_t stamp);

/* Whether there is anything left to ask. */
bool question_is_open(const struct question *question);

/* Writes $1 and $2 of sql/queries/realtime_visible.sql, and the places in the verdicts. */
void question_write(struct question *const *questions, size_t count, struct buf *questions_out,
                    struct buf *sessions_out);

#endif
