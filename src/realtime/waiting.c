#include "realtime/waiting.h"

#include <stdlib.h>

#include "base/mem.h"
#include "realtime/broadcast.h"
#include "realtime/judge.h"
#include "row/value.h"

/* One walk over everybody who bound the table. */
struct gathering {
    struct waiting *waiting;
    struct core *core;
    const struct policies *policies;
    uint64_t stamp;
    bool may_leave;          /* the old row differs in what it shows */
    struct change before;    /* as if the old row had been deleted */
    struct reading *reading; /* by the policies for the crowd under way */
    bool old;                /* what is found is found by the old row */
};

struct waiting *waiting_new(struct event *event)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));

    question_init(&waiting->question, event);
    waiting->bytes = sizeof(*waiting) + event->msg.bytes;
    return waiting;
}

struct waiting *waiting_new_message(const struct core *core, struct event *event)
{
    return broadcast_has_audience(core, &event->message.message) ? waiting_new(event) : NULL;
}

void waiting_free(struct waiting *waiting)
{
    question_fini(&waiting->question);
    for (size_t i = 0; i < waiting->recipient_count; i++)
        channel_unref(waiting->recipients[i].channel);
    free(waiting->recipients);
    free(waiting->targets);
    free(waiting);
}

static size_t add_target(const struct gathering *gathering, struct binding *binding)
{
    struct waiting *waiting = gathering->waiting;

    if (waiting->target_count == waiting->target_cap) {
        waiting->target_cap = waiting->target_cap ? waiting->target_cap * 2 : 4;
        waiting->targets =
            mem_grow(waiting->targets, waiting->target_cap, sizeof(*waiting->targets));
    }
    waiting->targets[waiting->target_count] = (struct target){
        .binding = binding, .now = !gathering->old, .before = gathering->old, .next = TARGET_NONE};
    return waiting->target_count++;
}

static void add_recipient(struct gathering *gathering, struct channel *channel, size_t target)
{
    struct waiting *waiting = gathering->waiting;

    if (waiting->recipient_count == waiting->recipient_cap) {
        waiting->recipient_cap = waiting->recipient_cap ? waiting->recipient_cap * 2 : 4;
        waiting->recipients =
            mem_grow(waiting->recipients, waiting->recipient_cap, sizeof(*waiting->recipients));
    }
    channel->seen = gathering->stamp;
    channel->place = waiting->recipient_count;
    waiting->recipients[waiting->recipient_count++] =
        (struct recipient){channel_ref(channel), channel->session->place, target, target};
}

/* The place of the session in the question, with its verdict as far as it can be told here. */
static const struct verdict *need_verdict(struct gathering *gathering, struct binding *binding)
{
    const struct reading *reading = gathering->reading;
    struct question *question = &gathering->waiting->question;
    struct session *session = binding->channel->session;
    bool is_new = !question_knows(session, gathering->stamp);
    size_t place = question_place(question, session, gathering->stamp);
    struct verdict *verdict = &question->verdicts[place];
    struct policy_session *bound = NULL;

    if (!is_new)
        return verdict;
    if (judge_needs_claims(reading->access) && !binding->bound)
        bound =
            policy_bind(reading->access->policy, str_from(session->claims, session->claims_len));
    judge(reading, question->wants_old, bound ? bound : binding->bound, verdict);
    policy_session_free(bound);
    return verdict;
}

/* Nothing will come of it, whatever else is asked. */
static bool is_in_vain(const struct gathering *gathering, const struct verdict *verdict)
{
    if (verdict->state != VERDICT_NO || verdict->failed)
        return false;
    return !gathering->may_leave || !verdict->old_visible;
}

/* The target of this binding that the change itself has found, if it has. */
static struct target *find_target(const struct gathering *gathering, const struct binding *binding)
{
    struct waiting *waiting = gathering->waiting;
    size_t t = waiting->recipients[binding->channel->place].first;

    while (t != TARGET_NONE && waiting->targets[t].binding != binding)
        t = waiting->targets[t].next;
    return t == TARGET_NONE ? NULL : &waiting->targets[t];
}

static void add(struct gathering *gathering, struct binding *binding)
{
    struct waiting *waiting = gathering->waiting;
    struct channel *channel = binding->channel;
    struct recipient *recipient;
    struct target *target;
    size_t added;

    if (channel->seen != gathering->stamp) {
        add_recipient(gathering, channel, add_target(gathering, binding));
        return;
    }
    target = gathering->old ? find_target(gathering, binding) : NULL;
    if (target) {
        target->before = true;
        return;
    }
    added = add_target(gathering, binding);
    recipient = &waiting->recipients[channel->place];
    waiting->targets[recipient->last].next = added;
    recipient->last = added;
}

static void found(void *arg, struct binding *binding)
{
    struct gathering *gathering = arg;
    const struct verdict *verdict = need_verdict(gathering, binding);

    if (is_in_vain(gathering, verdict))
        stat_add(&gathering->core->stats->rls_hidden_total, !gathering->old);
    else
        add(gathering, binding);
}

static void gather_crowd(void *arg, struct crowd *crowd)
{
    struct gathering *gathering = arg;
    const struct event_row *row = &gathering->waiting->question.event->row;
    const struct change *change = &row->change;
    struct table_access *access =
        policies_find(gathering->policies, change->schema, change->table, crowd_role(crowd));
    struct reading reading;

    if (access && access->kind != ACCESS_ASK && !(access->sent & 1u << change->kind))
        return;
    crowd_follow(crowd, access);
    reading_init(&reading, access, change);
    gathering->reading = &reading;
    gathering->old = false;
    crowd_match(crowd, change, row->types, reading.judged ? &reading.now : NULL, found, gathering);
    gathering->old = true;
    if (gathering->may_leave)
        crowd_match(crowd, &gathering->before, row->types, reading.judged ? &reading.old : NULL,
                    found, gathering);
    reading_fini(&reading);
}

/* Whether the old row, as far as it came, differs from the new one. If it does not, then whatever
 * can be told of it is as true of the new row, and nobody was left. */
static bool has_moved(const struct change *change)
{
    if (change->kind != CHANGE_UPDATE)
        return false;
    for (size_t i = 0; i < change->identity.count; i++) {
        const struct column *old = &change->identity.items[i];
        const struct column *now = columns_find(change->record, old->name);

        if (now && !value_same(old, now))
            return true;
    }
    return false;
}

static size_t count_bytes(const struct waiting *waiting)
{
    return waiting->recipient_cap * sizeof(*waiting->recipients) +
           waiting->target_cap * sizeof(*waiting->targets) +
           waiting->question.cap *
               (sizeof(*waiting->question.sessions) + sizeof(*waiting->question.verdicts));
}

static void match_row(struct waiting *waiting, struct core *core, const struct policies *policies)
{
    const struct change *change = &waiting->question.event->row.change;
    struct gathering gathering = {.waiting = waiting,
                                  .core = core,
                                  .policies = policies,
                                  .stamp = sessions_stamp(&core->sessions),
                                  .may_leave = has_moved(change),
                                  .before = *change};

    gathering.before.kind = CHANGE_DELETE;
    waiting->question.wants_old |= gathering.may_leave;
    hub_each_crowd(core->hub, change->schema, change->table, gather_crowd, &gathering);
    waiting->bytes += count_bytes(waiting);
}

void waiting_match(struct waiting *waiting, struct core *core, const struct policies *policies)
{
    if (waiting->question.event->kind == EVENT_ROW)
        match_row(waiting, core, policies);
    waiting->state = WAITING_MATCHED;
}
