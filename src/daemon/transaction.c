#include "daemon/transaction.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

void transaction_begin(struct transaction *txn, const struct change *begin, lsn_t checkpoint)
{
    transaction_reset(txn);
    txn->open = true;
    txn->position.commit_lsn = begin->commit_lsn;
    txn->position.commit_time = begin->commit_time;
    txn->position.xid = begin->xid;
    txn->end_lsn = begin->end_lsn;
    txn->covered = begin->commit_lsn <= checkpoint;
}

void transaction_reset(struct transaction *txn)
{
    for (size_t i = 0; i < txn->rule_change_count; i++) {
        free((void *)(uintptr_t)txn->rule_changes[i].id.data);
        free((void *)(uintptr_t)txn->rule_changes[i].row.data);
    }
    free(txn->rule_changes);
    *txn = (struct transaction){0};
}

void transaction_place(struct transaction *txn, struct change *change)
{
    txn->position.ordinal++;
    change->commit_lsn = txn->position.commit_lsn;
    change->end_lsn = txn->end_lsn;
    change->commit_time = txn->position.commit_time;
}

/* The marks of jobs are `job:<name>` (pgherald.mark_maintenance()), that of counted use is
 * `usage:api_keys` (pgherald.flush_api_key_usage()), those of stores are slots' names, which have
 * no colon. */
void transaction_mark(struct transaction *txn, const struct change *change)
{
    const struct column *name = change_current(change, STR("slot_name"));

    if (name && str_starts(name->value, STR("job:")))
        txn->upkeep = true;
    else if (name && str_eq(name->value, STR("usage:api_keys")))
        txn->silent = true;
    else
        txn->own = true;
}

static bool is_run(const struct change *change)
{
    const struct column *queue = change_current(change, STR("queue"));

    return queue && str_eq(queue->value, STR("pgherald"));
}

bool transaction_is_upkeep(const struct transaction *txn, const struct change *change)
{
    if (!txn->upkeep || !str_eq(change->schema, STR("public")))
        return false;
    if (str_eq(change->table, STR("job_logs")))
        return change->kind == CHANGE_DELETE || is_run(change);
    return change->kind == CHANGE_DELETE && (str_eq(change->table, STR("notifications")) ||
                                             str_eq(change->table, STR("api_key_usage")));
}

void transaction_add_rule_change(struct transaction *txn, enum rule_kind kind, struct str id,
                                 struct str row)
{
    struct rule_change *change;

    txn->rule_changes =
        mem_grow(txn->rule_changes, txn->rule_change_count + 1, sizeof(*txn->rule_changes));
    change = &txn->rule_changes[txn->rule_change_count++];
    change->kind = kind;
    change->id = str_from(str_dup(id), id.len);
    change->row = str_from(str_dup(row), row.len);
}

static void apply(struct ruleset *rules, const struct rule_change *change)
{
    struct err err;

    if (change->id.len == 0) {
        ruleset_clear(rules, change->kind);
    } else if (change->row.len == 0) {
        ruleset_remove(rules, change->kind, change->id);
    } else if (ruleset_put(rules, change->kind, change->id, change->row, &err) != OK) {
        log_warn("rules", "a rule cannot be used until it is corrected", log_err(&err));
        return;
    }
    log_info("rules", change->row.len ? "rule loaded" : "rule removed",
             log_s("kind", rule_kind_name(change->kind)), log_v("id", change->id));
}

void transaction_apply_rules(struct transaction *txn, struct ruleset *rules)
{
    for (size_t i = 0; i < txn->rule_change_count; i++)
        apply(rules, &txn->rule_changes[i]);
}
