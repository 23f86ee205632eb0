#include "daemon/stumble.h"

#include <string.h>

#include "base/log.h"

#define SURE_AFTER 2    /* once may be anything: a walsender that was terminated says the same */
#define REMIND_EVERY 30 /* times: with the longest back-off that is five minutes */

void stumble_init(struct stumble *stumble, const struct config *config, struct stats *stats)
{
    *stumble = (struct stumble){.config = config, .stats = stats};
}

/* PostgreSQL's context of an error in a plugin's callback names the plugin, in every language.
 * Source: output_plugin_error_callback(), logical.c. */
static bool is_of_plugin(const struct err *err)
{
    return strstr(err->message, "wal2json") || strstr(err->message, "pgoutput");
}

static void tell(const struct stumble *stumble, const struct transaction *txn,
                 const struct err *err)
{
    log_error("pipeline",
              "the server cannot send this transaction, and nothing that was committed after it: "
              "see \"What the server cannot send\" in docs/limits.md. To go on without it, stop "
              "pgherald and run select pgherald.skip_transaction(slot, commit), which leaves an "
              "entry",
              log_s("slot", stumble->config->slot_name), log_lsn("commit", stumble->commit_lsn),
              log_u("xid", txn->position.xid), log_u("times", stumble->times), log_err(err));
}

void stumble_note(struct stumble *stumble, const struct transaction *txn, const struct err *err)
{
    if (!txn->open || !is_of_plugin(err))
        return;
    if (stumble->commit_lsn != txn->position.commit_lsn)
        stumble->times = 0;
    stumble->commit_lsn = txn->position.commit_lsn;
    stumble->times++;
    if (stumble->times < SURE_AFTER)
        return;
    stat_set(&stumble->stats->stuck_lsn, stumble->commit_lsn);
    if ((stumble->times - SURE_AFTER) % REMIND_EVERY == 0)
        tell(stumble, txn, err);
}

static bool is_it(const struct stumble *stumble, const struct transaction *txn)
{
    return stumble->times >= SURE_AFTER && txn->position.commit_lsn == stumble->commit_lsn;
}

bool stumble_begin(const struct stumble *stumble, struct transaction *txn)
{
    if (!is_it(stumble, txn))
        return false;
    txn->covered = true;
    return true;
}

/* Transactions come in the order of their commits. */
bool stumble_is_over(struct stumble *stumble, const struct transaction *txn)
{
    bool was = is_it(stumble, txn);

    if (stumble->commit_lsn == 0 || txn->position.commit_lsn < stumble->commit_lsn)
        return false;
    stumble->commit_lsn = 0;
    stumble->times = 0;
    stat_set(&stumble->stats->stuck_lsn, 0);
    return was;
}
