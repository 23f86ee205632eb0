#include "base/log.h"
#include "embedded.h"
#include "store/internal.h"

static void on_rules(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    enum rule_kind kind;
    struct err why;

    if (err) {
        store_lose(store, err, "reading pgherald.rules");
        return;
    }
    for (unsigned k = 0; k < RULE_KINDS; k++)
        ruleset_clear(store->rules, (enum rule_kind)k);
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        if (!rule_kind_parse(pg_result_value(result, row, 0), &kind))
            continue;
        if (ruleset_put(store->rules, kind, pg_result_value(result, row, 1),
                        pg_result_value(result, row, 2), &why) != OK)
            log_warn("rules", "a rule cannot be used until it is corrected", log_err(&why));
    }
    store_set_state(store, STORE_IDLE);
    stat_set(&store->stats->store_up, 1);
    store->events.on_ready(store->arg, store->batches[0].mark.commit_lsn);
}

static void on_attached(void *arg, const struct pg_result *result, const struct err *err)
{
    struct store *store = arg;
    struct store_mark *mark = &store->batches[0].mark;
    const struct pg_param slot = {str_c(store->config->slot_name)};
    struct err wrong = {"pgherald.attach() gave no checkpoint"};

    if (err) {
        store_lose(store, err, "taking up the slot (was `pgherald init` run?)");
    } else if (pg_result_rows(result) != 1 ||
               !lsn_parse(pg_result_value(result, 0, 0), &mark->commit_lsn) ||
               !lsn_parse(pg_result_value(result, 0, 1), &mark->end_lsn)) {
        store_lose(store, &wrong, "taking up the slot");
    } else {
        pg_conn_query(store->conn, sql_store_load_rules, &slot, 1, on_rules, store);
    }
}

void store_take_up(void *arg)
{
    struct store *store = arg;
    const struct pg_param slot = {str_c(store->config->slot_name)};

    pg_conn_query(store->conn, sql_store_attach, &slot, 1, on_attached, store);
}
