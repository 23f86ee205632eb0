/* Whether a walsender that says nothing is at work. While it decodes a large transaction of which
 * nothing is wanted it neither sends nor reads, which looks like a connection that is dead; and
 * making that anew would have it begin with the same transaction again, for ever. So it is asked
 * for over another connection. */
#ifndef PGHERALD_STREAM_WALSENDER_H
#define PGHERALD_STREAM_WALSENDER_H

#include <uv.h>

#include "config/config.h"

struct walsender_question;

/* `works` is false too if nobody answers. Called once, and not after walsender_question_close();
 * which is to be called then. */
typedef void walsender_answer(void *arg, bool works);

struct walsender_question *walsender_ask(uv_loop_t *loop, const struct config *config, int pid,
                                         walsender_answer *answer, void *arg);
void walsender_question_close(struct walsender_question *question); /* NULL is fine */

#endif
