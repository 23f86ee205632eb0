#include "base/err.h"

#include <stdio.h>
#include <string.h>

#undef err_set /* what err.h tells the analyser */
#undef err_set_errno
#undef err_context

enum result err_set(struct err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    return FAILED;
}

enum result err_set_errno(struct err *err, int errnum, const char *fmt, ...)
{
    char reason[128];
    va_list ap;
    size_t len;

    va_start(ap, fmt);
    vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    len = strlen(err->message);
    if (strerror_r(errnum, reason, sizeof(reason)) != 0)
        snprintf(reason, sizeof(reason), "error %d", errnum);
    snprintf(err->message + len, sizeof(err->message) - len, ": %s", reason);
    return FAILED;
}

enum result err_context(struct err *err, const char *fmt, ...)
{
    char inner[ERR_MAX];
    va_list ap;
    size_t len;

    memcpy(inner, err->message, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    len = strlen(err->message);
    snprintf(err->message + len, sizeof(err->message) - len, ": %s", inner);
    return FAILED;
}
