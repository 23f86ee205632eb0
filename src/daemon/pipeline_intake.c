#include "base/log.h"
#include "daemon/auth_event.h"
#include "daemon/pipeline_internal.h"

static void pause_stream(struct pipeline *p)
{
    if (p->paused)
        return;
    p->paused = true;
    stat_add(&p->stats->backpressure_total, 1);
    stream_pause(p->stream);
}

static void resume_stream(struct pipeline *p)
{
    if (!p->paused || p->held.len > 0 || p->state == PIPELINE_STOPPING)
        return;
    p->paused = false;
    stream_resume(p->stream);
}

void pipeline_take_catalog(struct pipeline *p, struct catalog_facts *facts)
{
    ruleset_set_types(p->rules, facts->types);
    p->deriver.who.key = facts->context_key;
    decoder_set_keys(p->decoder, facts->primary_keys);
    facts->primary_keys = NULL;
    catalog_close(p->catalog);
    p->catalog = NULL;
}

static void on_catalog_again(void *arg, struct catalog_facts *facts)
{
    struct pipeline *p = arg;
    struct buf held = p->held;

    pipeline_take_catalog(p, facts);
    p->catalog_is_fresh = true;
    buf_init(&p->held, held.max);
    log_debug("pipeline", "catalog loaded again for a type or a table that was new");
    pipeline_on_message(p, buf_str(&held));
    p->catalog_is_fresh = false;
    buf_fini(&held);
    if (p->stream)
        pipeline_on_room(p);
}

/* Nothing is lost by waiting for a moment. */
static void hold_for_catalog(struct pipeline *p, struct str payload)
{
    static const struct catalog_events events = {on_catalog_again, pipeline_on_lost};

    buf_add_str(&p->held, payload);
    pause_stream(p);
    p->catalog = catalog_load(&p->loop, p->config, p->txn.position.xid, &events, p);
}

/* Nothing else comes of that table: what its own upkeep deletes there is an entry here already. */
static enum result process_auth_event(struct pipeline *p, const struct change *change,
                                      struct err *err)
{
    if (change->kind != CHANGE_INSERT)
        return OK;
    if (auth_event_add(store_batch(p->store), change, &p->txn.position, err) != OK)
        return FAILED;
    store_advance(p->store);
    return OK;
}

static enum result process_row(struct pipeline *p, struct change *change, struct str payload,
                               struct err *err)
{
    struct table_rules *table;

    transaction_place(&p->txn, change);
    if (p->txn.covered)
        return OK;
    stat_add(&p->stats->changes_total, 1);
    table = ruleset_table(p->rules, change);
    if (table->is_auth_events)
        return process_auth_event(p, change, err);
    if (str_eq(table->resource, STR("pgherald.store_marks"))) {
        transaction_mark(&p->txn, change);
        return OK;
    }
    if (!table->is_followed || p->txn.silent)
        return OK;
    if (p->plugin == PLUGIN_WAL2JSON)
        table_rules_mend_key(table, change);
    if (deriver_add_effects(&p->deriver, &p->txn, change, table, store_batch(p->store), err) != OK)
        return FAILED;
    if (table->is_messages)
        feed_message(&p->feed, change, &p->txn.position);
    else
        feed_row(&p->feed, change, &p->txn.position, payload.len, ruleset_types(p->rules));
    store_advance(p->store);
    return OK;
}

/* A message that is not transactional comes between transactions and says nothing of any. */
static enum result process_message(struct pipeline *p, struct change *change, struct err *err)
{
    enum result result;

    if (!p->txn.open || p->txn.covered)
        return OK;
    if (str_eq(change->prefix, AUDIT_CONTEXT_PREFIX))
        result = deriver_take_context(&p->deriver, &p->txn, change, store_batch(p->store), err);
    else if (str_eq(change->prefix, SCHEMA_CHANGE_PREFIX))
        result =
            deriver_take_schema_change(&p->deriver, &p->txn, change, store_batch(p->store), err);
    else
        return OK;
    if (result != OK)
        return FAILED;
    store_advance(p->store);
    return OK;
}

static void process_commit(struct pipeline *p, const struct change *change)
{
    const struct store_mark mark = {change->commit_lsn, change->end_lsn, change->commit_time};
    const struct err again = {"a transaction that the server could not send has come after all"};

    if (stumble_is_over(&p->stumble, &p->txn)) {
        pipeline_end_session(p, &again);
        return;
    }
    stat_add(&p->stats->transactions_total, 1);
    if (p->txn.covered)
        stat_add(&p->stats->transactions_skipped_total, 1);
    else
        transaction_apply_rules(&p->txn, p->rules);
    transaction_reset(&p->txn);
    store_end_transaction(p->store, &mark);
    if (!p->store)
        return;
    p->idle = change->end_lsn; /* unless it has left something to store */
    pipeline_settle(p);
}

static enum result process_change(struct pipeline *p, struct change *change, struct str payload,
                                  struct err *err)
{
    switch (change->kind) {
    case CHANGE_BEGIN:
        transaction_begin(&p->txn, change, p->checkpoint);
        if (stumble_begin(&p->stumble, &p->txn) && !store_is_idle(p->store))
            pause_stream(p); /* until that is stored */
        attribution_begin(&p->deriver.who);
        return OK;
    case CHANGE_COMMIT:
        process_commit(p, change);
        return OK;
    case CHANGE_MESSAGE:
        return process_message(p, change, err);
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        if (!p->txn.open)
            return err_set(err, "a row change outside a transaction");
        return process_row(p, change, payload, err);
    }
    return err_set(err, "unknown kind of change");
}

/* Whether a row has a type that came into being after the types were loaded. If loading them again
 * did not help, the type is gone (with its table): its values stay text. */
static bool needs_types(struct pipeline *p, const struct change *change)
{
    struct table_rules *table;

    if (!change_is_row(change) || p->txn.covered)
        return false;
    table = ruleset_table(p->rules, change);
    if (p->catalog_is_fresh)
        table_rules_accept_types(table);
    return !ruleset_knows_types(p->rules, table, change);
}

static bool needs_catalog(struct pipeline *p, const struct change *change)
{
    return needs_types(p, change) ||
           (decoder_lacks_key(p->decoder) && !p->txn.covered && !p->catalog_is_fresh);
}

void pipeline_on_message(void *arg, struct str payload)
{
    struct pipeline *p = arg;
    struct change change;
    struct err err;

    if (decoder_read(p->decoder, payload, &err) != OK) {
        stat_add(&p->stats->decode_errors_total, 1);
        pipeline_end_session(p, &err);
        return;
    }
    while (decoder_next(p->decoder, &change)) {
        stored_message_fold_table(&change);
        if (needs_catalog(p, &change)) {
            hold_for_catalog(p, payload);
            return;
        }
        if (process_change(p, &change, payload, &err) != OK) {
            pipeline_end_session(p, &err);
            return;
        }
        if (!p->store) /* the session has ended on the way */
            return;
    }
    if (!store_has_room(p->store))
        pause_stream(p);
}

void pipeline_on_room(void *arg)
{
    struct pipeline *p = arg;

    if (p->stream && store_has_room(p->store))
        resume_stream(p);
}
