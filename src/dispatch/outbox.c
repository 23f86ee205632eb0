#include "dispatch/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000
#define FIRST_BACKOFF_MS 250
#define LONGEST_BACKOFF_MS 15000
#define ARRAY_MAX ((size_t)16 << 20)

struct outbox {
    uv_loop_t *loop;
    const struct config *config;
    struct stats *stats;
    struct outbox_events events;
    void *arg;
    struct pg_conn *conn;
    uv_timer_t reconnect;
    uint64_t backoff_ms; /* of the next failure */
    bool up;
    bool closed;
};

static void connect_now(struct outbox *outbox);

/* Being up and down */

static void on_reconnect(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void go_down(struct outbox *outbox, const char *what, const struct err *err)
{
    bool was_up = outbox->up;

    log_warn("dispatch", what, log_err(err), log_u("retry_in_ms", outbox->backoff_ms));
    pg_conn_close(outbox->conn);
    outbox->conn = NULL;
    outbox->up = false;
    stat_set(&outbox->stats->dispatch_up, 0);
    uv_timer_start(&outbox->reconnect, on_reconnect, outbox->backoff_ms, 0);
    outbox->backoff_ms *= 2;
    if (outbox->backoff_ms > LONGEST_BACKOFF_MS)
        outbox->backoff_ms = LONGEST_BACKOFF_MS;
    if (was_up)
        outbox->events.on_down(outbox->arg);
}

static void on_open(void *arg)
{
    struct outbox *outbox = arg;

    outbox->up = true;
    stat_set(&outbox->stats->dispatch_up, 1);
    log_info("dispatch", "connected to the database");
    outbox->events.on_up(outbox->arg);
}

static void on_lost(void *arg, const struct err *err)
{
    go_down(arg, "no connection to the database", err);
}

static void connect_now(struct outbox *outbox)
{
    static const struct pg_conn_events events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {
        .database_url = outbox->config->database_url,
        .application_name = "pgherald dispatch",
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
    };

    outbox->conn = pg_conn_open(outbox->loop, &options, &events, outbox);
}

/* An answer that came, refused or not. Answers end the back-off, being connected alone does not: a
 * server that refuses every statement is asked ever more seldom. */
static bool succeeded(struct outbox *outbox, const char *what, const struct err *err)
{
    if (!err) {
        outbox->backoff_ms = FIRST_BACKOFF_MS;
        return true;
    }
    go_down(outbox, what, err);
    return false;
}

struct outbox *outbox_new(uv_loop_t *loop, const struct config *config, struct stats *stats,
                          const struct outbox_events *events, void *arg)
{
    struct outbox *outbox = mem_alloc(sizeof(*outbox));

    outbox->loop = loop;
    outbox->config = config;
    outbox->stats = stats;
    outbox->events = *events;
    outbox->arg = arg;
    outbox->backoff_ms = FIRST_BACKOFF_MS;
    uv_timer_init(loop, &outbox->reconnect);
    outbox->reconnect.data = outbox;
    connect_now(outbox);
    return outbox;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void outbox_close(struct outbox *outbox)
{
    if (!outbox || outbox->closed)
        return;
    outbox->closed = true;
    outbox->up = false;
    stat_set(&outbox->stats->dispatch_up, 0);
    pg_conn_close(outbox->conn);
    outbox->conn = NULL;
    uv_close((uv_handle_t *)&outbox->reconnect, on_timer_closed);
}

bool outbox_is_up(const struct outbox *outbox)
{
    return outbox->up;
}

/* Parameters */

#define PARAMS_MAX 6

struct params {
    struct pg_param item[PARAMS_MAX];
    char digits[PARAMS_MAX][24];
    size_t count;
};

static void add_text(struct params *params, struct str text)
{
    params->item[params->count++].value = text;
}

static void add_number(struct params *params, uint64_t number)
{
    char *digits = params->digits[params->count];

    snprintf(digits, sizeof(params->digits[0]), "%" PRIu64, number);
    add_text(params, str_c(digits));
}

static void query(struct outbox *outbox, const char *sql, const struct params *params,
                  pg_result_cb *cb)
{
    pg_conn_query(outbox->conn, sql, params->item, params->count, cb, outbox);
}

/* Claiming */

/* The columns of sql/queries/dispatch_claim.sql. */
enum claim_column {
    CLAIM_ID,
    CLAIM_WEBHOOK_ID,
    CLAIM_MESSAGE_ID,
    CLAIM_EVENT_TYPE,
    CLAIM_PAYLOAD,
    CLAIM_NAME,
    CLAIM_URL,
    CLAIM_SECRETS,
    CLAIM_HEADERS,
    CLAIM_UPDATED_AT,
    CLAIM_ATTEMPTS,
    CLAIM_TIMEOUT_SECONDS,
    CLAIM_MAX_RETRIES,
    CLAIM_RETRY_SCHEDULE,
    CLAIM_RATE_LIMIT,
    CLAIM_MAX_CONCURRENCY,
    CLAIM_PROBE, /* how often the breaker has opened; NULL: this is no probe */
    CLAIM_ORIGIN
};

static unsigned number_of(const struct pg_result *result, size_t row, enum claim_column column)
{
    uint64_t number = 0;

    if (!str_to_u64(pg_result_value(result, row, column), &number) || number > UINT32_MAX / 1000)
        number = 0;
    return (unsigned)number;
}

static struct delivery *read_delivery(const struct pg_result *result, size_t row)
{
    const struct str field[DELIVERY_FIELDS] = {
        [DELIVERY_ID] = pg_result_value(result, row, CLAIM_ID),
        [DELIVERY_WEBHOOK_ID] = pg_result_value(result, row, CLAIM_WEBHOOK_ID),
        [DELIVERY_MESSAGE_ID] = pg_result_value(result, row, CLAIM_MESSAGE_ID),
        [DELIVERY_EVENT_TYPE] = pg_result_value(result, row, CLAIM_EVENT_TYPE),
        [DELIVERY_PAYLOAD] = pg_result_value(result, row, CLAIM_PAYLOAD),
        [DELIVERY_ENDPOINT_NAME] = pg_result_value(result, row, CLAIM_NAME),
        [DELIVERY_URL] = pg_result_value(result, row, CLAIM_URL),
        [DELIVERY_SECRETS] = pg_result_value(result, row, CLAIM_SECRETS),
        [DELIVERY_HEADERS] = pg_result_value(result, row, CLAIM_HEADERS),
        [DELIVERY_VERSION] = pg_result_value(result, row, CLAIM_UPDATED_AT),
        [DELIVERY_ORIGIN] = pg_result_value(result, row, CLAIM_ORIGIN),
    };
    struct delivery *delivery = delivery_new(field);

    if (!delivery)
        return NULL;
    delivery->attempts = number_of(result, row, CLAIM_ATTEMPTS);
    delivery->timeout_ms = 1000 * number_of(result, row, CLAIM_TIMEOUT_SECONDS);
    if (delivery->timeout_ms == 0) /* which curl would take for none */
        delivery->timeout_ms = 1000;
    delivery->max_retries = number_of(result, row, CLAIM_MAX_RETRIES);
    delivery->rate = number_of(result, row, CLAIM_RATE_LIMIT);
    delivery->max_concurrency = number_of(result, row, CLAIM_MAX_CONCURRENCY);
    delivery->is_probe = !pg_result_is_null(result, row, CLAIM_PROBE);
    delivery->breaker_opened = number_of(result, row, CLAIM_PROBE);
    schedule_plan_parse(pg_result_value(result, row, CLAIM_RETRY_SCHEDULE), &delivery->plan);
    return delivery;
}

static void on_claimed(void *arg, const struct pg_result *result, const struct err *err)
{
    struct outbox *outbox = arg;
    bool more = false;

    if (!succeeded(outbox, "could not claim deliveries", err))
        return;
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        struct delivery *delivery;

        if (pg_result_is_null(result, row, CLAIM_ID)) {
            more = true;
            continue;
        }
        delivery = read_delivery(result, row);
        if (delivery)
            outbox->events.on_delivery(outbox->arg, delivery);
        else /* its lease ends, and it is tried again when there may be memory */
            log_error("dispatch", "no memory for a delivery",
                      log_v("delivery", pg_result_value(result, row, CLAIM_ID)));
    }
    outbox->events.on_claimed(outbox->arg, more);
}

void outbox_claim(struct outbox *outbox, const struct outbox_claim *claim)
{
    struct params params = {0};

    add_number(&params, claim->deliveries);
    add_number(&params, claim->bytes);
    add_number(&params, claim->first_slots);
    add_text(&params, claim->ids);
    add_text(&params, claim->slots);
    add_number(&params, claim->margin_ms);
    query(outbox, sql_dispatch_claim, &params, on_claimed);
}

/* Recording, and the rest */

/* The columns of sql/queries/dispatch_record.sql. */
enum record_column { RECORD_DISABLED, RECORD_REASON };

static void tell_disabled(struct outbox *outbox, const struct pg_result *result, size_t row)
{
    stat_add(&outbox->stats->webhooks_disabled_total, 1);
    log_warn("dispatch", "webhook disabled",
             log_v("webhook", pg_result_value(result, row, RECORD_DISABLED)),
             log_v("reason", pg_result_value(result, row, RECORD_REASON)));
}

static void on_recorded(void *arg, const struct pg_result *result, const struct err *err)
{
    struct outbox *outbox = arg;
    bool released = false;

    if (err)
        outbox->events.on_refused(outbox->arg);
    if (!succeeded(outbox, "could not record attempts", err))
        return;
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        if (pg_result_is_null(result, row, RECORD_DISABLED))
            released = true;
        else
            tell_disabled(outbox, result, row);
    }
    outbox->events.on_recorded(outbox->arg, released);
}

