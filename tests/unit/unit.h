/* What every unit test begins with. A test is a table of rows; each row says in a sentence what it
 * shows, and a failure prints that sentence. */
#ifndef PGHERALD_TESTS_UNIT_H
#define PGHERALD_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* For each row of a table. */
#define EACH(type, row, table) (const type *row = (table); row < (table) + COUNT(table); row++)

#define CHECK(condition, says)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: not true: %s", says, #condition);                                        \
    } while (0)

#define CHECK_STR(got, want, says)                                                                 \
    do {                                                                                           \
        struct str got_ = (got), want_ = (want);                                                   \
        if (!str_eq(got_, want_))                                                                  \
            fail_msg("%s: got \"%.*s\", want \"%.*s\"", says, STR_ARG(got_), STR_ARG(want_));      \
    } while (0)

#endif
