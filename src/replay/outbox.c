#include "replay/outbox.h"

#include "base/json.h"
#include "embedded.h"

#define MAX_ROWS ((size_t)1 << 30) /* a parameter of the protocol */
#define KEEP_ROWS ((size_t)8 << 20)
#define BATCH_ROWS 1000
#define BATCH_BYTES ((size_t)4 << 20)

void replay_outbox_init(struct replay_outbox *outbox)
{
    *outbox = (struct replay_outbox){0};
    buf_init(&outbox->rows, MAX_ROWS);
}

void replay_outbox_fini(struct replay_outbox *outbox)
{
    buf_fini(&outbox->rows);
}

enum result replay_outbox_begin(struct replay_outbox *outbox, struct pg_sync *conn,
                                const struct replay_plan *plan, struct replay_counts *counts,
                                struct err *err)
{
    const char *params[] = {plan->webhook_id, plan->since, plan->again ? "on" : "off"};

    outbox->conn = conn;
    outbox->plan = plan;
    outbox->counts = counts;
    if (pg_sync_run(conn, sql_replay_known_table, NULL, 0, NULL, err) != OK)
        return FAILED;
    return pg_sync_run(conn, sql_replay_known, params, 3, NULL, err);
}

enum result replay_outbox_flush(struct replay_outbox *outbox, struct err *err)
{
    const char *params[2];
    struct pg_rows *rows;

    if (outbox->count == 0)
        return OK;
    buf_add_char(&outbox->rows, ']');
    if (!buf_ok(&outbox->rows))
        return err_set(err, "deliveries have more than %zu bytes together", MAX_ROWS);
    params[0] = outbox->plan->webhook_id;
    params[1] = outbox->rows.data;
    if (pg_sync_run(outbox->conn, outbox->plan->dry_run ? sql_replay_count : sql_replay_insert,
                    params, 2, &rows, err) != OK)
        return FAILED;
    outbox->counts->made += (uint64_t)pg_rows_number(rows, 0, 0);
    pg_rows_free(rows);
    outbox->count = 0;
    buf_shrink(&outbox->rows, KEEP_ROWS);
    return OK;
}

/* The payload stays the bytes that they are: json_to_recordset() takes json members as they stand.
 */
enum result replay_outbox_add(struct replay_outbox *outbox, const struct matched *matched,
                              const struct position *position, struct err *err)
{
    struct buf *rows = &outbox->rows;

    buf_add_c(rows, outbox->count == 0 ? "[{\"id\":\"" : ",{\"id\":\"");
    webhook_rule_add_message_id(rows, matched->webhook, position);
    buf_add_c(rows, "\",\"event\":");
    json_add_string(rows, matched->event);
    if (matched->row_key.len > 0) {
        buf_add_c(rows, ",\"row_key\":");
        json_add_string(rows, matched->row_key);
    }
    if (!outbox->plan->dry_run) {
        buf_add_c(rows, ",\"payload\":");
        buf_add_str(rows, matched->body);
    }
    buf_add_char(rows, '}');
    if (++outbox->count < BATCH_ROWS && rows->len < BATCH_BYTES)
        return OK;
    return replay_outbox_flush(outbox, err);
}
