/* The last step of a row: from verdicts to frames. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "realtime/broadcast.h"
#include "realtime/payload.h"
#include "realtime/waiting.h"

#define MAX_PAYLOAD ((size_t)256 << 20)
#define TELL_AGAIN_MS 10000 /* a channel hears of a failing policy at most so often */
#define LOG_AGAIN_MS 1000   /* and so often the log */

/* What a group of clients is shown, as text: made once, whoever asks for it. */
struct body {
    struct body *next;
    struct view view;
    struct buf text;
};

/* A finished frame: the body in the envelope of a topic, for a list of ids. A legacy channel (one
 * that joined without a config) is told under the change's own name, with the bare data. */
struct envelope {
    struct map_node node;
    struct envelope *next;
    enum phoenix_vsn vsn;
    bool legacy;
    const char *topic;
    const struct body *body;
    uint64_t *ids;
    size_t id_count;
    struct frame *frame;
};

/* What a target is told. */
enum telling { TELL_NOTHING, TELL_CHANGE, TELL_LEFT };

struct delivery {
    const struct waiting *waiting;
    enum telling *tellings; /* of the targets; NOTHING too where it was told already */
    const struct event_row *row;
    struct core *core;
    uint64_t now_ms;
    struct body *bodies;
    struct map envelopes;
    struct envelope *all_envelopes;
};

static const struct body *need_body(struct delivery *delivery, const struct view *view)
{
    struct body *body = delivery->bodies;

    for (; body; body = body->next)
        if (body->view.old_whole == view->old_whole && body->view.left == view->left &&
            names_equal(body->view.hidden, view->hidden) &&
            names_equal(body->view.select, view->select))
            return body;
    body = mem_alloc(sizeof(*body));
    body->view = *view;
    body->next = delivery->bodies;
    delivery->bodies = body;
    buf_init(&body->text, MAX_PAYLOAD);
    payload_write(&body->text, delivery->row, view);
    return body;
}

static void add_ids(struct buf *out, const struct envelope *envelope)
{
    buf_add_str(out, STR("{\"ids\":["));
    for (size_t i = 0; i < envelope->id_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_u64(out, envelope->ids[i]);
    }
    buf_add_str(out, STR("],\"data\":"));
}

static struct frame *build_frame(const struct envelope *envelope, enum change_kind kind)
{
    struct str event = envelope->legacy ? payload_type(kind) : STR("postgres_changes");
    const struct body *body = envelope->body;
    struct frame *frame;
    struct buf head, tail;

    if (!buf_ok(&body->text))
        return NULL;
    buf_init(&head, 65536);
    buf_init(&tail, 1024);
    phoenix_open(&head, envelope->vsn, PHOENIX_NULL, PHOENIX_NULL, str_c(envelope->topic), event);
    if (!envelope->legacy) {
        add_ids(&head, envelope);
        buf_add_char(&tail, '}');
    }
    phoenix_close(&tail, envelope->vsn, PHOENIX_NULL);
    frame = frame_new_joined(buf_str(&head), buf_str(&body->text), buf_str(&tail));
    buf_fini(&head);
    buf_fini(&tail);
    return frame;
}

static bool envelope_is(const struct envelope *a, const struct envelope *b)
{
    return a->vsn == b->vsn && a->legacy == b->legacy && a->body == b->body &&
           a->id_count == b->id_count &&
           memcmp(a->ids, b->ids, a->id_count * sizeof(*a->ids)) == 0 &&
           strcmp(a->topic, b->topic) == 0;
}

/* `ids` are copied if the envelope is new. */
static struct frame *need_frame(struct delivery *delivery, const struct channel *channel,
                                const struct body *body, uint64_t *ids, size_t id_count)
{
    const struct envelope wanted = {.vsn = channel->client->vsn,
                                    .legacy = channel->legacy,
                                    .topic = channel->topic,
                                    .body = body,
                                    .ids = ids,
                                    .id_count = id_count};
    uint64_t key = hash_more(channel->topic_hash ^ (uint64_t)wanted.vsn,
                             str_from((const char *)ids, id_count * sizeof(*ids)));
    struct map_node *node = map_find(&delivery->envelopes, key);
    struct envelope *envelope;

    for (; node; node = map_next(node)) {
        envelope = MAP_THING(node, struct envelope, node);
        if (envelope_is(envelope, &wanted))
            return envelope->frame;
    }
    envelope = mem_alloc(sizeof(*envelope));
    *envelope = wanted;
    envelope->ids = mem_array(id_count, sizeof(*ids));
    memcpy(envelope->ids, ids, id_count * sizeof(*ids));
    envelope->frame =
        build_frame(envelope, body->view.left ? CHANGE_DELETE : delivery->row->change.kind);
    envelope->next = delivery->all_envelopes;
    delivery->all_envelopes = envelope;
    map_add(&delivery->envelopes, &envelope->node, key);
    return envelope->frame;
}

