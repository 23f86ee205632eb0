/* pgherald status: what the database says of the slot, the checkpoint and the outbox, and what the
 * daemon says of itself. Everything is gathered in one JSON object; the table is made from that. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/facts.h"
#include "cli/fetch.h"
#include "daemon/roles.h"
#include "daemon/slot_watch.h"
#include "embedded.h"
#include "token/sign.h"

#define OWN_TOKEN_S 60

struct status {
    const struct config *config;
    json_t *root;
    json_t *problems; /* owned by root */
};

static void problem(struct status *status, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void problem(struct status *status, const char *fmt, ...)
{
    char text[ERR_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_array_append_new(status->problems, json_string(text));
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "-";
}

/* ---------------------------------------------------------------- gathering: database */

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static enum slot_level level_of(const struct status *status, const struct slot_facts *slot)
{
    const struct slot_facts_watched watched = {slot->exists, str_c(slot->wal_status),
                                               (uint64_t)slot->retained_bytes, slot->has_safe_size,
                                               slot->safe_size > 0 ? (uint64_t)slot->safe_size : 0};

    return slot_judge(status->config, &watched);
}

static void judge_slot(struct status *status, const struct slot_facts *slot)
{
    const char *name = status->config->slot_name;
    struct err what, remedy;

    if (!slot->exists)
        problem(status, "slot %s does not exist: run pgherald init", name);
    else if (slot_is_unusable(name, slot, status->config->plugin, &what, &remedy))
        problem(status, "%.300s. Remedy: %.600s", what.message, remedy.message);
    else if (!slot->active)
        problem(status, "nobody reads slot %s: the server keeps WAL until somebody does", name);
    else if (strcmp(slot->wal_status, "unreserved") == 0)
        problem(status,
                "slot %s is about to be lost: the server will remove WAL it still needs at its "
                "next checkpoint",
                name);
    else if (level_of(status, slot) >= SLOT_CRITICAL)
        problem(status,
                "slot %s keeps %lld bytes of WAL, which is critical: see that the daemon catches "
                "up, or make room on the server's disk",
                name, slot->retained_bytes);
}

static enum result add_slot(struct status *status, struct pg_sync *conn, struct err *err)
{
    struct slot_facts slot;

    if (slot_facts_load(conn, status->config->slot_name, &slot, err) != OK)
        return FAILED;
    judge_slot(status, &slot);
    json_object_set_new(
        status->root, "slot",
        json_pack(
            "{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "name", status->config->slot_name,
            "level", slot_level_name(level_of(status, &slot)), "exists", slot.exists, "active",
            slot.active, "wal_status", text_or_null(slot.wal_status), "safe_wal_size",
            slot.has_safe_size ? json_integer(slot.safe_size) : json_null(), "restart_lsn",
            text_or_null(slot.restart_lsn), "confirmed_flush_lsn", text_or_null(slot.confirmed_lsn),
            "retained_bytes", slot.exists ? json_integer(slot.retained_bytes) : json_null()));
    json_object_set_new(
        status->root, "lag",
        json_pack("{s:o}", "bytes", slot.exists ? json_integer(slot.lag_bytes) : json_null()));
    return OK;
}

static enum result add_checkpoint(struct status *status, struct pg_sync *conn, struct err *err)
{
    const char *params[] = {status->config->slot_name};
    struct pg_rows *rows;

    if (pg_sync_run(conn, sql_status_checkpoint, params, 1, &rows, err) != OK)
        return FAILED;
    if (pg_rows_count(rows) == 1)
        json_object_set_new(status->root, "checkpoint",
                            json_pack("{s:s, s:s, s:o, s:s, s:I}", "commit_lsn",
                                      pg_rows_text(rows, 0, 0), "end_lsn", pg_rows_text(rows, 0, 1),
                                      "commit_time", text_or_null(pg_rows_text(rows, 0, 2)),
                                      "updated_at", pg_rows_text(rows, 0, 3), "age_seconds",
                                      (json_int_t)pg_rows_number(rows, 0, 4)));
    pg_rows_free(rows);
    return OK;
}

static enum result add_deliveries(struct status *status, struct pg_sync *conn, struct err *err)
{
    static const char *const names[] = {"pending", "due", "delivered", "failed",
                                        "oldest_pending_seconds"};
    json_t *deliveries = json_object();
    struct pg_rows *rows;

    json_object_set_new(status->root, "deliveries", deliveries);
    if (pg_sync_run(conn, sql_status_deliveries, NULL, 0, &rows, err) != OK)
        return FAILED;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        json_object_set_new(deliveries, names[i], json_integer(pg_rows_number(rows, 0, i)));
    pg_rows_free(rows);
    return OK;
}

static void judge_jobs(struct status *status, const json_t *failed)
{
    const json_t *job;
    size_t i;

    json_array_foreach(failed, i, job)
    {
        problem(status, "job %s failed at %s after %lld attempts: %.600s", string(job, "name"),
                string(job, "failed_at"), (long long)number(job, "attempts"), string(job, "error"));
    }
}

static enum result add_jobs(struct status *status, struct pg_sync *conn, struct err *err)
{
    struct pg_rows *rows;
    json_t *failed;

    if (pg_sync_run(conn, sql_status_jobs, NULL, 0, &rows, err) != OK)
        return FAILED;
    failed = json_loads(pg_rows_text(rows, 0, 2), 0, NULL);
    json_object_set_new(status->root, "jobs",
                        json_pack("{s:I, s:I, s:O?}", "enabled",
                                  (json_int_t)pg_rows_number(rows, 0, 0), "running",
                                  (json_int_t)pg_rows_number(rows, 0, 1), "failed", failed));
    pg_rows_free(rows);
    judge_jobs(status, failed);
    json_decref(failed);
    return OK;
}

static void ask_database(struct status *status)
{
    struct pg_sync *conn;
    struct err err;

    if (pg_sync_open(status->config->database_url, "pgherald status", &conn, &err) != OK) {
        problem(status, "database: %s", err.message);
        return;
    }
    if (add_slot(status, conn, &err) != OK || add_checkpoint(status, conn, &err) != OK ||
        add_deliveries(status, conn, &err) != OK || add_jobs(status, conn, &err) != OK)
        problem(status, "database: %s%s", err.message,
                strcmp(pg_sync_refusal(conn)->sqlstate, "42P01") == 0 ? "; run pgherald init" : "");
    pg_sync_close(conn);
}

/* ---------------------------------------------------------------- gathering: daemon */

static json_int_t daemon_number(const json_t *daemon, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(daemon, "stats"), name));
}

