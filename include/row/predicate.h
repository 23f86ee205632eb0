/* The one grammar for conditions: realtime filters, webhook filters, notification conditions.
 *
 *   predicate := term ("," term)*              all must hold
 *   term      := [old "."] column "=" ["not."] op "." value
 *   op        := eq neq lt lte gt gte in like ilike is match imatch isdistinct
 *
 * Commas inside parentheses or double quotes do not split. `in` takes `(a,b,"c,d")`, at most 100
 * values. `is` takes null, true, false, unknown, and changed: an UPDATE whose old row has another
 * value (of other changes, and where the replica identity lacks the column, nothing is known).
 * Values are compared as the column's type compares: numbers exactly by their digits, booleans,
 * timestamps by instant, uuids without regard to case, text by bytes. A column that the row does
 * not carry, or NULL, does not match (as in SQL, `not.` does not change that, but for `is` and
 * `isdistinct`). Source: PostgREST's horizontal filtering, and Supabase Realtime's subset of it. */
#ifndef PGHERALD_ROW_PREDICATE_H
#define PGHERALD_ROW_PREDICATE_H

#include "base/err.h"
#include "row/change.h"
#include "row/type.h"

#define PREDICATE_MAX_TERMS 64
#define PREDICATE_MAX_IN 100
#define PREDICATE_MAX_BYTES 16384

struct predicate;

/* Parses; the text is copied. The empty text is the predicate that always holds. On FAILED *out is
 * NULL and err says which term, what is wrong with it, and what is allowed. */
enum result predicate_parse(struct str text, struct predicate **out, struct err *err) MUST_CHECK;
void predicate_free(struct predicate *p);

/* Whether the row after the change (for DELETE: before it) satisfies every term. */
bool predicate_matches(const struct predicate *p, const struct change *change,
                       const struct types *types);

/* Whether one of its columns, of the old or the new row, is meant; gives that (borrowed from p). */
bool predicate_asks_for(const struct predicate *p, bool (*is_meant)(void *arg, struct str column),
                        void *arg, struct str *column);

/* How many terms it has, and the column of the nth (borrowed from p). */
size_t predicate_count(const struct predicate *p);
struct str predicate_column(const struct predicate *p, size_t n);

/* Whether the nth term compares with what no value of the type can be compared with, so that it can
 * never hold; gives that (borrowed from p). */
bool predicate_is_misfit(const struct predicate *p, size_t n, const struct type *type,
                         struct str *operand);

/* If the predicate is exactly one `column=eq.value` without `old.`, gives both (borrowed from p)
 * and returns true: such predicates can be indexed by value. */
bool predicate_is_equality(const struct predicate *p, struct str *column, struct str *value);

#endif