static void delivery_fini(struct delivery *delivery)
{
    struct envelope *next_envelope;
    struct body *next_body;

    for (struct envelope *e = delivery->all_envelopes; e; e = next_envelope) {
        next_envelope = e->next;
        frame_unref(e->frame);
        free(e->ids);
        free(e);
    }
    map_fini(&delivery->envelopes);
    for (struct body *b = delivery->bodies; b; b = next_body) {
        next_body = b->next;
        buf_fini(&b->text);
        free(b);
    }
}

static struct columns without(struct columns columns, const struct names *hidden,
                              const struct change *key_of, struct column *room)
{
    size_t count = 0;

    for (size_t i = 0; i < columns.count; i++) {
        bool kept = !names_has(hidden, columns.items[i].name);

        for (size_t k = 0; key_of && kept && k <= key_of->key_count; k++) {
            if (k == key_of->key_count)
                kept = false;
            else if (str_eq(key_of->key[k], columns.items[i].name))
                break;
        }
        if (kept)
            room[count++] = columns.items[i];
    }
    return (struct columns){room, count};
}

/* Whether a filter is satisfied by what the session may see of the change: it must not tell what
 * the row does not. Columns that are missing satisfy nothing. */
static bool matches_visibly(const struct delivery *delivery, const struct binding *binding,
                            enum change_kind kind, const struct verdict *verdict, bool old_withheld)
{
    const struct event_row *row = delivery->row;
    struct change change = row->change;
    struct column *room;
    bool matches;

    if (!binding->filter)
        return true;
    room = mem_array(change.record.count + change.identity.count, sizeof(*room));
    change.kind = kind;
    change.identity = without(change.identity, verdict_hidden(verdict),
                              old_withheld ? &row->change : NULL, room + change.record.count);
    change.record = without(change.record, verdict_hidden(verdict), NULL, room);
    matches = predicate_matches(binding->filter, &change, row->types);
    free(room);
    return matches;
}

/* Where the old row may not be shown as a whole: for DELETE it is the row, and the verdict was
 * about it, so filters may look at all of it. */
static bool is_old_withheld(const struct delivery *delivery, const struct verdict *verdict)
{
    return delivery->row->change.kind == CHANGE_UPDATE && !verdict->old_visible;
}

/* Whether the row as it is now is one that the binding asks for and the session may read. */
static bool is_in_view(const struct delivery *delivery, const struct target *target,
                       const struct verdict *verdict)
{
    enum change_kind kind = delivery->row->change.kind;
    bool old_withheld = is_old_withheld(delivery, verdict);

    if (verdict->state != VERDICT_YES)
        return false;
    if (target->now && verdict_hidden(verdict)->count == 0 && !old_withheld)
        return true; /* as the hub found it */
    return matches_visibly(delivery, target->binding, kind, verdict, old_withheld);
}

static bool is_key_visible(const struct delivery *delivery, const struct verdict *verdict)
{
    const struct change *change = &delivery->row->change;

    for (size_t i = 0; i < change->key_count; i++)
        if (names_has(verdict_hidden(verdict), change->key[i]))
            return false;
    return change->key_count > 0;
}

/* An UPDATE that takes a row out of view is told by its key, if the session could read the row
 * before and the filter held. */
static enum telling choose_telling(const struct delivery *delivery, const struct target *target,
                                   const struct verdict *verdict)
{
    if (is_in_view(delivery, target, verdict))
        return target->now ? TELL_CHANGE : TELL_NOTHING;
    if (target->before && verdict->old_visible && is_key_visible(delivery, verdict) &&
        matches_visibly(delivery, target->binding, CHANGE_DELETE, verdict, false))
        return TELL_LEFT;
    return TELL_NOTHING;
}

static struct view view_of(const struct delivery *delivery, const struct binding *binding,
                           const struct verdict *verdict, enum telling telling)
{
    struct view view = {.hidden = verdict_hidden(verdict), .select = &binding->select};

    view.left = telling == TELL_LEFT;
    if (!view.left)
        view.old_whole = delivery->row->change.kind == CHANGE_DELETE
                             ? !verdict->rls
                             : !is_old_withheld(delivery, verdict);
    return view;
}

