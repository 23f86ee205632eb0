/* What is known of the policies of tables, by table and role, and how it is kept true.
 *
 * Before a row is judged by what is known, the database is asked whether that still holds; a batch
 * of rows needs one question, about the tables in it. What comes back is only what has changed.
 * Pure; rls asks. */
#ifndef PGHERALD_REALTIME_POLICIES_H
#define PGHERALD_REALTIME_POLICIES_H

#include "base/buf.h"
#include "realtime/access.h"
#include "realtime/hub.h"

struct policies;

struct policies *policies_new(void);
void policies_free(struct policies *policies);

/* A question: begin, want every table, and write it. */
void policies_begin(struct policies *policies);
/* Adds a table with all roles that follow it, if it is not in the question yet. false: it is full
 * already. */
bool policies_want(struct policies *policies, const struct hub *hub, struct str schema,
                   struct str table);
/* $1 of sql/queries/realtime_policies.sql. */
struct str policies_question(struct policies *policies);

/* The answer. First the snapshot that it is true of, then what has changed; the rest holds as it
 * was. A print without data says that nothing can be said yet. */
void policies_set_snapshot(struct policies *policies, struct str snapshot);
void policies_learn(struct policies *policies, size_t place, struct str print, struct str facts);
/* There was no answer: of what was asked nothing is known. */
void policies_doubt(struct policies *policies);

/* Whether what was learned holds for the rows of a transaction: they reach us before others can see
 * that it has committed, and it may have changed policies itself. If not, ask again. After
 * policies_doubt() nothing holds, and it is true. */
bool policies_hold(const struct policies *policies, uint32_t xid);

/* What the role may do with the table, if the last question asked for it; NULL: not known. */
struct table_access *policies_find(const struct policies *policies, struct str schema,
                                   struct str table, struct str role);

#endif
