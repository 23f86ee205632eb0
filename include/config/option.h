/* The option table and what can be done with one value of it. Only config/ and its tests need this;
 * everyone else reads struct config. */
#ifndef PGHERALD_CONFIG_OPTION_H
#define PGHERALD_CONFIG_OPTION_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

enum option_kind {
    OPTION_TEXT,     /* char * */
    OPTION_SECRET,   /* char *, never shown; <key>_file names a file that holds it */
    OPTION_WORD,     /* an enum, whose values are places in `words` */
    OPTION_BOOL,     /* bool */
    OPTION_NUMBER,   /* unsigned */
    OPTION_SIZE,     /* size_t, bytes */
    OPTION_DURATION, /* unsigned, milliseconds */
    OPTION_LIST,     /* struct config_list */
    OPTION_ADDRESS   /* struct config_address */
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t target; /* offset in struct config */
    const char *standard;
    uint64_t min, max;        /* OPTION_NUMBER, OPTION_SIZE, OPTION_DURATION */
    const char *const *words; /* OPTION_WORD; NULL ends it */
    bool reloadable;
    const char *group; /* a heading of the sample, on the first option below it */
    const char *help;  /* lines of at most 96 bytes */
};

extern const struct option options[];
extern const size_t option_count;

const struct option *option_find(struct str name);

/* Reads `text` into its place in config; what stood there is freed. err says what is allowed. */
enum result option_set(const struct option *option, struct config *config, struct str text,
                       struct err *err) MUST_CHECK;

/* Appends the value as option_set() takes it, of a secret only whether it is set. */
void option_write(const struct option *option, const struct config *config, struct buf *out);

/* "a size such as 4M, from 64k to 1G". */
void option_describe(const struct option *option, struct buf *out);

bool option_same(const struct option *option, const struct config *a, const struct config *b);
void option_free(const struct option *option, struct config *config);

#endif
