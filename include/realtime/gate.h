/* Private channels, as joining wants them: their rights from the authorizer, their stored messages
 * from the table. */
#ifndef PGHERALD_REALTIME_GATE_H
#define PGHERALD_REALTIME_GATE_H

#include <uv.h>

#include "realtime/core.h"

/* Puts itself into the core. */
struct gate *gate_open(uv_loop_t *loop, struct core *core);
void gate_close(struct gate *gate); /* NULL is fine */

void gate_tick(struct gate *gate, uint64_t now_ms); /* once a second */

#endif
