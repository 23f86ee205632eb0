#include "stream/walsender.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"

#define CONNECT_TIMEOUT_MS 10000
#define PID_TEXT 16

struct walsender_question {
    struct pg_conn *conn;
    int pid;
    walsender_answer *answer;
    void *arg;
};

/* A walsender that is gone has no row. */
static void on_answer(void *arg, const struct pg_result *result, const struct err *err)
{
    struct walsender_question *question = arg;

    question->answer(question->arg, !err && pg_result_rows(result) == 1 &&
                                        str_eq(pg_result_value(result, 0, 0), STR("t")));
}

static void on_open(void *arg)
{
    struct walsender_question *question = arg;
    char text[PID_TEXT];
    const struct pg_param pid = {
        str_from(text, (size_t)snprintf(text, PID_TEXT, "%d", question->pid))};

    pg_conn_query(question->conn, sql_stream_is_working, &pid, 1, on_answer, question);
}

static void on_lost(void *arg, const struct err *err)
{
    struct walsender_question *question = arg;

    (void)err; /* what is told is that the stream is lost */
    question->answer(question->arg, false);
}

struct walsender_question *walsender_ask(uv_loop_t *loop, const struct config *config, int pid,
                                         walsender_answer *answer, void *arg)
{
    static const struct pg_conn_events events = {on_open, on_lost, NULL};
    const struct pg_conn_options options = {config->database_url, "pgherald question", false,
                                            CONNECT_TIMEOUT_MS, 0};
    struct walsender_question *question = mem_alloc(sizeof(*question));

    question->pid = pid;
    question->answer = answer;
    question->arg = arg;
    question->conn = pg_conn_open(loop, &options, &events, question);
    return question;
}

void walsender_question_close(struct walsender_question *question)
{
    if (!question)
        return;
    pg_conn_close(question->conn);
    free(question);
}
