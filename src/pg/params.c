#include "pg/params.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* Output functions follow the session's settings: these make a value's text the same everywhere. */
#define SESSION_SETTINGS                                                                           \
    "-c bytea_output=hex -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres "              \
    "-c extra_float_digits=1 -c search_path= -c client_min_messages=warning"

const char *pg_params_get(const struct pg_params *params, const char *keyword)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->keywords[i], keyword) == 0)
            return params->values[i];
    return NULL;
}

void pg_params_set(struct pg_params *params, const char *keyword, const char *value)
{
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->keywords[i], keyword) == 0) {
            free(params->values[i]);
            params->values[i] = mem_strdup(value);
            return;
        }
    }
    if (params->count == PG_PARAMS_MAX)
        return;
    params->keywords[params->count] = mem_strdup(keyword);
    params->values[params->count++] = mem_strdup(value);
}

static void add_options(struct pg_params *params, const char *more)
{
    const char *own = pg_params_get(params, "options");
    struct buf options;

    buf_init(&options, 8192);
    if (own) {
        buf_add_c(&options, own);
        buf_add_char(&options, ' ');
    }
    buf_add_c(&options, more);
    pg_params_set(params, "options", buf_str(&options).data);
    buf_fini(&options);
}

void pg_params_add_setting(struct pg_params *params, const char *setting)
{
    struct buf option;

    buf_init(&option, 256);
    buf_addf(&option, "-c %s", setting);
    add_options(params, buf_str(&option).data);
    buf_fini(&option);
}

/* A peer that is gone without a word is noticed within about a minute, sending or waiting. libpq
 * and the system leave that to hours. */
static void add_keepalives(struct pg_params *params)
{
    static const char *const defaults[][2] = {{"keepalives_idle", "30"},
                                              {"keepalives_interval", "10"},
                                              {"keepalives_count", "3"},
                                              {"tcp_user_timeout", "60000"}};

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (!pg_params_get(params, defaults[i][0]))
            pg_params_set(params, defaults[i][0], defaults[i][1]);
}

enum result pg_params_init(struct pg_params *params, const char *database_url,
                           const char *application_name, bool replication, struct err *err)
{
    char *reason = NULL;
    PQconninfoOption *parsed = PQconninfoParse(database_url, &reason);

    *params = (struct pg_params){0};
    if (!parsed) {
        struct str text = str_trim(str_c(reason ? reason : "out of memory"));

        err_set(err, "database_url is not a connection string or URI: %.*s", STR_ARG(text));
        PQfreemem(reason);
        return FAILED;
    }
    for (PQconninfoOption *option = parsed; option->keyword; option++)
        if (option->val)
            pg_params_set(params, option->keyword, option->val);
    PQconninfoFree(parsed);
    pg_params_set(params, "application_name", application_name);
    pg_params_set(params, "client_encoding", "UTF8");
    if (replication)
        pg_params_set(params, "replication", "database");
    add_options(params, SESSION_SETTINGS);
    add_keepalives(params);
    return OK;
}

void pg_params_fini(struct pg_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        free(params->keywords[i]);
        free(params->values[i]);
    }
    *params = (struct pg_params){0};
}
