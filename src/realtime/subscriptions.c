#include "realtime/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/sync.h"

#define MAX_PAIRS 256 /* tables in a question */
#define MAX_QUESTION_BYTES ((size_t)1 << 20)
#define EXTENSION STR("postgres_changes")

struct asking {
    struct asking *next;
    struct channel *channel; /* one reference */
};

/* A schema and table that some binding of the batch names. */
struct pair {
    const char *schema, *table; /* the binding's */
    bool unsent;
    bool published; /* there is a publication that decides */
};

struct subscriptions {
    struct core *core;
    struct pg_conn *(*connection)(void *arg);
    void *arg;
    struct asking *first, *last;
    struct asking *batch, *batch_last; /* under way */
    struct pair pairs[MAX_PAIRS];
    size_t pair_count;
    struct buf question;
    char *schemas; /* a text[] literal */
};

struct subscriptions *subscriptions_new(struct core *core, struct pg_conn *(*connection)(void *arg),
                                        void *arg)
{
    struct subscriptions *subscriptions = mem_alloc(sizeof(*subscriptions));

    subscriptions->core = core;
    subscriptions->connection = connection;
    subscriptions->arg = arg;
    buf_init(&subscriptions->question, MAX_QUESTION_BYTES);
    subscriptions->schemas =
        pg_text_array(core->config->schemas.items, core->config->schemas.count);
    return subscriptions;
}

static void append(struct asking **first, struct asking **last, struct asking *asking)
{
    asking->next = NULL;
    if (*first)
        (*last)->next = asking;
    else
        *first = asking;
    *last = asking;
}

static struct asking *take(struct asking **first)
{
    struct asking *asking = *first;

    if (asking)
        *first = asking->next;
    return asking;
}

static void free_asking(struct asking *asking)
{
    channel_unref(asking->channel);
    free(asking);
}

void subscriptions_free(struct subscriptions *subscriptions)
{
    struct asking *asking;

    while ((asking = take(&subscriptions->batch)) || (asking = take(&subscriptions->first)))
        free_asking(asking);
    buf_fini(&subscriptions->question);
    free(subscriptions->schemas);
    free(subscriptions);
}

/* The pair of the binding, adding it if it is new; NULL: there is no room. */
static struct pair *need_pair(struct subscriptions *s, const struct binding *binding)
{
    for (size_t i = 0; i < s->pair_count; i++)
        if (strcmp(s->pairs[i].table, binding->table) == 0 &&
            strcmp(s->pairs[i].schema, binding->schema) == 0)
            return &s->pairs[i];
    if (s->pair_count == MAX_PAIRS)
        return NULL;
    s->pairs[s->pair_count] = (struct pair){.schema = binding->schema, .table = binding->table};
    return &s->pairs[s->pair_count++];
}

/* false, and nothing added: the channel's tables do not fit in any more. A channel has at most
 * JOIN_MAX_BINDINGS, so an empty batch always has room. */
static bool add_channel(struct subscriptions *s, const struct channel *channel)
{
    size_t before = s->pair_count;

    for (size_t i = 0; i < channel->binding_count; i++) {
        if (!need_pair(s, channel->bindings[i])) {
            s->pair_count = before;
            return false;
        }
    }
    return true;
}

static void write_question(struct subscriptions *s)
{
    struct buf *out = &s->question;

    buf_clear(out);
    for (size_t i = 0; i < s->pair_count; i++) {
        buf_add_c(out, i > 0 ? ",[" : "[[");
        json_add_string(out, str_c(s->pairs[i].schema));
        buf_add_char(out, ',');
        json_add_string(out, str_c(s->pairs[i].table));
        buf_add_char(out, ']');
    }
    buf_add_c(out, s->pair_count > 0 ? "]" : "[]");
}

static const char *event_name(const struct binding *binding)
{
    switch (binding->kinds) {
    case 1u << CHANGE_INSERT:
        return "INSERT";
    case 1u << CHANGE_UPDATE:
        return "UPDATE";
    case 1u << CHANGE_DELETE:
        return "DELETE";
    default:
        return "*";
    }
}

/* Supabase's words, and behind them what it may be. Which of the two is for the log: whether there
 * is a table of some name is nothing for everybody. */
static void tell_unsent(struct channel *channel, const struct binding *binding, bool published)
{
    struct err text;

    err_set(&text,
            "Unable to subscribe to changes with given parameters. Please check Realtime is "
            "enabled for the given connect parameters: [event: %s, schema: %s, table: %s] (%s)",
            event_name(binding), binding->schema, binding->table,
            published ? "no such table is followed, or it is not in publication supabase_realtime"
                      : "no such table is followed");
    channel_system(channel, false, EXTENSION, str_c(text.message));
}

static void tell(struct subscriptions *s, struct channel *channel)
{
    for (size_t i = 0; i < channel->binding_count; i++) {
        const struct pair *pair = need_pair(s, channel->bindings[i]);

        if (pair && pair->unsent) {
            tell_unsent(channel, channel->bindings[i], pair->published);
            return;
        }
    }
    channel_system(channel, true, EXTENSION, STR("Subscribed to PostgreSQL"));
}

static void ask(struct subscriptions *s);

static void learn(struct subscriptions *s, const struct pg_result *result)
{
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        uint64_t place;

        if (!str_to_u64(pg_result_value(result, row, 0), &place) || place >= s->pair_count)
            continue;
        s->pairs[place].unsent = true;
        s->pairs[place].published = str_eq(pg_result_value(result, row, 2), STR("t"));
        log_info("realtime", "a client asks for changes that are not sent",
                 log_s("schema", s->pairs[place].schema), log_s("table", s->pairs[place].table),
                 log_v("reason", pg_result_value(result, row, 1)));
    }
}

static void on_answer(void *arg, const struct pg_result *result, const struct err *err)
{
    struct subscriptions *s = arg;
    struct asking *asking, *batch = s->batch;

    if (err)
        log_warn("realtime", "cannot find out which tables are sent", log_err(err));
    else
        learn(s, result);
    s->batch = NULL;
    for (asking = batch; asking; asking = asking->next)
        if (asking->channel->client)
            tell(s, asking->channel);
    while ((asking = take(&batch))) /* the pairs' names were theirs */
        free_asking(asking);
    ask(s);
}

static void ask(struct subscriptions *s)
{
    struct pg_conn *conn = s->connection(s->arg);
    struct pg_param params[2];

    if (!conn || s->batch)
        return;
    s->pair_count = 0;
    while (s->first && (!s->first->channel->client || add_channel(s, s->first->channel))) {
        struct asking *asking = take(&s->first);

        if (asking->channel->client)
            append(&s->batch, &s->batch_last, asking);
        else
            free_asking(asking);
    }
    if (!s->batch)
        return;
    write_question(s);
    params[0].value = buf_str(&s->question);
    params[1].value = str_c(s->schemas);
    pg_conn_query(conn, sql_realtime_unsent, params, 2, on_answer, s);
}

void subscriptions_check(struct subscriptions *s, struct channel *channel)
{
    struct asking *asking = mem_alloc(sizeof(*asking));

    asking->channel = channel_ref(channel);
    append(&s->first, &s->last, asking);
    ask(s);
}

void subscriptions_up(struct subscriptions *s)
{
    ask(s);
}

void subscriptions_down(struct subscriptions *s)
{
    if (!s->batch)
        return;
    s->batch_last->next = s->first;
    if (!s->first)
        s->last = s->batch_last;
    s->first = s->batch;
    s->batch = NULL;
}
