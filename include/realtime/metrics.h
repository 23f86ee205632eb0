/* The numbers of struct stats as text. Pure. */
#ifndef PGHERALD_REALTIME_METRICS_H
#define PGHERALD_REALTIME_METRICS_H

#include "base/buf.h"
#include "base/stats.h"

/* Prometheus' text format, version 0.0.4. */
void metrics_write(struct buf *out, const struct stats *stats);

/* One JSON object, every field under its own name. */
void metrics_write_json(struct buf *out, const struct stats *stats);

/* "ready", or "not ready: ..." naming what is down. */
bool metrics_write_ready(struct buf *out, const struct stats *stats);

#endif
