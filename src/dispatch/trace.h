/* The whole of one exchange as it went over the wire, for whoever asks the sender to keep it. Only
 * files of the sender include this. */
#ifndef PGHERALD_DISPATCH_TRACE_H
#define PGHERALD_DISPATCH_TRACE_H

#include <curl/curl.h>

#include "dispatch/sender.h"

struct trace;

/* Makes `easy` tell of its exchange. The trace has to live as long as it. */
enum result trace_attach(CURL *easy, struct trace **out, struct err *err) MUST_CHECK;
void trace_free(struct trace *trace); /* NULL is fine */

/* What is known once the exchange has ended; borrowed from the trace. */
const struct sender_trace *trace_read(struct trace *trace, CURL *easy);

#endif
