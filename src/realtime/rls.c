#include "realtime/rls.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 10000
#define ROLES_REFRESH_MS 1000
#define MAX_QUESTION_BYTES ((size_t)256 << 20)

enum rls_state {
    RLS_WAITING,    /* no connection; the timer opens the next one */
    RLS_CONNECTING, /* until the roles are loaded */
    RLS_READY,
    RLS_ASKING,
    RLS_CLOSED
};

struct rls {
    uv_loop_t *loop;
    uv_timer_t *retry; /* its own allocation: it outlives us until libuv has closed it */
    uv_timer_t *pause; /* before a check, or a rest; the same */
    char *database_url;
    struct stats *stats;
    struct rls_events events;
    void *arg;
    struct pg_conn *conn;
    enum rls_state state;
    unsigned backoff_ms;

    struct question **batch; /* while ASKING */
    size_t batch_count;
    struct buf questions, sessions;
    struct policies *policies; /* while they are being checked */
    bool resting;

    char **roles;
    size_t role_count;
    uint64_t roles_loaded_ms;
    bool roles_loading;
    uint64_t shown_up; /* in the stats */
};

static void connect_now(struct rls *rls);

static void move(struct rls *rls, enum rls_state state)
{
    static const char *const names[] = {"waiting", "connecting", "ready", "asking", "closed"};

    log_debug("realtime", "row level security connection", log_s("from", names[rls->state]),
              log_s("to", names[state]));
    rls->state = state;
    stat_set_part(&rls->stats->realtime_up, &rls->shown_up,
                  state == RLS_READY || state == RLS_ASKING);
}

static void on_retry(uv_timer_t *timer)
{
    connect_now(timer->data);
}

static void on_lost(void *arg, const struct err *err)
{
    struct rls *rls = arg;

    log_warn("realtime", "cannot ask the database who may read a row; rows wait", log_err(err),
             log_u("retry_ms", rls->backoff_ms));
    pg_conn_close(rls->conn);
    rls->conn = NULL;
    rls->batch_count = 0;
    rls->policies = NULL;
    uv_timer_stop(rls->pause);
    rls->resting = false;
    rls->roles_loading = false;
    move(rls, RLS_WAITING);
    uv_timer_start(rls->retry, on_retry, rls->backoff_ms, 0);
    rls->backoff_ms = rls->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : rls->backoff_ms * 2;
    rls->events.on_lost(rls->arg);
}

static void free_roles(struct rls *rls)
{
    for (size_t i = 0; i < rls->role_count; i++)
        free(rls->roles[i]);
    free(rls->roles);
    rls->roles = NULL;
    rls->role_count = 0;
}

static void on_roles(void *arg, const struct pg_result *result, const struct err *err)
{
    struct rls *rls = arg;

    rls->roles_loading = false;
    rls->roles_loaded_ms = clock_monotonic_ms();
    if (err) {
        log_error("realtime", "cannot list the roles that clients may have", log_err(err));
    } else {
        free_roles(rls);
        rls->role_count = pg_result_rows(result);
        rls->roles = mem_array(rls->role_count ? rls->role_count : 1, sizeof(*rls->roles));
        for (size_t i = 0; i < rls->role_count; i++)
            rls->roles[i] = str_dup(pg_result_value(result, i, 0));
    }
    if (rls->state != RLS_CONNECTING)
        return;
    rls->backoff_ms = BACKOFF_FIRST_MS;
    move(rls, RLS_READY);
    log_info("realtime", "asking the database who may read a row", log_u("roles", rls->role_count));
    rls->events.on_ready(rls->arg);
}

static void load_roles(struct rls *rls)
{
    rls->roles_loading = true;
    pg_conn_query(rls->conn, sql_realtime_roles, NULL, 0, on_roles, rls);
}

static void on_open(void *arg)
{
    struct rls *rls = arg;

    pg_conn_query(rls->conn, sql_realtime_session, NULL, 0, NULL, NULL);
    load_roles(rls);
}

static void connect_now(struct rls *rls)
{
    const struct pg_conn_options options = {.database_url = rls->database_url,
                                            .application_name = "pgherald realtime",
                                            .connect_timeout_ms = CONNECT_TIMEOUT_MS};
    const struct pg_conn_events events = {on_open, on_lost, NULL};

    move(rls, RLS_CONNECTING);
    rls->conn = pg_conn_open(rls->loop, &options, &events, rls);
}

