/* Whether to call an endpoint at all: open, it is left alone for a while, and then asked once.
 *
 *   closed ──(too many failures in the window)──▶ open ──(time)──▶ half open: one probe
 *      ▲                                           ▲                │
 *      └───────────────(it succeeds)───────────────┼────────────────┤
 *                                                  └──(it fails: twice as long)
 *
 * The window slides in ten steps. The state is kept in pgherald.webhook_health, by which it
 * outlives a restart and is the same for all dispatchers: the claim hands out one delivery as the
 * probe. Here is what this process knows of it. Source of the figures: Convoy's circuit breaker. */
#ifndef PGHERALD_DISPATCH_BREAKER_H
#define PGHERALD_DISPATCH_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_STEPS 10

struct breaker_settings {
    unsigned percent;  /* of failures in the window that opens it; 0: it never opens */
    unsigned attempts; /* in the window before that is judged */
    uint64_t window_ms;
    uint64_t pause_ms; /* how long it is open the first time */
    uint64_t pause_max_ms;
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* "closed", "open", "half_open": as pgherald.webhook_health says it. */
const char *breaker_state_name(enum breaker_state state);

struct breaker {
    enum breaker_state state;
    unsigned opened;   /* how often in a row */
    uint64_t pause_ms; /* of the last time */
    struct {
        uint64_t number; /* of the step, counted from the clock's start */
        unsigned attempts, failures;
    } steps[BREAKER_STEPS];
};

/* One attempt ended. Whether that moved the state. */
bool breaker_learn(struct breaker *breaker, const struct breaker_settings *settings,
                   uint64_t now_ms, bool success);

/* The attempt that comes is the probe, after it opened so often in a row. */
void breaker_probe(struct breaker *breaker, unsigned opened);

/* It is not closed, or something failed in its steps. */
bool breaker_has_failures(const struct breaker *breaker);

/* Closed, and all is forgotten. */
void breaker_reset(struct breaker *breaker);

#endif
