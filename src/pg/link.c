#include "pg/link.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

#define CONNECT_TIMEOUT_MS 10000
#define FIRST_BACKOFF_MS 250
#define LAST_BACKOFF_MS 10000

struct pg_link {
    uv_loop_t *loop;
    struct pg_link_options options;
    struct pg_link_events events;
    void *arg;
    struct pg_conn *conn;
    uv_timer_t retry;
    unsigned backoff_ms; /* of the next failure */
    bool up;
};

static void connect_now(struct pg_link *link);

static void on_retry(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void go_down(struct pg_link *link, const struct err *err)
{
    bool was_up = link->up;

    log_warn(link->options.log_area, "no connection to the database", log_err(err),
             log_s("purpose", link->options.application_name), log_u("retry_ms", link->backoff_ms));
    pg_conn_close(link->conn);
    link->conn = NULL;
    link->up = false;
    uv_timer_start(&link->retry, on_retry, link->backoff_ms, 0);
    link->backoff_ms =
        link->backoff_ms * 2 > LAST_BACKOFF_MS ? LAST_BACKOFF_MS : link->backoff_ms * 2;
    if (was_up)
        link->events.on_down(link->arg);
}

static void on_lost(void *arg, const struct err *err)
{
    go_down(arg, err);
}

static void go_up(struct pg_link *link)
{
    link->up = true;
    link->backoff_ms = FIRST_BACKOFF_MS;
    link->events.on_up(link->arg);
}

static void on_session(void *arg, const struct pg_result *result, const struct err *err)
{
    (void)result;
    if (err)
        go_down(arg, err);
    else
        go_up(arg);
}

static void on_open(void *arg)
{
    struct pg_link *link = arg;

    if (link->options.session_sql)
        pg_conn_query(link->conn, link->options.session_sql, NULL, 0, on_session, link);
    else
        go_up(link);
}

static void connect_now(struct pg_link *link)
{
    static const struct pg_conn_events events = {.on_open = on_open, .on_lost = on_lost};
    const struct pg_conn_options options = {.database_url = link->options.database_url,
                                            .application_name = link->options.application_name,
                                            .connect_timeout_ms = CONNECT_TIMEOUT_MS};

    link->conn = pg_conn_open(link->loop, &options, &events, link);
}

struct pg_link *pg_link_open(uv_loop_t *loop, const struct pg_link_options *options,
                             const struct pg_link_events *events, void *arg)
{
    struct pg_link *link = mem_alloc(sizeof(*link));

    link->loop = loop;
    link->options = *options;
    link->events = *events;
    link->arg = arg;
    link->backoff_ms = FIRST_BACKOFF_MS;
    uv_timer_init(loop, &link->retry);
    link->retry.data = link;
    connect_now(link);
    return link;
}

static void free_link(uv_handle_t *handle)
{
    free(handle->data);
}

void pg_link_close(struct pg_link *link)
{
    if (!link)
        return;
    link->up = false;
    pg_conn_close(link->conn);
    link->conn = NULL;
    uv_close((uv_handle_t *)&link->retry, free_link);
}

struct pg_conn *pg_link_conn(const struct pg_link *link)
{
    return link && link->up ? link->conn : NULL;
}
