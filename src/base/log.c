#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/lsn.h"

#define LINE_MAX_BYTES                                                                             \
    8192                     /* one write(2) stays one line; a field that does not fit is left out \
                              */
#define WORDS_MAX_BYTES 1024 /* of module and message, so that those always fit, escaped too */

#define MAX_FIELDS 16

static atomic_int log_threshold = LOG_LEVEL_INFO;
static atomic_int log_style = LOG_FORMAT_LOGFMT;

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store(&log_threshold, level);
    atomic_store(&log_style, format);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_threshold, level);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "debug";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_ERROR:
        return "error";
    }
    return "?";
}

/* logfmt quotes a value only where it has to. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return false;
    }
    return s.len > 0;
}

static void add_pair(struct buf *line, bool json, const char *key, struct str value, bool number)
{
    if (json) {
        buf_add_char(line, line->len > 1 ? ',' : ' ');
        json_add_string(line, str_c(key));
        buf_add_char(line, ':');
    } else {
        if (line->len > 0)
            buf_add_char(line, ' ');
        buf_add_c(line, key);
        buf_add_char(line, '=');
    }
    if (number || (!json && is_bare(value)))
        buf_add_str(line, value);
    else
        json_add_string(line, value);
}

static void add_field(struct buf *line, bool json, const struct log_field *field)
{
    char lsn[LSN_TEXT];
    struct buf digits;

    switch (field->kind) {
    case LOG_FIELD_STR:
        add_pair(line, json, field->key, field->str, false);
        break;
    case LOG_FIELD_LSN:
        add_pair(line, json, field->key, str_c(lsn_format(field->num, lsn)), false);
        break;
    case LOG_FIELD_U64:
    case LOG_FIELD_I64:
        buf_init(&digits, 32);
        if (field->kind == LOG_FIELD_U64)
            buf_add_u64(&digits, field->num);
        else
            buf_add_i64(&digits, (int64_t)field->num);
        add_pair(line, json, field->key, buf_str(&digits), true);
        buf_fini(&digits);
        break;
    }
}

static struct str at_most(struct str s, size_t len)
{
    return str_from(s.data, s.len < len ? s.len : len);
}

void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields)
{
    bool json = atomic_load(&log_style) == LOG_FORMAT_JSON;
    char now[CLOCK_ISO_TEXT];
    struct buf line;
    ssize_t ignored;

    if ((int)level < atomic_load(&log_threshold))
        return;
    buf_init(&line, LINE_MAX_BYTES);
    if (json)
        buf_add_char(&line, '{');
    add_pair(&line, json, "time", str_c(clock_iso_ms(clock_now_us(), now)), false);
    add_pair(&line, json, "level", str_c(level_name(level)), false);
    add_pair(&line, json, "module", at_most(str_c(module), WORDS_MAX_BYTES / 16), false);
    add_pair(&line, json, "msg", at_most(str_c(message), WORDS_MAX_BYTES), false);
    for (; fields->key; fields++) {
        size_t before = line.len;

        add_field(&line, json, fields);
        if (!buf_ok(&line) || line.len > LINE_MAX_BYTES - 2) { /* leave out what does not fit */
            line.failed = false;
            buf_truncate(&line, before);
        }
    }
    buf_add_c(&line, json ? "}\n" : "\n");
    ignored = write(STDERR_FILENO, line.data, line.len);
    (void)ignored; /* there is nowhere left to say it */
    buf_fini(&line);
}

void log_line(enum log_level level, const char *module, const char *message, ...)
{
    struct log_field fields[MAX_FIELDS + 1];
    size_t count = 0;
    va_list ap;

    if ((int)level < atomic_load(&log_threshold))
        return;
    va_start(ap, message);
    do
        fields[count] = va_arg(ap, struct log_field);
    while (fields[count].key && ++count < MAX_FIELDS);
    va_end(ap);
    fields[count] = LOG_END;
    log_write(level, module, message, fields);
}