void outbox_record(struct outbox *outbox, struct str results)
{
    struct params params = {0};

    add_text(&params, results);
    add_number(&params, outbox->config->webhook_disable_after_ms);
    query(outbox, sql_dispatch_record, &params, on_recorded);
}

static void on_released(void *arg, const struct pg_result *result, const struct err *err)
{
    struct outbox *outbox = arg;

    (void)result;
    if (succeeded(outbox, "could not give deliveries back", err))
        outbox->events.on_released(outbox->arg);
}

void outbox_release(struct outbox *outbox, const struct delivery_list *list)
{
    struct params params = {0};
    struct buf ids, attempts;

    buf_init(&ids, ARRAY_MAX);
    buf_init(&attempts, ARRAY_MAX);
    for (const struct delivery *at = list->first; at; at = at->next) {
        const char *before = at == list->first ? "{" : ",";

        buf_addf(&ids, "%s%s", before, at->field[DELIVERY_ID].data);
        buf_addf(&attempts, "%s%u", before, at->attempts);
    }
    buf_add_c(&ids, list->first ? "}" : "{}");
    buf_add_c(&attempts, list->first ? "}" : "{}");
    add_text(&params, buf_str(&ids));
    add_text(&params, buf_str(&attempts));
    query(outbox, sql_dispatch_release, &params, on_released);
    buf_fini(&ids);
    buf_fini(&attempts);
}