static uv_timer_t *new_timer(struct rls *rls)
{
    uv_timer_t *timer = mem_alloc(sizeof(*timer));

    uv_timer_init(rls->loop, timer);
    timer->data = rls;
    return timer;
}

struct rls *rls_open(uv_loop_t *loop, const char *database_url, struct stats *stats,
                     const struct rls_events *events, void *arg)
{
    struct rls *rls = mem_alloc(sizeof(*rls));

    rls->loop = loop;
    rls->database_url = mem_strdup(database_url);
    rls->stats = stats;
    rls->events = *events;
    rls->arg = arg;
    rls->backoff_ms = BACKOFF_FIRST_MS;
    rls->batch = mem_array(RLS_MAX_BATCH, sizeof(struct question *));
    rls->retry = new_timer(rls);
    rls->pause = new_timer(rls);
    buf_init(&rls->questions, MAX_QUESTION_BYTES);
    buf_init(&rls->sessions, MAX_QUESTION_BYTES);
    connect_now(rls);
    return rls;
}

static void free_timer(uv_handle_t *handle)
{
    free(handle);
}

void rls_close(struct rls *rls)
{
    if (!rls)
        return;
    move(rls, RLS_CLOSED);
    pg_conn_close(rls->conn);
    uv_close((uv_handle_t *)rls->retry, free_timer);
    uv_close((uv_handle_t *)rls->pause, free_timer);
    free_roles(rls);
    buf_fini(&rls->questions);
    buf_fini(&rls->sessions);
    free(rls->batch);
    free(rls->database_url);
    free(rls);
}

bool rls_is_ready(const struct rls *rls)
{
    return rls->state == RLS_READY;
}

/* The verdict of one answered row. Answers are matched by place: the sessions of a question come in
 * the order in which they were asked, those that needed no asking left out. */
static bool read_verdict(const struct pg_result *result, size_t row, struct verdict *verdict)
{
    struct str visible = pg_result_value(result, row, 2);
    struct str problem = pg_result_value(result, row, 6);
    struct names hidden;

    if (!names_parse(pg_result_value(result, row, 5), &hidden))
        return false;
    names_fini(&verdict->answered);
    verdict->answered = hidden;
    verdict->state = str_eq(visible, STR("t")) ? VERDICT_YES : VERDICT_NO;
    verdict->old_visible = str_eq(pg_result_value(result, row, 3), STR("t"));
    verdict->rls = !str_eq(pg_result_value(result, row, 4), STR("f"));
    verdict->failed = !pg_result_is_null(result, row, 6);
    if (verdict->failed) {
        struct str code, text;

        str_split(problem, ' ', &code, &text);
        memset(verdict->sqlstate, 0, sizeof(verdict->sqlstate));
        if (code.len < sizeof(verdict->sqlstate))
            memcpy(verdict->sqlstate, code.data, code.len);
        free(verdict->problem);
        verdict->problem = str_dup(text);
    }
    return true;
}

static bool is_number(struct str text, size_t expected)
{
    uint64_t value;

    return str_to_u64(text, &value) && value == expected;
}

static enum result read_answer(struct rls *rls, const struct pg_result *result, struct err *err)
{
    size_t row = 0, rows = pg_result_rows(result);

    for (size_t q = 0; q < rls->batch_count; q++) {
        struct question *question = rls->batch[q];

        for (size_t i = 0; i < question->count; i++) {
            if (question->verdicts[i].state != VERDICT_ASK)
                continue;
            if (row >= rows || !is_number(pg_result_value(result, row, 0), q) ||
                !is_number(pg_result_value(result, row, 1), question->verdicts[i].place) ||
                !read_verdict(result, row, &question->verdicts[i]))
                return err_set(err, "pgherald.realtime_visible() gave an answer to another "
                                    "question; run `pgherald init` to install this version's");
            row++;
        }
    }
    return OK;
}

static void on_answer(void *arg, const struct pg_result *result, const struct err *refusal)
{
    struct rls *rls = arg;
    struct err err;

    if (!refusal && read_answer(rls, result, &err) != OK)
        refusal = &err;
    rls->batch_count = 0;
    move(rls, RLS_READY);
    rls->events.on_answer(rls->arg, refusal);
    if (rls->state == RLS_READY)
        rls->events.on_ready(rls->arg);
}

