#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pg/internal.h"

struct pg_request *pg_request_new(enum pg_request_kind kind, const char *sql, void *arg)
{
    struct pg_request *request = mem_alloc(sizeof(*request));

    request->kind = kind;
    request->sql = sql;
    request->arg = arg;
    return request;
}

void pg_request_set_params(struct pg_request *request, const struct pg_param *params, size_t count)
{
    if (count == 0)
        return;
    request->params = mem_array(count, sizeof(*request->params));
    request->param_count = count;
    for (size_t i = 0; i < count; i++)
        if (params[i].value.data)
            request->params[i] = str_dup(params[i].value);
}

static void add_part(struct err *err, const char *label, const char *text)
{
    size_t len = strlen(err->message);

    if (text && *text)
        snprintf(err->message + len, sizeof(err->message) - len, "%s%s", label, text);
}

void pg_describe_error(const PGresult *result, struct err *err)
{
    err->message[0] = '\0';
    add_part(err, "", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    if (!err->message[0])
        add_part(err, "", PQresultErrorMessage(result));
    add_part(err, "; ", PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
    add_part(err, "; hint: ", PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
    add_part(err, "; in: ", PQresultErrorField(result, PG_DIAG_CONTEXT));
    add_part(err, "; SQLSTATE ", PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

void pg_request_keep(struct pg_request *request, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
        PQclear(request->result);
        request->result = result;
        return;
    }
    if (!request->failed)
        pg_describe_error(result, &request->err);
    request->failed = true;
    PQclear(result);
}

void pg_request_free(struct pg_request *request)
{
    for (size_t i = 0; i < request->param_count; i++)
        free(request->params[i]);
    free(request->params);
    PQclear(request->result);
    free(request);
}

static const PGresult *of(const struct pg_result *result)
{
    return (const PGresult *)result;
}

size_t pg_result_rows(const struct pg_result *result)
{
    return result ? (size_t)PQntuples(of(result)) : 0;
}

struct str pg_result_value(const struct pg_result *result, size_t row, size_t column)
{
    return str_from(PQgetvalue(of(result), (int)row, (int)column),
                    (size_t)PQgetlength(of(result), (int)row, (int)column));
}

bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column)
{
    return PQgetisnull(of(result), (int)row, (int)column) == 1;
}

uint64_t pg_result_affected(const struct pg_result *result)
{
    uint64_t rows = 0;

    if (result && !str_to_u64(str_c(PQcmdTuples((PGresult *)of(result))), &rows))
        rows = 0;
    return rows;
}
