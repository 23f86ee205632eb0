#include "realtime/authorizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"

#define MAX_BATCH 16
#define MAX_WAITING 8192 /* who asks, not what is asked */
#define PATIENCE_MS                                                                                \
    7000             /* a client waits 10 s for the answer to its join; we look once a second      \
                      */
#define MAX_LOSSES 3 /* what breaks the connection so often is not asked again */
#define SUSPECTS 64
#define SUSPICION_MS 60000
#define MAX_QUESTION_BYTES ((size_t)64 << 20)
#define KEEP_BYTES ((size_t)1 << 16)

enum lane_name { LANE_QUICK, LANE_PATIENT };
#define LANES 2

/* A line of petitions and the connection that works on it. */
struct lane {
    struct authorizer *authorizer;
    struct pg_link *link;
    struct petition_line line;
    struct petition *batch[MAX_BATCH]; /* under way */
    size_t batch_count;
};

/* What the quick lane has waited for in vain: who asks the like within a minute goes to the patient
 * one at once. */
struct suspects {
    struct {
        uint64_t key, until_ms;
    } items[SUSPECTS];
    size_t next; /* the oldest, which is replaced */
};

struct authorizer {
    struct core *core;
    struct lane lanes[LANES];
    size_t waiting; /* askers that have not been told */
    struct suspects suspects;
    struct buf questions, sessions;
    struct authorizer_events events;
    void *arg;
};

static void ask(struct lane *lane);

static bool is_patient(const struct lane *lane)
{
    return lane == &lane->authorizer->lanes[LANE_PATIENT];
}

/* Telling */

static void tell(struct authorizer *authorizer, struct petition *petition,
                 const struct channel_rights *rights, const struct err *why)
{
    for (const struct petitioner *p = petition->petitioners; p; p = p->next)
        authorizer->waiting--;
    petition_tell(petition, rights, why);
}

static void end(struct authorizer *authorizer, struct petition *petition,
                const struct channel_rights *rights, const struct err *why)
{
    tell(authorizer, petition, rights, why);
    petition_free(petition);
}

static void end_refused(struct authorizer *authorizer, struct petition *petition)
{
    struct err why;

    err_set(&why, "QueryCanceled: The database could not say what this client may do in the topic");
    end(authorizer, petition, NULL, &why);
}

/* Answers */

static bool is_true(const struct pg_result *result, size_t row, size_t column)
{
    return str_eq(pg_result_value(result, row, column), STR("t"));
}

/* The text of a policy's error is the operator's: it may quote what the client must not see. */
static void log_problem(struct authorizer *authorizer, const struct petition *petition,
                        struct str problem)
{
    stat_add(&authorizer->core->stats->rls_errors_total, 1);
    log_warn("realtime", "a policy on realtime.messages failed: what it is about is not allowed",
             log_s("topic", petition->topic), log_s("role", petition->session->role),
             log_v("error", problem));
}

static bool is_place(struct str text, size_t expected)
{
    uint64_t value;

    return str_to_u64(text, &value) && value == expected;
}

static enum result check_answer(const struct lane *lane, const struct pg_result *result,
                                struct err *err)
{
    bool fits = pg_result_rows(result) == lane->batch_count;

    for (size_t i = 0; fits && i < lane->batch_count; i++)
        fits = is_place(pg_result_value(result, i, 0), i);
    if (fits)
        return OK;
    return err_set(err, "pgherald.realtime_authorize() answered another question; run `pgherald "
                        "init` to install this version's");
}

/* The lane is free before anybody is told: who is told may ask again. */
static size_t take_batch(struct lane *lane, struct petition **batch)
{
    size_t count = lane->batch_count;

    memcpy(batch, lane->batch, count * sizeof(*batch));
    lane->batch_count = 0;
    return count;
}

static void end_batch(struct lane *lane, const struct pg_result *result)
{
    struct petition *batch[MAX_BATCH];
    size_t count = take_batch(lane, batch);

    for (size_t i = 0; i < count; i++) {
        const struct channel_rights rights = {.may_read_broadcast = is_true(result, i, 1),
                                              .may_read_presence = is_true(result, i, 2),
                                              .may_send_broadcast = is_true(result, i, 3),
                                              .may_send_presence = is_true(result, i, 4)};

        if (!pg_result_is_null(result, i, 5))
            log_problem(lane->authorizer, batch[i], pg_result_value(result, i, 5));
        end(lane->authorizer, batch[i], &rights, NULL);
    }
}

