/* What came of an attempt: from the answer to the outcome that is recorded, counted and told. */
#ifndef PGHERALD_DISPATCH_ATTEMPT_H
#define PGHERALD_DISPATCH_ATTEMPT_H

#include "base/stats.h"
#include "dispatch/delivery.h"
#include "dispatch/sender.h"

/* Fills delivery->attempt from the answer. random: decides the jitter of the next attempt. */
void attempt_judge(struct delivery *delivery, const struct sender_answer *answer, uint32_t random);

/* The same for a request that could not be made; delivery->attempt.error says why. */
void attempt_fail(struct delivery *delivery, uint32_t random);

void attempt_count(const struct delivery *delivery, struct stats *stats);
void attempt_log(const struct delivery *delivery);

#endif
