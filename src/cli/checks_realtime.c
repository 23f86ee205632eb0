#include <stdlib.h>

#include "cli/checks.h"
#include "embedded.h"

void checks_run_realtime(struct checks *checks, const struct config *config, struct pg_sync *conn)
{
    char *schemas = pg_text_array(config->schemas.items, config->schemas.count);
    const char *params[] = {schemas};
    struct pg_rows *rows;
    struct err err;

    if (pg_sync_run(conn, sql_doctor_realtime, params, 1, &rows, &err) != OK) {
        checks_add(checks, "realtime", CHECK_FAIL, "see the server's message", "%s", err.message);
        free(schemas);
        return;
    }
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        checks_add(checks, "realtime", CHECK_WARN, pg_rows_text(rows, i, 1), "%s",
                   pg_rows_text(rows, i, 0));
    if (pg_rows_count(rows) == 0)
        checks_add(checks, "realtime", CHECK_OK, NULL,
                   "private channels and messages from SQL are possible");
    pg_rows_free(rows);
    free(schemas);
}
