#include "stream/in_progress.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "decode/streamed.h"
#include "stream/spool.h"

#define MAX_HEAD 9 /* the type and the number of a description */

/* Of a subtransaction only where its first message is: savepoints are a stack, so all that was
 * added since then goes with it if it is rolled back. */
struct subtransaction {
    struct map_node node;
    struct subtransaction *before; /* the one that began before it, in the order of `first` */
    uint64_t first;                /* bytes of the spool before its first message */
    bool told;                     /* the transaction's, before that */
};

struct transaction {
    struct map_node node;
    struct spool *spool;
    struct map subs;
    struct subtransaction *last;
    bool told; /* something was told since the last row: nobody knows by which subtransaction */
};

enum ending { ENDING_NONE, ENDING_BEGIN, ENDING_MESSAGES, ENDING_END };

struct in_progress {
    struct in_progress_limits limits;
    struct stats *stats;
    struct map transactions;
    size_t sub_count;
    uint64_t bytes;    /* of all spools */
    uint64_t numbered; /* descriptions of tables so far */
    uint32_t block;
    struct buf passing; /* a description outside of blocks, with its number */

    enum ending stage;
    struct transaction *ending; /* in no map any more */
    struct buf begin, end;      /* its first and its last message */
};

struct in_progress *in_progress_new(const struct in_progress_limits *limits, struct stats *stats)
{
    struct in_progress *all = mem_alloc(sizeof(*all));

    all->limits = *limits;
    all->stats = stats;
    buf_init(&all->passing, (size_t)1 << 30);
    buf_init(&all->begin, 64);
    buf_init(&all->end, 64);
    return all;
}

static void count_bytes(struct in_progress *all, uint64_t before, uint64_t now)
{
    all->bytes += now - before; /* may wrap: the sum comes out right */
    stat_set(&all->stats->spool_bytes, all->bytes);
}

/* Forgets the subtransactions whose first message is at `from` or behind. */
static void forget_subs(struct in_progress *all, struct transaction *transaction, uint64_t from)
{
    while (transaction->last && transaction->last->first >= from) {
        struct subtransaction *sub = transaction->last;

        transaction->last = sub->before;
        map_remove(&transaction->subs, &sub->node);
        free(sub);
        all->sub_count--;
    }
}

static void free_transaction(struct in_progress *all, struct transaction *transaction)
{
    forget_subs(all, transaction, 0);
    count_bytes(all, spool_bytes(transaction->spool), 0);
    map_fini(&transaction->subs);
    spool_free(transaction->spool);
    free(transaction);
}

static void end_ending(struct in_progress *all)
{
    if (all->ending)
        free_transaction(all, all->ending);
    all->ending = NULL;
    all->stage = ENDING_NONE;
}

void in_progress_free(struct in_progress *all)
{
    if (!all)
        return;
    for (size_t b = 0; b < all->transactions.bucket_count; b++) {
        struct map_node *next;

        for (struct map_node *node = all->transactions.buckets[b]; node; node = next) {
            next = node->next;
            free_transaction(all, MAP_THING(node, struct transaction, node));
        }
    }
    end_ending(all);
    stat_set(&all->stats->streamed_in_progress, 0);
    map_fini(&all->transactions);
    buf_fini(&all->passing);
    buf_fini(&all->begin);
    buf_fini(&all->end);
    free(all);
}

static struct transaction *find(const struct in_progress *all, uint32_t xid)
{
    struct map_node *node = map_find(&all->transactions, xid);

    return node ? MAP_THING(node, struct transaction, node) : NULL;
}

static void take_out(struct in_progress *all, struct transaction *transaction)
{
    map_remove(&all->transactions, &transaction->node);
    stat_set(&all->stats->streamed_in_progress, all->transactions.count);
}

/* Parts */

/* The first block of a transaction makes it known. */
static enum result start(struct in_progress *all, uint32_t xid, struct err *err)
{
    struct transaction *transaction;

    if (find(all, xid))
        return OK;
    if (all->transactions.count >= all->limits.transactions)
        return err_set(err, "more than %zu transactions in progress are streamed",
                       all->limits.transactions);
    transaction = mem_alloc(sizeof(*transaction));
    transaction->spool = spool_new(all->limits.directory);
    map_add(&all->transactions, &transaction->node, xid);
    stat_set(&all->stats->streamed_in_progress, all->transactions.count);
    return OK;
}

static enum result note_sub(struct in_progress *all, struct transaction *transaction,
                            uint32_t sub_xid, struct err *err)
{
    struct subtransaction *sub;

    if (map_find(&transaction->subs, sub_xid))
        return OK;
    if (all->sub_count >= all->limits.subtransactions)
        return err_set(err, "more than %zu subtransactions are streamed",
                       all->limits.subtransactions);
    sub = mem_alloc(sizeof(*sub));
    sub->before = transaction->last;
    sub->first = spool_bytes(transaction->spool);
    sub->told = transaction->told;
    transaction->last = sub;
    map_add(&transaction->subs, &sub->node, sub_xid);
    all->sub_count++;
    return OK;
}

/* What stands before the body when it is handed out. */
static struct str write_head(struct in_progress *all, char type, char head[MAX_HEAD])
{
    head[0] = type;
    if (type != 'R')
        return str_from(head, 1);
    head[0] = STREAMED_RELATION;
    all->numbered++;
    for (size_t i = 0; i < sizeof(all->numbered); i++)
        head[i + 1] = (char)(all->numbered >> (56 - 8 * i) & 0xff);
    return str_from(head, MAX_HEAD);
}

