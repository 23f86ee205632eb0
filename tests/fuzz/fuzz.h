/* What the fuzz targets share. A target is a file <name>_fuzz.c with LLVMFuzzerTestOneInput() and a
 * folder of seeds, corpus/<name>/. */
#ifndef PGHERALD_TESTS_FUZZ_H
#define PGHERALD_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), but it is never compiled out and shows the text in question. */
#define REQUIRE(condition, text)                                                                   \
    do {                                                                                           \
        struct str required = (text);                                                              \
                                                                                                   \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n   for: %.*s\n", __FILE__, __LINE__, #condition, \
                    STR_ARG(required));                                                            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as text. */
static inline struct str input_text(const uint8_t *data, size_t size)
{
    return str_from((const char *)data, size);
}

#endif