void rls_ask(struct rls *rls, struct question *const *questions, size_t count)
{
    struct pg_param params[2];

    memcpy(rls->batch, questions, count * sizeof(*questions));
    rls->batch_count = count;
    buf_shrink(&rls->questions, 1 << 20);
    buf_shrink(&rls->sessions, 1 << 20);
    question_write(rls->batch, count, &rls->questions, &rls->sessions);
    /* A batch beyond all bounds becomes the question NULL, which has no answer: a refusal. */
    params[0].value = buf_ok(&rls->questions) ? buf_str(&rls->questions) : (struct str){NULL, 0};
    params[1].value = buf_ok(&rls->sessions) ? buf_str(&rls->sessions) : (struct str){NULL, 0};
    stat_add(&rls->stats->rls_questions_total, 1);
    move(rls, RLS_ASKING);
    pg_conn_query(rls->conn, sql_realtime_visible, params, 2, on_answer, rls);
}

bool rls_can_check(const struct rls *rls)
{
    return (rls->state == RLS_READY || rls->state == RLS_ASKING) && !rls->policies && !rls->resting;
}

static struct str value_or_null(const struct pg_result *result, size_t row, size_t column)
{
    return pg_result_is_null(result, row, column) ? str_from(NULL, 0)
                                                  : pg_result_value(result, row, column);
}

static enum result learn(struct policies *policies, const struct pg_result *result, struct err *err)
{
    if (pg_result_rows(result) == 0)
        return err_set(err, "pgherald.realtime_policies() gave no answer");
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        struct str place = pg_result_value(result, row, 0), print = value_or_null(result, row, 1);
        uint64_t number;

        if (row == 0 && str_eq(place, STR("-1")))
            policies_set_snapshot(policies, print);
        else if (row > 0 && str_to_u64(place, &number))
            policies_learn(policies, number, print, value_or_null(result, row, 2));
        else
            return err_set(err, "pgherald.realtime_policies() gave an answer that cannot be read; "
                                "run `pgherald init` to install this version's");
    }
    return OK;
}

static void on_checked(void *arg, const struct pg_result *result, const struct err *refusal)
{
    struct rls *rls = arg;
    struct policies *policies = rls->policies;
    struct err err;

    if (!refusal && learn(policies, result, &err) != OK)
        refusal = &err;
    if (refusal)
        policies_doubt(policies);
    rls->policies = NULL;
    rls->events.on_checked(rls->arg, refusal);
    if (rls_can_check(rls))
        rls->events.on_ready(rls->arg);
}

static void send_check(struct rls *rls)
{
    const struct pg_param param = {policies_question(rls->policies)};

    stat_add(&rls->stats->rls_checks_total, 1);
    pg_conn_query(rls->conn, sql_realtime_policies, &param, 1, on_checked, rls);
}

static void on_pause(uv_timer_t *timer)
{
    send_check(timer->data);
}

void rls_check(struct rls *rls, struct policies *policies, unsigned delay_ms)
{
    rls->policies = policies;
    if (delay_ms > 0)
        uv_timer_start(rls->pause, on_pause, delay_ms, 0);
    else
        send_check(rls);
}

static void on_rested(uv_timer_t *timer)
{
    struct rls *rls = timer->data;

    rls->resting = false;
    if (rls_can_check(rls))
        rls->events.on_ready(rls->arg);
}

void rls_rest(struct rls *rls, unsigned ms)
{
    rls->resting = true;
    uv_timer_start(rls->pause, on_rested, ms, 0);
}

enum rls_role rls_role(struct rls *rls, const char *role)
{
    if (!rls->roles)
        return RLS_ROLE_UNKNOWN;
    for (size_t i = 0; i < rls->role_count; i++)
        if (strcmp(rls->roles[i], role) == 0)
            return RLS_ROLE_YES;
    if (rls->state == RLS_READY && !rls->roles_loading &&
        clock_monotonic_ms() - rls->roles_loaded_ms >= ROLES_REFRESH_MS)
        load_roles(rls);
    return RLS_ROLE_NO;
}
