#include "daemon/slot_watch.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/link.h"

#define LOOK_EVERY_MS 10000
#define REMIND_EVERY 30     /* looks, while nothing gets better */
#define LET_GO_AFTER_MS 100 /* a walsender that was told to end needs a moment */

struct slot_watch {
    const struct config *config;
    struct stats *stats;
    struct pg_link *link;
    uv_timer_t timer;
    enum slot_level level;
    unsigned looks; /* since the level changed */
    bool asking;
};

enum slot_level slot_judge(const struct config *config, const struct slot_facts_watched *facts)
{
    const uint64_t kept = facts->retained;

    if (!facts->exists || str_eq(facts->wal_status, STR("lost")))
        return SLOT_LOST;
    if (config->slot_drop_beyond_bytes > 0 && kept > config->slot_drop_beyond_bytes)
        return SLOT_OVER;
    if (str_eq(facts->wal_status, STR("unreserved")))
        return SLOT_CRITICAL;
    if (config->slot_critical_bytes > 0 && kept > config->slot_critical_bytes)
        return SLOT_CRITICAL;
    /* a tenth of the way is left until the server takes the slot away */
    if (facts->has_limit && facts->safe < (kept + facts->safe) / 10)
        return SLOT_CRITICAL;
    if (config->slot_warning_bytes > 0 && kept > config->slot_warning_bytes)
        return SLOT_WARNING;
    return SLOT_FINE;
}

const char *slot_level_name(enum slot_level level)
{
    switch (level) {
    case SLOT_FINE:
        return "fine";
    case SLOT_WARNING:
        return "warning";
    case SLOT_CRITICAL:
        return "critical";
    case SLOT_OVER:
        return "over";
    case SLOT_LOST:
        return "lost";
    }
    return "?";
}

/* Telling */

static void tell(const struct slot_watch *watch, const struct slot_facts_watched *facts)
{
    const struct log_field slot = log_s("slot", watch->config->slot_name);
    const struct log_field kept = log_u("retained_bytes", facts->retained);

    switch (watch->level) {
    case SLOT_FINE:
        log_info("slot", "the server keeps little WAL again", slot, kept);
        break;
    case SLOT_WARNING:
        log_warn("slot",
                 "the server keeps more WAL for this slot than slot_warning; is the "
                 "daemon behind, or a transaction open for long?",
                 slot, kept);
        break;
    case SLOT_CRITICAL:
        log_error("slot",
                  "the server keeps so much WAL for this slot that its disk, or the slot, "
                  "is in danger: see that the daemon catches up, or make room",
                  slot, kept, log_v("wal_status", facts->wal_status));
        break;
    case SLOT_OVER:
        log_error("slot",
                  "more WAL is kept than slot_drop_beyond: the slot is dropped to save the "
                  "database's disk; what was not read yet is lost to pgherald",
                  slot, kept);
        break;
    case SLOT_LOST:
        log_error("slot",
                  "the slot is gone or of no use: run `pgherald init`, which makes a new "
                  "one and records the gap",
                  slot);
        break;
    }
}

/* At each change of level, and now and then while it is bad. */
static void take_level(struct slot_watch *watch, enum slot_level level,
                       const struct slot_facts_watched *facts)
{
    const bool is_new = level != watch->level;

    watch->looks = is_new ? 0 : watch->looks + 1;
    watch->level = level;
    stat_set(&watch->stats->slot_level, level);
    if (is_new || (level > SLOT_FINE && watch->looks % REMIND_EVERY == 0))
        tell(watch, facts);
}

/* The last resort */

static void on_dropped(void *arg, const struct pg_result *result, const struct err *err)
{
    struct slot_watch *watch = arg;

    (void)result;
    watch->asking = false;
    if (err) /* the stream has come back faster than this; the next look tries again */
        log_warn("slot", "the slot could not be dropped yet", log_err(err));
    else
        log_error("slot", "the slot has been dropped; `pgherald init` makes a new one",
                  log_s("slot", watch->config->slot_name));
}

static void ask(struct slot_watch *watch, const char *sql, pg_result_cb *cb)
{
    const struct pg_param slot = {str_c(watch->config->slot_name)};
    struct pg_conn *conn = pg_link_conn(watch->link);

    watch->asking = conn != NULL;
    if (conn)
        pg_conn_query(conn, sql, &slot, 1, cb, watch);
}

static void on_let_go(uv_timer_t *timer);
static void on_look(uv_timer_t *timer);

static void on_told_to_end(void *arg, const struct pg_result *result, const struct err *err)
{
    struct slot_watch *watch = arg;

    (void)result;
    if (err)
        log_warn("slot", "the slot's reader could not be ended", log_err(err));
    uv_timer_start(&watch->timer, on_let_go, LET_GO_AFTER_MS, 0);
}

static void on_let_go(uv_timer_t *timer)
{
    struct slot_watch *watch = timer->data;

    ask(watch, sql_slot_drop, on_dropped);
    uv_timer_start(&watch->timer, on_look, LOOK_EVERY_MS / 10, LOOK_EVERY_MS);
}

/* Looking */

static bool number_of(const struct pg_result *result, size_t column, uint64_t *out)
{
    *out = 0;
    return !pg_result_is_null(result, 0, column) &&
           str_to_u64(pg_result_value(result, 0, column), out);
}

static void on_facts(void *arg, const struct pg_result *result, const struct err *err)
{
    struct slot_watch *watch = arg;
    struct slot_facts_watched facts = {0};

    watch->asking = false;
    if (err) {
        log_warn("slot", "the slot could not be looked at", log_err(err));
        return;
    }
    facts.exists = pg_result_rows(result) == 1;
    if (facts.exists) {
        facts.wal_status = pg_result_value(result, 0, 0);
        number_of(result, 1, &facts.retained);
        facts.has_limit = number_of(result, 2, &facts.safe);
    }
    stat_set(&watch->stats->slot_retained_bytes, facts.retained);
    take_level(watch, slot_judge(watch->config, &facts), &facts);
    if (watch->level == SLOT_OVER)
        ask(watch, sql_slot_end_reader, on_told_to_end);
}

static void on_look(uv_timer_t *timer)
{
    struct slot_watch *watch = timer->data;

    if (!watch->asking)
        ask(watch, sql_slot_watch, on_facts);
}

static void on_up(void *arg)
{
    struct slot_watch *watch = arg;

    on_look(&watch->timer);
}

static void on_down(void *arg)
{
    struct slot_watch *watch = arg;

    watch->asking = false;
}

struct slot_watch *slot_watch_start(uv_loop_t *loop, const struct config *config,
                                    struct stats *stats)
{
    static const struct pg_link_events events = {on_up, on_down};
    const struct pg_link_options options = {.database_url = config->database_url,
                                            .application_name = "pgherald slot",
                                            .log_area = "slot"};
    struct slot_watch *watch = mem_alloc(sizeof(*watch));

    watch->config = config;
    watch->stats = stats;
    uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, on_look, LOOK_EVERY_MS, LOOK_EVERY_MS);
    watch->link = pg_link_open(loop, &options, &events, watch);
    return watch;
}

static void free_watch(uv_handle_t *handle)
{
    free(handle->data);
}

void slot_watch_stop(struct slot_watch *watch)
{
    if (!watch)
        return;
    pg_link_close(watch->link);
    uv_close((uv_handle_t *)&watch->timer, free_watch);
}