/* Sends one frame for all targets from `first` on that are told the same of the same columns. */
static void send_group(struct delivery *delivery, const struct recipient *recipient, size_t first)
{
    const struct verdict *verdict = &delivery->waiting->question.verdicts[recipient->place];
    const struct target *targets = delivery->waiting->targets;
    enum telling telling = delivery->tellings[first];
    struct view view = view_of(delivery, targets[first].binding, verdict, telling);
    uint64_t ids[JOIN_MAX_BINDINGS];
    size_t id_count = 0;
    struct frame *frame;

    for (size_t t = first; t != TARGET_NONE; t = targets[t].next) {
        const struct binding *binding = targets[t].binding;

        if (delivery->tellings[t] != telling || !names_equal(&binding->select, view.select))
            continue;
        delivery->tellings[t] = TELL_NOTHING;
        ids[id_count++] = binding->id;
    }
    frame = need_frame(delivery, recipient->channel, need_body(delivery, &view), ids, id_count);
    if (frame)
        client_send(recipient->channel->client, frame);
    else
        channel_fail(recipient->channel);
}

/* The client learns that a policy failed, not how: PostgreSQL's message may quote the row. */
static void tell_failure(struct delivery *delivery, struct channel *channel,
                         const struct verdict *verdict)
{
    const struct change *change = &delivery->row->change;
    struct err text;

    if (channel->told_ms && delivery->now_ms - channel->told_ms < TELL_AGAIN_MS)
        return;
    channel->told_ms = delivery->now_ms;
    err_set(&text,
            "A change of %.*s.%.*s was not sent: checking whether %s may read the row failed "
            "(SQLSTATE %s)",
            STR_ARG(change->schema), STR_ARG(change->table), channel->session->role,
            verdict->sqlstate);
    channel_system(channel, false, STR("postgres_changes"), str_c(text.message));
}

static void serve(struct delivery *delivery, const struct recipient *recipient)
{
    const struct verdict *verdict = &delivery->waiting->question.verdicts[recipient->place];
    const struct target *targets = delivery->waiting->targets;

    if (!recipient->channel->client)
        return;
    if (delivery->waiting->refused && verdict->state == VERDICT_ASK) {
        channel_fail(recipient->channel);
        return;
    }
    if (verdict->state != VERDICT_YES)
        stat_add(&delivery->core->stats->rls_hidden_total, 1);
    if (verdict->failed) {
        tell_failure(delivery, recipient->channel, verdict);
        return;
    }
    for (size_t t = recipient->first; t != TARGET_NONE; t = targets[t].next)
        delivery->tellings[t] = choose_telling(delivery, &targets[t], verdict);
    for (size_t t = recipient->first; t != TARGET_NONE; t = targets[t].next)
        if (delivery->tellings[t] != TELL_NOTHING && recipient->channel->client)
            send_group(delivery, recipient, t);
}

/* Messages about data (class 22) quote values of the row, which are nothing for a log. */
static const char *words_for_log(const struct verdict *verdict)
{
    return strncmp(verdict->sqlstate, "22", 2) == 0 ? "a data exception" : verdict->problem;
}

static void log_failures(const struct delivery *delivery)
{
    const struct question *question = &delivery->waiting->question;
    const struct change *change = &delivery->row->change;
    uint64_t failed = 0;

    bool is_news = delivery->now_ms - delivery->core->failure_logged_ms >= LOG_AGAIN_MS;

    for (size_t i = 0; i < question->count; i++) {
        const struct verdict *verdict = &question->verdicts[i];

        if (verdict->failed && failed++ == 0 && is_news)
            log_warn("realtime", "a policy failed, the row was not sent",
                     log_v("schema", change->schema), log_v("table", change->table),
                     log_s("role", question->sessions[i]->role),
                     log_s("sqlstate", verdict->sqlstate), log_s("error", words_for_log(verdict)));
    }
    stat_add(&delivery->core->stats->rls_errors_total, failed);
    if (failed > 0 && is_news)
        delivery->core->failure_logged_ms = delivery->now_ms;
}

static void deliver_row(struct waiting *waiting, struct core *core, uint64_t now_ms)
{
    struct delivery delivery = {
        .waiting = waiting, .row = &waiting->question.event->row, .core = core, .now_ms = now_ms};

    delivery.tellings = mem_array(waiting->target_count, sizeof(*delivery.tellings));
    log_failures(&delivery);
    for (size_t i = 0; i < waiting->recipient_count; i++)
        serve(&delivery, &waiting->recipients[i]);
    delivery_fini(&delivery);
    free(delivery.tellings);
}

void waiting_deliver(struct waiting *waiting, struct core *core, uint64_t now_ms)
{
    const struct event *event = waiting->question.event;

    if (event->kind == EVENT_MESSAGE)
        broadcast_send_message(core, &event->message.message);
    else
        deliver_row(waiting, core, now_ms);
}