static enum result add_to_spool(struct in_progress *all, struct spool *spool,
                                const struct streamed_message *message, struct err *err)
{
    uint64_t before = spool_bytes(spool), size = 1 + message->body.len;
    char head[MAX_HEAD];
    enum result result;

    if (size > all->limits.bytes || all->bytes > all->limits.bytes - size)
        return err_set(err, "spool_max: transactions in progress are more than %llu bytes",
                       (unsigned long long)all->limits.bytes);
    result = spool_add(spool, write_head(all, message->type, head), message->body, err);
    count_bytes(all, before, spool_bytes(spool));
    return result;
}

static enum result keep(struct in_progress *all, const struct streamed_message *message,
                        struct err *err)
{
    struct transaction *transaction = find(all, message->xid);

    if (message->sub_xid != message->xid && note_sub(all, transaction, message->sub_xid, err) != OK)
        return FAILED;
    if (add_to_spool(all, transaction->spool, message, err) != OK)
        return FAILED;
    if (streamed_is_told(message))
        transaction->told = true;
    else if (strchr("IUDT", message->type))
        transaction->told = false;
    stat_add(&all->stats->spooled_bytes_total, 1 + message->body.len);
    return OK;
}

/* The ends of transactions */

static enum result cut(struct in_progress *all, struct transaction *transaction, uint64_t from,
                       struct err *err)
{
    uint64_t before = spool_bytes(transaction->spool);

    forget_subs(all, transaction, from);
    if (spool_cut(transaction->spool, from, err) != OK)
        return FAILED;
    count_bytes(all, before, from);
    return OK;
}

/* All that is kept behind the first message of the subtransaction is its own, or of those inside
 * it. What was told just before, after the last row, may be its own or not: that is not said. */
static enum result drop_sub(struct in_progress *all, struct transaction *transaction,
                            uint32_t sub_xid, struct err *err)
{
    struct map_node *node = map_find(&transaction->subs, sub_xid);
    const struct subtransaction *sub = node ? MAP_THING(node, struct subtransaction, node) : NULL;

    if (sub ? sub->told : transaction->told)
        return err_set(err,
                       "subtransaction %u is rolled back, and pgoutput does not say whether that "
                       "is the one that told who is at work or what became of the schema",
                       (unsigned)sub_xid);
    transaction->told = false;
    return sub ? cut(all, transaction, sub->first, err) : OK;
}

/* Nothing is known of one that has changed nothing that is followed. */
static enum result drop(struct in_progress *all, const struct streamed_message *message,
                        struct err *err)
{
    struct transaction *transaction = find(all, message->xid);

    if (!transaction)
        return OK;
    stat_add(&all->stats->streamed_aborts_total, 1);
    if (message->sub_xid != message->xid)
        return drop_sub(all, transaction, message->sub_xid, err);
    take_out(all, transaction);
    free_transaction(all, transaction);
    return OK;
}

static enum result begin_ending(struct in_progress *all, const struct streamed_message *commit,
                                struct err *err)
{
    struct transaction *transaction = find(all, commit->xid);

    if (!transaction)
        return err_set(err,
                       "pgoutput says that transaction %u has committed, and never said that "
                       "it began",
                       (unsigned)commit->xid);
    take_out(all, transaction);
    all->ending = transaction;
    all->stage = ENDING_BEGIN;
    buf_clear(&all->begin);
    streamed_add_begin(&all->begin, commit);
    buf_clear(&all->end);
    streamed_add_end(&all->end, commit);
    stat_add(&all->stats->streamed_transactions_total, 1);
    return OK;
}

/* Messages in, messages out */

static struct str pass(struct in_progress *all, const struct streamed_message *message,
                       struct str whole)
{
    char head[MAX_HEAD];

    if (message->type != 'R')
        return whole;
    buf_clear(&all->passing);
    buf_add_str(&all->passing, write_head(all, message->type, head));
    buf_add_str(&all->passing, message->body);
    return buf_str(&all->passing);
}

enum result in_progress_take(struct in_progress *all, struct str message,
                             enum in_progress_verdict *verdict, struct str *out, bool *is_full,
                             struct err *err)
{
    struct streamed_message read;

    *verdict = IN_PROGRESS_KEPT;
    *is_full = false;
    if (streamed_read(&all->block, message, &read, err) != OK)
        return FAILED;
    switch (read.kind) {
    case STREAMED_NONE:
        *verdict = IN_PROGRESS_PASSES;
        *out = pass(all, &read, message);
        return OK;
    case STREAMED_START:
        *is_full = start(all, read.xid, err) != OK;
        return *is_full ? FAILED : OK;
    case STREAMED_STOP:
        return OK;
    case STREAMED_PART:
        *is_full = keep(all, &read, err) != OK;
        return *is_full ? FAILED : OK;
    case STREAMED_COMMIT:
        *verdict = IN_PROGRESS_ENDS;
        return begin_ending(all, &read, err);
    case STREAMED_ABORT:
        *is_full = drop(all, &read, err) != OK;
        return *is_full ? FAILED : OK;
    }
    return err_set(err, "unknown kind of message");
}

enum result in_progress_next(struct in_progress *all, struct str *out, bool *more, struct err *err)
{
    *more = true;
    switch (all->stage) {
    case ENDING_BEGIN:
        all->stage = ENDING_MESSAGES;
        *out = buf_str(&all->begin);
        return OK;
    case ENDING_MESSAGES:
        if (spool_next(all->ending->spool, out, more, err) != OK)
            return FAILED;
        if (*more)
            return OK;
        *more = true;
        all->stage = ENDING_END;
        *out = buf_str(&all->end);
        return OK;
    case ENDING_END:
        end_ending(all);
        break;
    case ENDING_NONE:
        break;
    }
    *more = false;
    return OK;
}