static void judge_daemon(struct status *status, const json_t *daemon)
{
    static const struct {
        const char *up, *trouble;
        unsigned role;
    } parts[] = {{"stream_up", "it receives no WAL", ROLE_PIPELINE},
                 {"store_up", "it cannot write to the database", ROLE_PIPELINE},
                 {"dispatch_up", "its dispatcher has no database", ROLE_DISPATCH},
                 {"realtime_up", "its realtime loop has no database", ROLE_PIPELINE}};
    json_int_t roles = daemon_number(daemon, "roles"), up = daemon_number(daemon, "realtime_up");

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (roles & parts[i].role && daemon_number(daemon, parts[i].up) == 0)
            problem(status, "the daemon is up, but %s (its log says why)", parts[i].trouble);
    if (up > 0 && up < daemon_number(daemon, "realtime_loops"))
        problem(status, "the daemon is up, but some of its realtime loops have no database (its "
                        "log says why)");
    if (status->config->jobs && roles & ROLE_JOBS && daemon_number(daemon, "jobs_up") == 0)
        problem(status, "the daemon is up, but its jobs loop has no database, or is off (its log "
                        "says why)");
}

/* Its numbers as a new object; NULL: err says why not. With admin_auth we show that we know the
 * secret. */
static json_t *fetch_stats(const struct config *config, struct err *err)
{
    const struct config_address *address = &config->admin_listen;
    int64_t now = clock_now_us() / 1000000;
    json_t *stats = NULL;
    char text[128];
    struct buf body, token;
    long code = 0;

    buf_init(&body, 1024 * 1024);
    buf_init(&token, TOKEN_MAX_BYTES);
    if ((!config->admin_auth ||
         sign_for_service(str_c(config->jwt_secret), now, now + OWN_TOKEN_S, &token, err) == OK) &&
        fetch(address, "/status.json", buf_str(&token), &code, &body, err) == OK) {
        if (code == 200)
            stats = json_loadb(buf_str(&body).data, body.len, 0, NULL);
        if (!json_is_object(stats)) {
            err_set(err, "%s answered with status %ld%s", config_address_text(address, text), code,
                    code == 401 ? "; does it have the same jwt_secret?" : "");
            json_decref(stats);
            stats = NULL;
        }
    }
    buf_fini(&body);
    buf_fini(&token);
    return stats;
}

static void ask_daemon(struct status *status)
{
    const struct config_address *address = &status->config->admin_listen;
    struct err err;
    json_t *daemon = json_object(), *stats = fetch_stats(status->config, &err);
    char text[128];

    json_object_set_new(daemon, "address", json_string(config_address_text(address, text)));
    json_object_set_new(daemon, "up", json_boolean(stats != NULL));
    json_object_set_new(status->root, "daemon", daemon);
    if (stats) {
        json_object_set_new(daemon, "stats", stats);
        judge_daemon(status, daemon);
    } else {
        json_object_set_new(daemon, "error", json_string(err.message));
        problem(status, "the daemon is down: %s", err.message);
    }
}

/* The age of the newest transaction when it was stored; if no daemon can say, how long ago anything
 * was. */
