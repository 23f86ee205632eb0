/* Log lines on stderr: logfmt or JSON, one write(2) a line.
 *
 * The level and the format are the one process-wide setting besides the signal mask: set before the
 * threads start, the level may change later (SIGHUP) and is atomic. Secrets never go in a field. */
#ifndef PGHERALD_BASE_LOG_H
#define PGHERALD_BASE_LOG_H

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_LSN } kind;
    struct str str;
    uint64_t num;
};

void log_setup(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields);

static inline struct log_field log_s(const char *key, const char *value)
{
    return (struct log_field){key, LOG_FIELD_STR, str_c(value), 0};
}
static inline struct log_field log_v(const char *key, struct str value)
{
    return (struct log_field){key, LOG_FIELD_STR, value, 0};
}
static inline struct log_field log_u(const char *key, uint64_t value)
{
    return (struct log_field){key, LOG_FIELD_U64, {0}, value};
}
static inline struct log_field log_i(const char *key, int64_t value)
{
    return (struct log_field){key, LOG_FIELD_I64, {0}, (uint64_t)value};
}
static inline struct log_field log_lsn(const char *key, uint64_t lsn)
{
    return (struct log_field){key, LOG_FIELD_LSN, {0}, lsn};
}
static inline struct log_field log_err(const struct err *err)
{
    return (struct log_field){"error", LOG_FIELD_STR, str_c(err->message), 0};
}

/* A list for log_write(), of at least one field. */
#define LOG_FIELDS(...) ((struct log_field[]){__VA_ARGS__, LOG_END})
#define LOG_END ((struct log_field){0})

/* The fields as arguments, LOG_END behind them; more than 16 are left out. */
void log_line(enum log_level level, const char *module, const char *message, ...);

/* log_info("stream", "connected", log_s("slot", name), log_lsn("from", lsn));
 * What follows the module is the message and any number of fields. */
#define log_debug(module, ...) log_line(LOG_LEVEL_DEBUG, module, __VA_ARGS__, LOG_END)
#define log_info(module, ...) log_line(LOG_LEVEL_INFO, module, __VA_ARGS__, LOG_END)
#define log_warn(module, ...) log_line(LOG_LEVEL_WARN, module, __VA_ARGS__, LOG_END)
#define log_error(module, ...) log_line(LOG_LEVEL_ERROR, module, __VA_ARGS__, LOG_END)

#endif
