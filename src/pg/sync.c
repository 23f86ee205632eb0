#include "pg/sync.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pg/internal.h"
#include "pg/params.h"

#define CONNECT_TIMEOUT_S "10"
#define ARRAY_MAX_BYTES (1024 * 1024)

struct pg_sync {
    PGconn *pg;
    PGresult *refused; /* what `refusal` borrows */
    struct pg_refusal refusal;
};

/* libpq's own name for a result: the header cannot say PGresult. */
struct pg_rows {
    PGresult *result;
};

static void forget_refusal(struct pg_sync *conn)
{
    PQclear(conn->refused);
    conn->refused = NULL;
    conn->refusal = (struct pg_refusal){"", "", "", "", "", 0};
}

static enum result connect_to(struct pg_sync *conn, struct pg_params *params, struct err *err)
{
    struct str reason;

    if (!pg_params_get(params, "connect_timeout"))
        pg_params_set(params, "connect_timeout", CONNECT_TIMEOUT_S);
    conn->pg = PQconnectdbParams((const char *const *)params->keywords,
                                 (const char *const *)params->values, 0);
    if (PQstatus(conn->pg) == CONNECTION_OK)
        return OK;
    reason = str_trim(str_c(PQerrorMessage(conn->pg)));
    return err_set(err, "cannot connect: %.*s", STR_ARG(reason));
}

enum result pg_sync_open(const char *database_url, const char *application_name,
                         struct pg_sync **out, struct err *err)
{
    struct pg_sync *conn = mem_alloc(sizeof(*conn));
    struct pg_params params;
    enum result result;

    *out = NULL;
    forget_refusal(conn);
    result = pg_params_init(&params, database_url, application_name, false, err);
    if (result == OK) {
        result = connect_to(conn, &params, err);
        pg_params_fini(&params);
    }
    if (result == OK) /* platforms set one on roles; an upgrade may take longer */
        result = pg_sync_run(conn, "set statement_timeout = 0", NULL, 0, NULL, err);
    if (result == OK)
        *out = conn;
    else
        pg_sync_close(conn);
    return result;
}

void pg_sync_close(struct pg_sync *conn)
{
    if (!conn)
        return;
    forget_refusal(conn);
    PQfinish(conn->pg);
    free(conn);
}

static const char *field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);

    return text ? text : "";
}

/* The server counts characters from 1 up to the place; bytes that go on in a character do not
 * count. */
static unsigned line_of(const char *sql, const char *position)
{
    long left = strtol(position, NULL, 10) - 1;
    unsigned line = 1;

    if (left < 0)
        return 0;
    for (; *sql && left > 0; sql++) {
        if (((unsigned char)sql[1] & 0xc0) != 0x80)
            left--;
        if (*sql == '\n')
            line++;
    }
    return line;
}

/* Takes over the result. */
static enum result refuse(struct pg_sync *conn, const char *sql, PGresult *result, struct err *err)
{
    struct str reason;

    conn->refused = result;
    conn->refusal = (struct pg_refusal){
        .message = field(result, PG_DIAG_MESSAGE_PRIMARY),
        .detail = field(result, PG_DIAG_MESSAGE_DETAIL),
        .hint = field(result, PG_DIAG_MESSAGE_HINT),
        .context = field(result, PG_DIAG_CONTEXT),
        .sqlstate = field(result, PG_DIAG_SQLSTATE),
        .line = line_of(sql, field(result, PG_DIAG_STATEMENT_POSITION)),
    };
    if (conn->refusal.message[0]) {
        pg_describe_error(result, err);
        return FAILED;
    }
    reason = str_trim(str_c(PQerrorMessage(conn->pg))); /* the connection broke */
    return err_set(err, "%.*s", STR_ARG(reason));
}

enum result pg_sync_run(struct pg_sync *conn, const char *sql, const char *const *params,
                        size_t count, struct pg_rows **rows, struct err *err)
{
    PGresult *result;
    ExecStatusType status;

    if (rows)
        *rows = NULL;
    forget_refusal(conn);
    result = count == 0 ? PQexec(conn->pg, sql)
                        : PQexecParams(conn->pg, sql, (int)count, NULL, params, NULL, NULL, 0);
    status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        return refuse(conn, sql, result, err);
    if (!rows) {
        PQclear(result);
        return OK;
    }
    *rows = mem_alloc(sizeof(**rows));
    (*rows)->result = result;
    return OK;
}

/* libpq wants every result read before the next statement. */
static void drop_results(struct pg_sync *conn)
{
    PGresult *result;

    while ((result = PQgetResult(conn->pg)))
        PQclear(result);
}

enum result pg_sync_each(struct pg_sync *conn, const char *sql, pg_sync_row_cb *each, void *arg,
                         size_t *count, struct err *err)
{
    enum result outcome = OK;
    struct pg_rows rows;
    size_t seen = 0;

    forget_refusal(conn);
    if (PQsendQuery(conn->pg, sql) != 1 || PQsetSingleRowMode(conn->pg) != 1)
        return refuse(conn, sql, NULL, err);
    while ((rows.result = PQgetResult(conn->pg))) {
        ExecStatusType status = PQresultStatus(rows.result);

        if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK) {
            outcome = refuse(conn, sql, rows.result, err);
            drop_results(conn);
            break;
        }
        if (status == PGRES_SINGLE_TUPLE) {
            seen++;
            if (outcome == OK)
                outcome = each(arg, &rows, err);
        }
        PQclear(rows.result);
    }
    if (count)
        *count = seen;
    return outcome;
}

const struct pg_refusal *pg_sync_refusal(const struct pg_sync *conn)
{
    return &conn->refusal;
}

size_t pg_rows_count(const struct pg_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

const char *pg_rows_text(const struct pg_rows *rows, size_t row, size_t column)
{
    return PQgetvalue(rows->result, (int)row, (int)column);
}

bool pg_rows_is_null(const struct pg_rows *rows, size_t row, size_t column)
{
    return PQgetisnull(rows->result, (int)row, (int)column);
}

bool pg_rows_is_true(const struct pg_rows *rows, size_t row, size_t column)
{
    return pg_rows_text(rows, row, column)[0] == 't';
}

long long pg_rows_number(const struct pg_rows *rows, size_t row, size_t column)
{
    return strtoll(pg_rows_text(rows, row, column), NULL, 10);
}

void pg_rows_free(struct pg_rows *rows)
{
    if (!rows)
        return;
    PQclear(rows->result);
    free(rows);
}

char *pg_text_array(char *const *items, size_t count)
{
    struct buf out;

    buf_init(&out, ARRAY_MAX_BYTES);
    buf_add_char(&out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_add_c(&out, i > 0 ? ",\"" : "\"");
        for (const char *p = items[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_add_char(&out, '\\');
            buf_add_char(&out, *p);
        }
        buf_add_char(&out, '"');
    }
    buf_add_char(&out, '}');
    return buf_take(&out, NULL);
}