/* By role and topic: a slow policy is slow for all whom it judges. */
static uint64_t suspect_key(const struct session *session, struct str topic)
{
    return hash_more(hash_more(0, str_c(session->role)), topic);
}

static void suspect(struct authorizer *authorizer, const struct petition *petition)
{
    struct suspects *suspects = &authorizer->suspects;

    suspects->items[suspects->next].key = suspect_key(petition->session, str_c(petition->topic));
    suspects->items[suspects->next].until_ms = clock_monotonic_ms() + SUSPICION_MS;
    suspects->next = (suspects->next + 1) % SUSPECTS;
}

static bool is_suspect(const struct authorizer *authorizer, const struct session *session,
                       struct str topic, uint64_t now_ms)
{
    uint64_t key = suspect_key(session, topic);

    for (size_t i = 0; i < SUSPECTS; i++)
        if (authorizer->suspects.items[i].key == key &&
            authorizer->suspects.items[i].until_ms > now_ms)
            return true;
    return false;
}

/* What had no answer in company is asked alone; what had none alone, by the patient lane; what had
 * none there, is refused. In company one slow question would take the others with it. */
static void demote(struct lane *lane, struct petition *petition, bool was_alone)
{
    struct authorizer *authorizer = lane->authorizer;

    if (!was_alone) {
        petition->alone = true;
        petition_line_add_first(&lane->line, petition);
    } else if (is_patient(lane)) {
        end_refused(authorizer, petition);
    } else {
        suspect(authorizer, petition);
        petition_line_add(&authorizer->lanes[LANE_PATIENT].line, petition);
    }
}

static void demote_batch(struct lane *lane)
{
    struct petition *batch[MAX_BATCH];
    size_t count = take_batch(lane, batch);

    for (size_t i = count; i-- > 0;)
        demote(lane, batch[i], count == 1);
    ask(&lane->authorizer->lanes[LANE_PATIENT]);
}

static void on_answer(void *arg, const struct pg_result *result, const struct err *refusal)
{
    struct lane *lane = arg;
    struct err err;

    if (!refusal && check_answer(lane, result, &err) != OK)
        refusal = &err;
    if (refusal) {
        log_warn("realtime", "the database did not say who may join", log_err(refusal),
                 log_u("questions", lane->batch_count));
        demote_batch(lane);
    } else {
        end_batch(lane, result);
    }
    ask(lane);
}

/* Questions */

static bool may_join_batch(const struct lane *lane)
{
    const struct petition *next = lane->line.first;

    if (!next || lane->batch_count == MAX_BATCH)
        return false;
    return lane->batch_count == 0 || !(next->alone || lane->batch[0]->alone || is_patient(lane));
}

static void collect(struct lane *lane)
{
    while (may_join_batch(lane)) {
        struct petition *petition = petition_line_take(&lane->line);

        if (petition->petitioners)
            lane->batch[lane->batch_count++] = petition;
        else
            petition_free(petition); /* nobody waits for it any more */
    }
}

static void ask(struct lane *lane)
{
    struct authorizer *authorizer = lane->authorizer;
    struct pg_conn *conn = pg_link_conn(lane->link);
    struct pg_param params[2];

    if (!conn || lane->batch_count > 0)
        return;
    collect(lane);
    if (lane->batch_count == 0)
        return;
    buf_shrink(&authorizer->questions, KEEP_BYTES);
    buf_shrink(&authorizer->sessions, KEEP_BYTES);
    petition_write(lane->batch, lane->batch_count, sessions_stamp(&authorizer->core->sessions),
                   &authorizer->questions, &authorizer->sessions);
    /* What is beyond all bounds becomes the question NULL, which has no answer: a refusal. */
    params[0].value =
        buf_ok(&authorizer->questions) ? buf_str(&authorizer->questions) : (struct str){NULL, 0};
    params[1].value =
        buf_ok(&authorizer->sessions) ? buf_str(&authorizer->sessions) : (struct str){NULL, 0};
    stat_add(&authorizer->core->stats->authorizations_total, lane->batch_count);
    pg_conn_query(conn, sql_realtime_authorize, params, 2, on_answer, lane);
}

