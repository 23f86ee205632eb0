/* A postgres_changes subscription: what a client asked to be told. */
#ifndef PGHERALD_REALTIME_BINDING_H
#define PGHERALD_REALTIME_BINDING_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/policy.h"
#include "realtime/names.h"
#include "row/predicate.h"

struct json_t;
struct channel;
struct session;

#define BINDING_MAX_NAME 255

struct binding {
    uint64_t id;              /* 1 to 2^53: equal parameters, equal id */
    unsigned kinds;           /* bits 1 << CHANGE_INSERT, _UPDATE, _DELETE */
    char *schema;             /* `*`: all of them */
    char *table;              /* `*`: all of them */
    struct predicate *filter; /* NULL: every row */
    struct names select;      /* empty: every column */

    struct channel *channel; /* who asked */

    /* The hub's, see crowd.c: whose rights count, what the claims come to in the policies that the
     * binding is filed by, and where it stands in which list. */
    const struct session *session;
    struct policy_session *bound;
    size_t at[3];
    bool is_filed[POLICY_MAX_KEYS]; /* by a key of the policies; if not, in no list of it */
    size_t at_key[POLICY_MAX_KEYS];
};

/* Reads one entry of config.postgres_changes. `filter` and `select` that cannot work are FAILED
 * with what is wrong, and *out is NULL. */
enum result binding_read(const struct json_t *object, struct binding **out,
                         struct err *err) MUST_CHECK;
void binding_free(struct binding *binding);

/* The id of what the object asks for, also where it cannot work. Never 0. */
uint64_t binding_id(const struct json_t *object);

/* The columns that it names: the nth, first those of its filter, then those it selects; empty
 * behind the last. Borrowed. */
struct str binding_column(const struct binding *binding, size_t n);
/* Whether its filter can never hold, since it compares a column with what that cannot be; says so.
 * `kinds` has a letter for each column, see sql/queries/realtime_bindings.sql; it may be short. */
bool binding_is_misfit(const struct binding *binding, struct str kinds, struct err *why);

/* Appends the entry of the join's reply: the client's own words with the id. The client compares
 * them with what it sent, so nothing is put in order here. */
void binding_echo(struct buf *out, const struct json_t *object);

#endif
