/* Bytes from the kernel's generator. */
#ifndef PGHERALD_BASE_RANDOM_H
#define PGHERALD_BASE_RANDOM_H

#include <stddef.h>

#define RANDOM_UUID_TEXT 37

void random_fill(void *out, size_t len);

/* A UUID of version 4 in lower case; returns out. Source: RFC 9562, 5.4. */
const char *random_uuid(char out[RANDOM_UUID_TEXT]);

#endif
