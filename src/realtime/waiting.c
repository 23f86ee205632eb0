#include "realtime/waiting.h"

#include <stdlib.h>

#include "base/mem.h"
#include "realtime/broadcast.h"

struct gathering {
    struct waiting *waiting;
    uint64_t stamp;
};

static size_t add_target(struct waiting *waiting, struct binding *binding)
{
    if (waiting->target_count == waiting->target_cap) {
        waiting->target_cap = waiting->target_cap ? waiting->target_cap * 2 : 4;
        waiting->targets =
            mem_grow(waiting->targets, waiting->target_cap, sizeof(*waiting->targets));
    }
    waiting->targets[waiting->target_count] = (struct target){binding, TARGET_NONE};
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
    waiting->recipients[waiting->recipient_count++] = (struct recipient){
        channel_ref(channel),
        question_place(&waiting->question, channel->session, gathering->stamp), target, target};
}

static void found(void *arg, struct binding *binding)
{
    struct gathering *gathering = arg;
    struct waiting *waiting = gathering->waiting;
    struct channel *channel = binding->channel;
    size_t target = add_target(waiting, binding);
    struct recipient *recipient;

    if (channel->seen != gathering->stamp) {
        add_recipient(gathering, channel, target);
        return;
    }
    recipient = &waiting->recipients[channel->place];
    waiting->targets[recipient->last].next = target;
    recipient->last = target;
}

static size_t count_bytes(const struct waiting *waiting)
{
    return sizeof(*waiting) + waiting->question.event->msg.bytes +
           waiting->recipient_cap * sizeof(*waiting->recipients) +
           waiting->target_cap * sizeof(*waiting->targets) +
           waiting->question.cap *
               (sizeof(*waiting->question.sessions) + sizeof(*waiting->question.verdicts));
}

struct waiting *waiting_new(struct core *core, struct event *event)
{
    struct gathering gathering = {mem_alloc(sizeof(struct waiting)),
                                  sessions_stamp(&core->sessions)};

    question_init(&gathering.waiting->question, event);
    hub_match(core->hub, &event->row.change, event->row.types, found, &gathering);
    if (gathering.waiting->recipient_count == 0) {
        waiting_free(gathering.waiting);
        return NULL;
    }
    gathering.waiting->bytes = count_bytes(gathering.waiting);
    return gathering.waiting;
}

struct waiting *waiting_new_message(const struct core *core, struct event *event)
{
    struct waiting *waiting;

    if (!broadcast_has_audience(core, &event->message.message))
        return NULL;
    waiting = mem_alloc(sizeof(*waiting));
    question_init(&waiting->question, event);
    waiting->bytes = count_bytes(waiting);
    return waiting;
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
