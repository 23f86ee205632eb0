/* Times as people type them on a command line. */
#ifndef PGHERALD_CLI_MOMENT_H
#define PGHERALD_CLI_MOMENT_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Room for the text of moment_parse() and of moment_parse_span(). */
#define MOMENT_TEXT 40

/* `2026-11-23`, `2026-11-23T10:00`, `2026-11-23T10:00:00Z` (UTC if it names no zone; a blank may
 * stand for the T), or a span back from now: `90s`, `15min`, `2h`, `7d`, `1w`. Microseconds since
 * 1970. */
enum result moment_parse(struct str text, int64_t now_us, int64_t *us, struct err *err) MUST_CHECK;

/* The span alone, in microseconds; `0` needs no unit. */
enum result moment_parse_span(struct str text, int64_t *us, struct err *err) MUST_CHECK;

#endif
