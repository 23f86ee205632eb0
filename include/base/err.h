/* Errors are values: a result says whether, a caller-owned struct err says what.
 *
 * A function that can fail takes `struct err *` last, fills it with what failed, on what and what
 * to do, and returns FAILED. Callers on the way up may put context in front. It is logged once,
 * where it is handled. */
#ifndef PGHERALD_BASE_ERR_H
#define PGHERALD_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define ERR_MAX 1024 /* bytes with the terminator; a longer message is cut */

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum result { OK = 0, FAILED = 1 };

struct err {
    char message[ERR_MAX];
};

/* Writes the message, and returns FAILED so that a caller can say `return err_set(err, ...)`. */
enum result err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As err_set(), with ": " and strerror(errnum) behind it. */
enum result err_set_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " in front of the message that is there, and returns FAILED. */
enum result err_context(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__ /* sees one file at a time, and would follow paths where they return OK  \
                           */
static inline enum result err_failed(enum result result)
{
    (void)result;
    return FAILED;
}
#define err_set(...) err_failed(err_set(__VA_ARGS__))
#define err_set_errno(...) err_failed(err_set_errno(__VA_ARGS__))
#define err_context(...) err_failed(err_context(__VA_ARGS__))
#endif

#endif