static void add_lag_seconds(struct status *status)
{
    const json_t *daemon = json_object_get(status->root, "daemon");
    const json_t *checkpoint = json_object_get(status->root, "checkpoint");
    json_t *lag = json_object_get(status->root, "lag"), *seconds = json_null();

    if (!lag) {
        lag = json_object();
        json_object_set_new(status->root, "lag", lag);
    }
    if (json_object_get(daemon, "stats"))
        seconds = json_real((double)daemon_number(daemon, "stream_lag_us") / 1e6);
    else if (checkpoint)
        seconds = json_real((double)json_integer_value(json_object_get(checkpoint, "age_seconds")));
    json_object_set_new(lag, "seconds", seconds);
}

/* ---------------------------------------------------------------- the table */

static void print_slot(const json_t *root)
{
    const json_t *slot = json_object_get(root, "slot"), *lag = json_object_get(root, "lag");

    if (!json_is_true(json_object_get(slot, "exists"))) {
        puts(slot ? "slot        does not exist" : "slot        not known");
        return;
    }
    printf("slot        %s: %s, %s, confirmed %s, keeps %lld bytes of WAL (%s)",
           string(slot, "name"),
           json_is_true(json_object_get(slot, "active")) ? "in use" : "not in use",
           string(slot, "wal_status"), string(slot, "confirmed_flush_lsn"),
           (long long)number(slot, "retained_bytes"), string(slot, "level"));
    if (json_is_integer(json_object_get(slot, "safe_wal_size")))
        printf(", %lld more are safe", (long long)number(slot, "safe_wal_size"));
    printf("\nlag         %lld bytes", (long long)number(lag, "bytes"));
    if (json_is_number(json_object_get(lag, "seconds")))
        printf(", %.1f s", json_number_value(json_object_get(lag, "seconds")));
    putchar('\n');
}

static void print_database(const json_t *root)
{
    const json_t *checkpoint = json_object_get(root, "checkpoint");
    const json_t *deliveries = json_object_get(root, "deliveries");
    const json_t *jobs = json_object_get(root, "jobs");

    if (checkpoint)
        printf("checkpoint  %s, commit of %s, stored %lld s ago\n", string(checkpoint, "end_lsn"),
               string(checkpoint, "commit_time"), (long long)number(checkpoint, "age_seconds"));
    else
        puts("checkpoint  none yet");
    if (jobs)
        printf("jobs        %lld enabled, %lld running, %zu failed\n",
               (long long)number(jobs, "enabled"), (long long)number(jobs, "running"),
               json_array_size(json_object_get(jobs, "failed")));
    if (deliveries)
        printf("deliveries  %lld pending (%lld due), %lld delivered, %lld failed\n",
               (long long)number(deliveries, "pending"), (long long)number(deliveries, "due"),
               (long long)number(deliveries, "delivered"), (long long)number(deliveries, "failed"));
}

static void print_daemon(const json_t *root)
{
    const json_t *daemon = json_object_get(root, "daemon");
    const json_t *stats = json_object_get(daemon, "stats");

    printf("daemon      %s at %s\n", stats ? "up" : "down", string(daemon, "address"));
    if (!stats)
        return;
    if (number(stats, "roles") != ROLE_ALL)
        printf("roles      %s%s%s\n", number(stats, "roles") & ROLE_PIPELINE ? " pipeline" : "",
               number(stats, "roles") & ROLE_DISPATCH ? " dispatch" : "",
               number(stats, "roles") & ROLE_JOBS ? " jobs" : "");
    printf("changes     %lld in %lld transactions, %lld audit entries, %lld notifications\n",
           (long long)number(stats, "changes_total"),
           (long long)number(stats, "transactions_total"),
           (long long)number(stats, "audit_rows_total"),
           (long long)number(stats, "notifications_total"));
    printf("queues      realtime: %lld events, %lld bytes; webhooks under way: %lld\n",
           (long long)number(stats, "queue_realtime_depth"),
           (long long)number(stats, "queue_realtime_bytes"), (long long)number(stats, "inflight"));
    printf("clients     %lld, on %lld channels with %lld subscriptions\n",
           (long long)number(stats, "clients"), (long long)number(stats, "channels"),
           (long long)number(stats, "bindings"));
}

static void print_table(const struct status *status)
{
    json_t *text;
    size_t i;

    print_slot(status->root);
    print_database(status->root);
    print_daemon(status->root);
    json_array_foreach(status->problems, i, text)
        printf("problem     %s\n", json_string_value(text));
}

int cli_status(const struct config *config, const struct cli_args *args)
{
    struct status status = {.config = config};
    bool healthy;

    if (!cli_has_database(config))
        return EX_CONFIG;
    status.root = json_object();
    status.problems = json_array();
    json_object_set_new(status.root, "problems", status.problems);
    ask_database(&status);
    ask_daemon(&status);
    add_lag_seconds(&status);
    healthy = json_array_size(status.problems) == 0;
    json_object_set_new(status.root, "ok", json_boolean(healthy));
    if (args->flags & CLI_JSON) {
        json_dumpf(status.root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_table(&status);
    }
    json_decref(status.root);
    return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}
