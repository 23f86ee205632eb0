/* What an attempt looks like to others: to the database, and to the realtime loop. */
#ifndef PGHERALD_DISPATCH_REPORT_H
#define PGHERALD_DISPATCH_REPORT_H

#include "dispatch/delivery.h"
#include "row/event.h"

/* Appends the json object that sql/queries/dispatch_record.sql reads, as the next element of an
 * array. now_ms: clock_monotonic_ms(). */
void report_add_json(struct buf *out, const struct delivery *delivery, uint64_t now_ms);

struct event_attempt report_event(const struct delivery *delivery);

/* Appends `text` as UTF-8 that PostgreSQL takes: whatever is not valid, and NUL, becomes U+FFFD. */
void report_add_text(struct buf *out, struct str text);

#endif
