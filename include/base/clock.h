/* Time. Wall-clock microseconds are since 1970; PostgreSQL counts its own from 2000-01-01. */
#ifndef PGHERALD_BASE_CLOCK_H
#define PGHERALD_BASE_CLOCK_H

#include "base/str.h"

#define CLOCK_PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 in microseconds since 1970 */
#define CLOCK_ISO_TEXT 32

int64_t clock_now_us(void);        /* wall clock, microseconds since 1970 */
uint64_t clock_monotonic_ms(void); /* never steps; only differences mean anything */

/* Reads PostgreSQL's text of a timestamptz in ISO style, e.g. `2026-11-23 03:48:41.036208+00`,
 * also with +HH:MM and with `T`; microseconds since 1970. Years 0001 to 9999 only. */
bool clock_parse(struct str s, int64_t *us);

/* `2026-11-23T03:48:41.036Z`, milliseconds, UTC; returns out. */
const char *clock_iso_ms(int64_t us, char out[CLOCK_ISO_TEXT]);
/* `2026-11-23T03:48:41.036208Z`; returns out. */
const char *clock_iso_us(int64_t us, char out[CLOCK_ISO_TEXT]);

#endif
