#include "realtime/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/sync.h"

#define MAX_WISHES 256                       /* in a question */
#define MAX_COLUMNS 64                       /* of a wish; those behind are not looked at */
#define MAX_COLUMN_BYTES 63                  /* PostgreSQL's longest name */
#define MAX_QUESTION_BYTES ((size_t)8 << 20) /* names are at most six times as long in JSON */
#define KEEP_QUESTION_BYTES 65536
#define EXTENSION STR("postgres_changes")

struct asking {
    struct asking *next;
    struct channel *channel; /* one reference */
};

/* What some binding of the batch names: a table, columns of it, and the role that is to read them.
 */
struct wish {
    const struct binding *binding; /* of a channel of the batch */
    char *role;
    uint64_t columns; /* a hash of their names */
    bool unsent;
    bool published; /* there is a publication that decides */
    char *missing;  /* a column; or NULL */
    char *kinds;    /* of the columns; or NULL */
};

struct subscriptions {
    struct core *core;
    struct pg_conn *(*connection)(void *arg);
    void *arg;
    struct asking *first, *last;
    struct asking *batch, *batch_last; /* under way */
    struct wish wishes[MAX_WISHES];
    size_t wish_count;
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

static void forget_wishes(struct subscriptions *s, size_t but)
{
    while (s->wish_count > but) {
        struct wish *wish = &s->wishes[--s->wish_count];

        free(wish->role);
        free(wish->missing);
        free(wish->kinds);
    }
}

void subscriptions_free(struct subscriptions *subscriptions)
{
    struct asking *asking;

    while ((asking = take(&subscriptions->batch)) || (asking = take(&subscriptions->first)))
        free_asking(asking);
    forget_wishes(subscriptions, 0);
    buf_fini(&subscriptions->question);
    free(subscriptions->schemas);
    free(subscriptions);
}

static uint64_t hash_columns(const struct binding *binding)
{
    uint64_t hash = 0;
    struct str column;

    for (size_t n = 0; (column = binding_column(binding, n)).len > 0; n++)
        hash = hash_more(hash, column);
    return hash;
}

static bool is_wish(const struct wish *wish, const struct binding *binding, const char *role,
                    uint64_t columns)
{
    return wish->columns == columns && strcmp(wish->binding->table, binding->table) == 0 &&
           strcmp(wish->binding->schema, binding->schema) == 0 && strcmp(wish->role, role) == 0;
}

/* The wish of the binding, adding it if it is new; NULL: there is no room. */
static struct wish *need_wish(struct subscriptions *s, const struct binding *binding,
                              const char *role)
{
    uint64_t columns = hash_columns(binding);

    for (size_t i = 0; i < s->wish_count; i++)
        if (is_wish(&s->wishes[i], binding, role, columns))
            return &s->wishes[i];
    if (s->wish_count == MAX_WISHES)
        return NULL;
    s->wishes[s->wish_count] =
        (struct wish){.binding = binding, .role = mem_strdup(role), .columns = columns};
    return &s->wishes[s->wish_count++];
}

/* false, and nothing added: the channel's wishes do not fit in any more. A channel has at most
 * JOIN_MAX_BINDINGS, so an empty batch always has room. */
static bool add_channel(struct subscriptions *s, const struct channel *channel)
{
    size_t before = s->wish_count;

    for (size_t i = 0; i < channel->binding_count; i++) {
        if (!need_wish(s, channel->bindings[i], channel->session->role)) {
            forget_wishes(s, before);
            return false;
        }
    }
    return true;
}

static void write_wish(struct buf *out, const struct wish *wish)
{
    struct str column;

    buf_add_char(out, '[');
    json_add_string(out, str_c(wish->binding->schema));
    buf_add_char(out, ',');
    json_add_string(out, str_c(wish->binding->table));
    buf_add_char(out, ',');
    json_add_string(out, str_c(wish->role));
    buf_add_c(out, ",[");
    for (size_t n = 0; n < MAX_COLUMNS && (column = binding_column(wish->binding, n)).len > 0;
         n++) {
        if (n > 0)
            buf_add_char(out, ',');
        json_add_string(out, column.len > MAX_COLUMN_BYTES ? STR("a longer name than there can be")
                                                           : column);
    }
    buf_add_c(out, "]]");
}

static void write_question(struct subscriptions *s)
{
    struct buf *out = &s->question;

    buf_clear(out);
    buf_add_char(out, '[');
    for (size_t i = 0; i < s->wish_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        write_wish(out, &s->wishes[i]);
    }
    buf_add_char(out, ']');
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

/* Supabase's words, and behind them why. */
static void tell_why(struct channel *channel, const struct binding *binding, const char *why)
{
    struct err text;

    err_set(&text,
            "Unable to subscribe to changes with given parameters. Please check Realtime is "
            "enabled for the given connect parameters: [event: %s, schema: %s, table: %s] (%s)",
            event_name(binding), binding->schema, binding->table, why);
    channel_system(channel, false, EXTENSION, str_c(text.message));
}

/* Which of the reasons it is that nothing comes is for the log: whether there is a table of some
 * name is nothing for everybody. */
static void explain_unsent(const struct wish *wish, struct err *why)
{
    (void)err_set(why, "no such table is followed, %srole %s may not read it",
                  wish->published ? "or it is not in publication supabase_realtime, or " : "or ",
                  wish->role);
}

/* Whether the binding can never be told of anything, and why. */
static bool is_hopeless(const struct wish *wish, const struct binding *binding, struct err *why)
{
    if (wish->unsent)
        explain_unsent(wish, why);
    else if (wish->missing)
        (void)err_set(why, "there is no column \"%s\" that role %s may read", wish->missing,
                      wish->role);
    else
        return wish->kinds && binding_is_misfit(binding, str_c(wish->kinds), why);
    return true;
}

static void tell(struct subscriptions *s, struct channel *channel)
{
    struct err why;

    for (size_t i = 0; i < channel->binding_count; i++) {
        const struct binding *binding = channel->bindings[i];
        const struct wish *wish = need_wish(s, binding, channel->session->role);

        if (wish && is_hopeless(wish, binding, &why)) {
            tell_why(channel, binding, why.message);
            return;
        }
    }
    channel_system(channel, true, EXTENSION, STR("Subscribed to PostgreSQL"));
}

static void ask(struct subscriptions *s);

static char *text_at(const struct pg_result *result, size_t row, size_t column)
{
    return pg_result_is_null(result, row, column) ? NULL
                                                  : str_dup(pg_result_value(result, row, column));
}

static void learn_of(struct wish *wish, const struct pg_result *result, size_t row)
{
    struct str reason = pg_result_value(result, row, 1);

    if (pg_result_is_null(result, row, 1)) {
        if (!wish->kinds) {
            wish->missing = text_at(result, row, 3);
            wish->kinds = text_at(result, row, 4);
        }
        return;
    }
    wish->unsent = true;
    wish->published = str_eq(pg_result_value(result, row, 2), STR("t"));
    log_info("realtime", "a client asks for changes that are not sent",
             log_s("schema", wish->binding->schema), log_s("table", wish->binding->table),
             log_v("reason", reason));
}

static void learn(struct subscriptions *s, const struct pg_result *result)
{
    for (size_t row = 0; row < pg_result_rows(result); row++) {
        uint64_t place;

        if (str_to_u64(pg_result_value(result, row, 0), &place) && place < s->wish_count)
            learn_of(&s->wishes[place], result, row);
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
    forget_wishes(s, 0);
    while ((asking = take(&batch))) /* the wishes' names were theirs */
        free_asking(asking);
    ask(s);
}

static void ask(struct subscriptions *s)
{
    struct pg_conn *conn = s->connection(s->arg);
    struct pg_param params[2];

    if (!conn || s->batch)
        return;
    forget_wishes(s, 0);
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
    pg_conn_query(conn, sql_realtime_bindings, params, 2, on_answer, s);
    buf_shrink(&s->question, KEEP_QUESTION_BYTES);
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