/* The columns of sql/queries/dispatch_next.sql. */
enum next_column { NEXT_DUE_IN_MS, NEXT_BREAKERS };

static void on_next(void *arg, const struct pg_result *result, const struct err *err)
{
    struct outbox *outbox = arg;
    uint64_t delay_ms = UINT64_MAX, breakers;

    if (!succeeded(outbox, "could not ask for the next delivery", err))
        return;
    if (pg_result_rows(result) == 1 && !pg_result_is_null(result, 0, NEXT_DUE_IN_MS) &&
        !str_to_u64(pg_result_value(result, 0, NEXT_DUE_IN_MS), &delay_ms))
        delay_ms = 0; /* negative: overdue */
    if (pg_result_rows(result) == 1 &&
        str_to_u64(pg_result_value(result, 0, NEXT_BREAKERS), &breakers))
        stat_set(&outbox->stats->breakers_open, breakers);
    outbox->events.on_next(outbox->arg, delay_ms);
}

void outbox_ask_next(struct outbox *outbox, struct str full)
{
    struct params params = {0};

    add_text(&params, full);
    query(outbox, sql_dispatch_next, &params, on_next);
}

static void on_swept(void *arg, const struct pg_result *result, const struct err *err)
{
    if (succeeded(arg, "could not close deliveries of deleted webhooks", err) &&
        pg_result_affected(result) > 0)
        log_info("dispatch", "closed deliveries of deleted webhooks",
                 log_u("count", pg_result_affected(result)));
}

static void on_unblocked(void *arg, const struct pg_result *result, const struct err *err)
{
    if (succeeded(arg, "could not look for deliveries that wait for nothing", err) &&
        pg_result_affected(result) > 0)
        log_info("dispatch", "let deliveries go that waited for nothing",
                 log_u("count", pg_result_affected(result)));
}

void outbox_sweep(struct outbox *outbox)
{
    pg_conn_query(outbox->conn, sql_dispatch_sweep, NULL, 0, on_swept, outbox);
    pg_conn_query(outbox->conn, sql_dispatch_unblock, NULL, 0, on_unblocked, outbox);
}
