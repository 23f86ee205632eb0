#include "dispatch/breaker.h"

#include <stddef.h>

#define MOST_DOUBLINGS 32

const char *breaker_state_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "?";
}

static void open_again(struct breaker *breaker, const struct breaker_settings *settings)
{
    breaker->state = BREAKER_OPEN;
    breaker->pause_ms = settings->pause_ms;
    for (unsigned i = 0; i < breaker->opened && i < MOST_DOUBLINGS; i++)
        if (breaker->pause_ms < settings->pause_max_ms)
            breaker->pause_ms *= 2;
    if (breaker->pause_ms > settings->pause_max_ms)
        breaker->pause_ms = settings->pause_max_ms;
    breaker->opened++;
}

static void count(struct breaker *breaker, uint64_t number, bool success)
{
    size_t at = number % BREAKER_STEPS;

    if (breaker->steps[at].number != number) {
        breaker->steps[at].number = number;
        breaker->steps[at].attempts = breaker->steps[at].failures = 0;
    }
    breaker->steps[at].attempts++;
    breaker->steps[at].failures += !success;
}

static bool is_too_much(const struct breaker *breaker, const struct breaker_settings *settings,
                        uint64_t number)
{
    uint64_t attempts = 0, failures = 0;

    for (size_t i = 0; i < BREAKER_STEPS; i++) {
        if (breaker->steps[i].number + BREAKER_STEPS <= number)
            continue;
        attempts += breaker->steps[i].attempts;
        failures += breaker->steps[i].failures;
    }
    return settings->percent > 0 && attempts >= settings->attempts &&
           failures * 100 >= attempts * settings->percent;
}

static uint64_t step_of(const struct breaker_settings *settings, uint64_t now_ms)
{
    uint64_t step_ms = settings->window_ms / BREAKER_STEPS;

    return now_ms / (step_ms ? step_ms : 1);
}

bool breaker_learn(struct breaker *breaker, const struct breaker_settings *settings,
                   uint64_t now_ms, bool success)
{
    uint64_t number = step_of(settings, now_ms);

    switch (breaker->state) {
    case BREAKER_OPEN: /* it was under way; the probe decides */
        return false;
    case BREAKER_HALF_OPEN:
        if (success)
            breaker_reset(breaker);
        else
            open_again(breaker, settings);
        return true;
    case BREAKER_CLOSED:
        count(breaker, number, success);
        if (success || !is_too_much(breaker, settings, number))
            return false;
        open_again(breaker, settings);
        return true;
    }
    return false;
}

void breaker_probe(struct breaker *breaker, unsigned opened)
{
    breaker_reset(breaker);
    breaker->state = BREAKER_HALF_OPEN;
    breaker->opened = opened;
}

bool breaker_has_failures(const struct breaker *breaker)
{
    for (size_t i = 0; i < BREAKER_STEPS; i++)
        if (breaker->steps[i].failures > 0)
            return true;
    return breaker->state != BREAKER_CLOSED;
}

void breaker_reset(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}
