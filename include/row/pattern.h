/* LIKE and regular expressions of conditions.
 *
 * They may come from a browser, so both are bounded: the pattern's length, the text it is tried on
 * (regular expressions), the steps (LIKE), the repetitions, the memory a compiled one gathers. What
 * is beyond a bound does not match.
 *
 * LIKE is PostgreSQL's (like_match.c): `%`, `_` for one character of UTF-8, backslash; `*` means
 * `%` as in PostgREST, `\*` is a star. Upper and lower case are known for ASCII letters only.
 *
 * A regular expression is POSIX extended as libc knows it, in the C locale, with the classes \d \w
 * \s, their opposites and \y \m \M \A \Z of PostgreSQL. Different from PostgreSQL: no look-ahead,
 * no
 * (?:...), no back references, no embedded options; a dot is one byte; of alternatives that could
 * match nothing changes, as only whether it matches is asked. */
#ifndef PGHERALD_ROW_PATTERN_H
#define PGHERALD_ROW_PATTERN_H

#include "base/err.h"
#include "base/str.h"

#define PATTERN_MAX_BYTES 1024
#define PATTERN_MAX_REPEAT 255          /* product of all {n,m} of an expression */
#define PATTERN_MAX_NODES 2048          /* of an expression once its repetitions are unrolled */
#define PATTERN_MAX_NESTING 64          /* of groups */
#define PATTERN_MAX_SUBJECT (64 * 1024) /* a longer text matches no regular expression */
#define PATTERN_MAX_STEPS (32 * 1024 * 1024) /* of LIKE on one text */

enum pattern_kind { PATTERN_LIKE, PATTERN_REGEX };

struct pattern;

/* Copies. On FAILED *out is NULL and err says what is wrong with the pattern. */
enum result pattern_new(struct str text, enum pattern_kind kind, bool ignore_case,
                        struct pattern **out, struct err *err) MUST_CHECK;
void pattern_free(struct pattern *pattern);

/* Not const: a compiled expression grows by what it is tried on. One thread at a time. */
bool pattern_matches(struct pattern *pattern, struct str text);

#endif