void authorizer_ask(struct authorizer *authorizer, struct session *session, struct str topic,
                    rights_cb *cb, void *arg)
{
    uint64_t now_ms = clock_monotonic_ms();
    bool slow = is_suspect(authorizer, session, topic, now_ms);
    struct lane *lane = &authorizer->lanes[slow ? LANE_PATIENT : LANE_QUICK];
    struct err why;

    if (authorizer->waiting >= MAX_WAITING) {
        err_set(&why, "InitializingProjectConnection: Too many joins are waiting for the database, "
                      "try again");
        cb(arg, NULL, &why);
        return;
    }
    authorizer->waiting++;
    petition_line_ask(&lane->line, session, topic, now_ms, cb, arg);
    ask(lane);
}

static void tell_late(struct authorizer *authorizer, struct petition *petition, uint64_t now_ms)
{
    struct err why;

    if (now_ms - petition->since_ms < PATIENCE_MS)
        return;
    err_set(&why, "InitializingProjectConnection: The database did not say in time what this "
                  "client may do in the topic, try again");
    tell(authorizer, petition, NULL, &why);
}

void authorizer_tick(struct authorizer *authorizer, uint64_t now_ms)
{
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &authorizer->lanes[i];

        for (struct petition *p = lane->line.first; p; p = p->next)
            tell_late(authorizer, p, now_ms);
        for (size_t at = 0; at < lane->batch_count; at++)
            tell_late(authorizer, lane->batch[at], now_ms);
    }
}

/* The connections */

static void on_link_up(void *arg)
{
    struct lane *lane = arg;

    ask(lane);
    if (!is_patient(lane))
        lane->authorizer->events.on_quick_up(lane->authorizer->arg);
}

/* A question may be what breaks the connection (a policy that crashes a backend); or the server was
 * restarted. Nobody is refused for that at once. */
static void on_link_down(void *arg)
{
    struct lane *lane = arg;
    struct petition *batch[MAX_BATCH];
    size_t count = take_batch(lane, batch);

    for (size_t i = count; i-- > 0;) {
        batch[i]->alone = true;
        if (++batch[i]->losses < MAX_LOSSES)
            petition_line_add_first(&lane->line, batch[i]);
        else
            end_refused(lane->authorizer, batch[i]);
    }
    if (is_patient(lane))
        lane->authorizer->events.on_patient_down(lane->authorizer->arg);
    else
        lane->authorizer->events.on_quick_down(lane->authorizer->arg);
}

static void open_lane(struct authorizer *authorizer, enum lane_name name, uv_loop_t *loop,
                      const char *application_name, const char *session_sql)
{
    static const struct pg_link_events events = {on_link_up, on_link_down};
    const struct pg_link_options options = {.database_url = authorizer->core->config->database_url,
                                            .application_name = application_name,
                                            .session_sql = session_sql,
                                            .log_area = "realtime"};
    struct lane *lane = &authorizer->lanes[name];

    lane->authorizer = authorizer;
    lane->link = pg_link_open(loop, &options, &events, lane);
}

struct authorizer *authorizer_open(uv_loop_t *loop, struct core *core,
                                   const struct authorizer_events *events, void *arg)
{
    struct authorizer *authorizer = mem_alloc(sizeof(*authorizer));

    authorizer->core = core;
    authorizer->events = *events;
    authorizer->arg = arg;
    buf_init(&authorizer->questions, MAX_QUESTION_BYTES);
    buf_init(&authorizer->sessions, MAX_QUESTION_BYTES);
    open_lane(authorizer, LANE_QUICK, loop, "pgherald topics", sql_realtime_authorizer_session);
    open_lane(authorizer, LANE_PATIENT, loop, "pgherald topics, patient",
              sql_realtime_authorizer_patient_session);
    return authorizer;
}

void authorizer_close(struct authorizer *authorizer)
{
    struct petition *petition;

    if (!authorizer)
        return;
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &authorizer->lanes[i];

        pg_link_close(lane->link);
        lane->link = NULL;
        for (size_t at = 0; at < lane->batch_count; at++)
            end_refused(authorizer, lane->batch[at]);
        while ((petition = petition_line_take(&lane->line)))
            end_refused(authorizer, petition);
        petition_line_fini(&lane->line);
    }
    buf_fini(&authorizer->questions);
    buf_fini(&authorizer->sessions);
    free(authorizer);
}

struct pg_conn *authorizer_quick_conn(const struct authorizer *authorizer)
{
    return pg_link_conn(authorizer->lanes[LANE_QUICK].link);
}

struct pg_conn *authorizer_patient_conn(const struct authorizer *authorizer)
{
    return pg_link_conn(authorizer->lanes[LANE_PATIENT].link);
}
