/* Between the files of pg/ only: one request of a connection, and where it goes. */
#ifndef PGHERALD_PG_INTERNAL_H
#define PGHERALD_PG_INTERNAL_H

#include <libpq-fe.h>

#include "pg/conn.h"
#include "pg/params.h"

enum pg_request_kind { PG_REQUEST_QUERY, PG_REQUEST_COPY_IN, PG_REQUEST_STREAM };

struct pg_request {
    struct pg_request *next;
    enum pg_request_kind kind;
    const char *sql; /* the caller's */
    char **params;
    size_t param_count;
    pg_result_cb *cb;
    struct pg_copy_events copy;
    struct pg_stream_events stream;
    void *arg;

    bool copying;     /* the server said CopyIn */
    bool streaming;   /* the server said CopyBoth */
    PGresult *result; /* the last one that succeeded */
    bool failed;      /* `err` holds the first refusal */
    struct err err;
};

struct pg_request *pg_request_new(enum pg_request_kind kind, const char *sql, void *arg);
void pg_request_set_params(struct pg_request *request, const struct pg_param *params, size_t count);
/* Takes over the result: keeps it, or notes the refusal it carries. */
void pg_request_keep(struct pg_request *request, PGresult *result);
void pg_request_free(struct pg_request *request);

/* Whether the host is a name that libpq would resolve in the foreground. */
bool pg_params_need_resolving(const struct pg_params *params);
/* Gives libpq the addresses of that name, so that it need not ask. */
void pg_params_set_addresses(struct pg_params *params, const struct addrinfo *found);

/* The server's refusal in one line: message, detail, hint, where, SQLSTATE. */
void pg_describe_error(const PGresult *result, struct err *err);

#endif
