#include "realtime/rest_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct rest_batch *rest_batch_new(size_t count, enum broadcast_form form, size_t max_names)
{
    struct rest_batch *batch = mem_alloc(sizeof(*batch));

    batch->form = form;
    batch->count = count;
    batch->messages = mem_array(count ? count : 1, sizeof(*batch->messages));
    buf_init(&batch->names, max_names);
    return batch;
}

void rest_batch_free(struct rest_batch *batch)
{
    buf_fini(&batch->names);
    free(batch->messages);
    free(batch);
}

/* By whom he is, not by his token: a new one is no new rate. */
static struct shared_rate *rate_of(const struct request *request)
{
    const struct token *token = request->caller->token;
    struct str who = token->sub ? str_c(token->sub) : str_from(token->claims, token->claims_len);

    return &request->core->rest[hash_more(hash_more(0, str_c(token->role)), who) % CORE_REST_RATES];
}

bool rest_take_rate(const struct request *request, size_t count, struct answer *out)
{
    struct core *core = request->core;
    unsigned per_second = core->config->realtime_max_messages_per_second;
    const char *why = count > per_second
                          ? "TooManyRequests: Too many messages to broadcast, please "
                            "reduce the batch size"
                          : "TooManyRequests: You have exceeded your rate limit";

    if (shared_rate_take_all(rate_of(request), count, per_second, request->now.ms))
        return true;
    stat_add(&core->stats->messages_limited_total, count);
    answer_error(out, 429, why);
    out->retry_after_s = 1;
    return false;
}

static void send_all(struct core *core, const struct rest_batch *batch, struct answer *out)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct rest_message *m = &batch->messages[i];
        const struct broadcast broadcast = {
            .form = batch->form, .event = m->event, .payload = m->payload};

        broadcast_send(core, m->topic, m->is_private, &broadcast);
    }
    answer_empty(out, 202);
}

/* Private topics */

/* A batch that waits for the rights to its topics. */
struct asking {
    struct core *core;
    struct rest_batch *batch;
    struct later *later;
    size_t open;             /* topics without an answer */
    const struct str *first; /* topic that may not be written to; NULL: none so far */
    bool unknown;            /* of a topic nobody can say; `why` */
    struct err why;
};

struct asked {
    struct asking *asking;
    const struct str *topic;
};

static void answer_asked(struct asking *asking, struct answer *out)
{
    struct err err;

    if (asking->unknown) {
        answer_error(out, 503, asking->why.message);
        out->retry_after_s = 1;
    } else if (asking->first) {
        err_set(&err,
                "Unauthorized: You do not have permissions to write to this Channel topic: %.*s",
                STR_ARG(*asking->first));
        stat_add(&asking->core->stats->broadcasts_refused_total, asking->batch->count);
        answer_error(out, 403, err.message);
    } else {
        send_all(asking->core, asking->batch, out);
    }
}

static void close_one(struct asking *asking)
{
    if (--asking->open > 0)
        return;
    if (asking->later->answer)
        answer_asked(asking, asking->later->answer);
    later_end(asking->later);
    rest_batch_free(asking->batch);
    free(asking);
}

static void on_rights(void *arg, const struct channel_rights *rights, const struct err *why)
{
    struct asked *asked = arg;
    struct asking *asking = asked->asking;

    if (!rights) {
        asking->unknown = true;
        asking->why = *why;
    } else if (!rights->may_send_broadcast && !asking->first) {
        asking->first = asked->topic;
    }
    free(asked);
    close_one(asking);
}

/* The answers may come before this returns: the asking is held open until all are asked. Who asks
 * the same twice shares the answer, so messages of one topic cost one question. */
static void ask(const struct request *request, struct rest_batch *batch, struct answer *out)
{
    struct core *core = request->core;
    struct asking *asking = mem_alloc(sizeof(*asking));
    struct session *session = session_get(&core->sessions, request->caller->token);

    asking->core = core;
    asking->batch = batch;
    asking->later = request_defer(request, out);
    asking->open = 1;
    for (size_t i = 0; i < batch->count; i++) {
        struct asked *asked;

        if (!batch->messages[i].is_private)
            continue;
        asked = mem_alloc(sizeof(*asked));
        *asked = (struct asked){asking, &batch->messages[i].topic};
        asking->open++;
        core->ask_rights(core->authorize_arg, session, batch->messages[i].topic, on_rights, asked);
    }
    session_unref(session);
    close_one(asking);
}

static bool has_private(const struct rest_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->messages[i].is_private)
            return true;
    return false;
}

void rest_batch_send(const struct request *request, struct rest_batch *batch, struct answer *out)
{
    bool bypasses = strcmp(request->caller->token->role, "service_role") == 0;
    bool asks = has_private(batch) && !bypasses;

    if (asks && !request->core->ask_rights) {
        answer_error(out, 503, "UnableToSetPolicies: Nobody can say who may write to the topic");
        out->retry_after_s = 1;
    } else if (rest_take_rate(request, batch->count, out)) {
        if (asks) {
            ask(request, batch, out);
            return;
        }
        send_all(request->core, batch, out);
    }
    rest_batch_free(batch);
}
