#include "realtime/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"
#include "pg/conn.h"
#include "realtime/key_row.h"

#define CONNECT_TIMEOUT_MS 10000
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 10000
#define ANSWER_MS 15000 /* a server that takes longer is gone; its statement_timeout is 10 s */
#define PING_MS 30000
#define TRUST_MS (5 * 60 * 1000)
#define MAX_CHANGED 1000 /* keys to be read again, one by one; of more all are read */
#define MAX_COUNTS 1000  /* of usage in one statement */
#define SWEEP_MS 30000
#define LAST_FLUSH_MS 100 /* between attempts at the end */
#define MAX_PARAMETER ((size_t)1 << 20)

/* One statement at a time; WAITING has no connection. */
enum keys_state { KEYS_WAITING, KEYS_CONNECTING, KEYS_IDLE, KEYS_ASKING };

struct keys {
    uv_loop_t *loop;
    const struct config *config;
    struct keyring *ring;
    struct stats *stats;
    struct pg_conn *conn;
    enum keys_state state;
    unsigned backoff_ms;
    uint64_t retry_ms;   /* when to connect */
    uint64_t asked_ms;   /* the statement under way */
    uint64_t heard_ms;   /* the last answer */
    uint64_t flushed_ms; /* the last attempt; at first when it was opened */
    uint64_t swept_ms;

    bool reload; /* all keys have to be read */
    bool loaded; /* on this connection */
    char (*changed)[KEY_ID_BYTES];
    size_t changed_count;
    size_t asked_count; /* of those, in the statement under way */

    uint64_t left_out;   /* keys, since there are too many */
    uint64_t lost_shown; /* in the stats */

    struct usage_count *flushing;
    size_t flushing_count;
    bool more; /* than one statement takes: the rest follows at once */
    bool finishing;
};

static void go_on(struct keys *keys);

static void move(struct keys *keys, enum keys_state state)
{
    static const char *const names[] = {"waiting", "connecting", "idle", "asking"};

    if (state < KEYS_IDLE || keys->state < KEYS_IDLE)
        log_debug("keys", "connection", log_s("from", names[keys->state]),
                  log_s("to", names[state]));
    keys->state = state;
}

/* Trouble of any kind: what was asked is asked again on a new connection. */
static void lose(struct keys *keys, const struct err *err)
{
    log_warn("keys", "cannot ask the database about API keys; known ones work for a while",
             log_err(err), log_u("retry_ms", keys->backoff_ms));
    pg_conn_close(keys->conn);
    keys->conn = NULL;
    for (size_t i = 0; i < keys->flushing_count; i++)
        usage_add(keyring_usage(keys->ring), &keys->flushing[i]);
    keys->flushing_count = 0;
    keys->changed_count = keys->asked_count = 0;
    keys->loaded = false;
    keys->retry_ms = clock_monotonic_ms() + keys->backoff_ms;
    keys->backoff_ms =
        keys->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : keys->backoff_ms * 2;
    move(keys, KEYS_WAITING);
}

static void on_lost(void *arg, const struct err *err)
{
    lose(arg, err);
}

static void ask(struct keys *keys, const char *sql, const struct pg_param *param,
                pg_result_cb *on_answer)
{
    keys->asked_ms = clock_monotonic_ms();
    move(keys, KEYS_ASKING);
    pg_conn_query(keys->conn, sql, param, param ? 1 : 0, on_answer, keys);
}

/* The server has spoken, and the ring is as the table was a moment ago. */
static void heard(struct keys *keys)
{
    keys->heard_ms = clock_monotonic_ms();
    if (keys->loaded)
        keyring_trust_until(keys->ring, keys->heard_ms + TRUST_MS);
    stat_set(&keys->stats->api_keys, keyring_count(keys->ring));
    move(keys, KEYS_IDLE);
    go_on(keys);
}

/* Reading keys */

/* How many could not be taken. */
static size_t put_rows(struct keys *keys, const struct pg_result *result)
{
    uint64_t now_ms = clock_monotonic_ms();
    size_t left_out = 0;

    for (size_t row = 0; row < pg_result_rows(result); row++) {
        struct key_row key;

        if (!key_row_read(result, row, &key) || !keyring_put(keys->ring, &key, now_ms))
            left_out++;
    }
    return left_out;
}

/* Each loop has all keys: what one shows is what all do. */
static void show_left_out(struct keys *keys, uint64_t left_out)
{
    keys->left_out = left_out;
    stat_set(&keys->stats->api_keys_over, left_out);
}

static void note_left_out(struct keys *keys, uint64_t left_out)
{
    if (left_out > 0)
        log_warn("keys", "API keys were left out; raise api_keys_max", log_u("keys", left_out),
                 log_u("api_keys_max", keys->config->api_keys_max));
}

/* If some have gone there is room for some of those that were left out. */
static void fill_room(struct keys *keys, size_t gone)
{
    if (gone > 0 && keys->left_out > 0)
        keys->reload = true;
}

static void on_loaded(void *arg, const struct pg_result *result, const struct err *err)
{
    struct keys *keys = arg;
    size_t rows = pg_result_rows(result), left_out;
    uint64_t all = 0;

    if (err) {
        struct err why = *err;

        err_context(&why, "reading api_keys (does `pgherald init` have to be run?)");
        lose(keys, &why);
        return;
    }
    if (rows > 0)
        (void)str_to_u64(pg_result_value(result, 0, 7), &all);
    keyring_begin(keys->ring);
    left_out = put_rows(keys, result) + (all > rows ? (size_t)all - rows : 0);
    keyring_end(keys->ring);
    show_left_out(keys, left_out);
    note_left_out(keys, left_out);
    if (!keys->loaded)
        log_info("keys", "API keys loaded", log_u("keys", keyring_count(keys->ring)));
    keys->loaded = true;
    keys->backoff_ms = BACKOFF_FIRST_MS;
    heard(keys);
}

static void load(struct keys *keys)
{
    struct pg_param param;
    char most[16];

    snprintf(most, sizeof(most), "%u", keys->config->api_keys_max);
    param.value = str_c(most);
    keys->reload = false;
    keys->changed_count = 0;
    ask(keys, sql_keys_load, &param, on_loaded);
}

/* What has been read moves out of the list; more may have come in meanwhile. */
static void forget_asked(struct keys *keys)
{
    keys->changed_count -= keys->asked_count;
    memmove(keys->changed, keys->changed + keys->asked_count,
            keys->changed_count * sizeof(*keys->changed));
    keys->asked_count = 0;
}

static void on_read(void *arg, const struct pg_result *result, const struct err *err)
{
    struct keys *keys = arg;
    size_t before = keyring_count(keys->ring), left_out;

    if (err) {
        lose(keys, err);
        return;
    }
    keyring_begin(keys->ring);
    left_out = put_rows(keys, result);
    for (size_t i = 0; i < keys->asked_count; i++)
        keyring_drop_missing(keys->ring, str_c(keys->changed[i]));
    forget_asked(keys);
    show_left_out(keys, keys->left_out + left_out);
    note_left_out(keys, left_out);
    fill_room(keys, before > keyring_count(keys->ring));
    heard(keys);
}

static void read_changed(struct keys *keys)
{
    struct pg_param param;
    struct buf ids;

    buf_init(&ids, MAX_PARAMETER);
    for (size_t i = 0; i < keys->changed_count; i++)
        buf_addf(&ids, "%c%s", i == 0 ? '{' : ',', keys->changed[i]);
    buf_add_char(&ids, '}');
    param.value = buf_str(&ids);
    keys->asked_count = keys->changed_count;
    ask(keys, sql_keys_read, &param, on_read);
    buf_fini(&ids);
}

/* Anybody who may connect may notify: what is no id and no star means nothing. */
static void on_notify(void *arg, struct str channel, struct str payload)
{
    struct keys *keys = arg;
    uint8_t uuid[16];

    (void)channel;
    if (str_eq(payload, STR("*")))
        keys->reload = true;
    if (!str_to_uuid(payload, uuid)) {
        go_on(keys);
        return;
    }
    if (keys->changed_count == MAX_CHANGED)
        keys->reload = true;
    else
        memcpy(keys->changed[keys->changed_count++], payload.data, KEY_ID_BYTES);
    go_on(keys);
}

/* Writing usage */

static void on_flushed(void *arg, const struct pg_result *result, const struct err *err)
{
    struct keys *keys = arg;

    (void)result;
    if (err) {
        log_warn("keys", "the use of API keys could not be written down; it will be tried again",
                 log_err(err));
        for (size_t i = 0; i < keys->flushing_count; i++)
            usage_add(keyring_usage(keys->ring), &keys->flushing[i]);
    } else {
        stat_add(&keys->stats->api_key_usage_rows_total, keys->flushing_count);
        keys->more = keys->flushing_count == MAX_COUNTS;
    }
    keys->flushing_count = 0;
    heard(keys);
}

static void flush(struct keys *keys)
{
    struct pg_param param;
    struct buf json;

    keys->flushed_ms = clock_monotonic_ms();
    keys->more = false;
    keys->flushing_count = usage_take(keyring_usage(keys->ring), keys->flushing, MAX_COUNTS);
    buf_init(&json, MAX_PARAMETER);
    usage_write(&json, keys->flushing, keys->flushing_count);
    param.value = buf_str(&json);
    ask(keys, sql_keys_flush, &param, on_flushed);
    buf_fini(&json);
}

static bool flush_is_due(const struct keys *keys, uint64_t now_ms)
{
    unsigned interval_ms = keys->finishing ? LAST_FLUSH_MS : keys->config->api_key_usage_flush_ms;

    return !usage_is_empty(keyring_usage(keys->ring)) &&
           (keys->more || now_ms - keys->flushed_ms >= interval_ms);
}

/* The connection */

static void on_pong(void *arg, const struct pg_result *result, const struct err *err)
{
    (void)result;
    if (err)
        lose(arg, err);
    else
        heard(arg);
}

/* What is to be asked next, the most urgent first. */
static void go_on(struct keys *keys)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (keys->state != KEYS_IDLE)
        return;
    if (keys->reload)
        load(keys);
    else if (keys->changed_count > 0)
        read_changed(keys);
    else if (flush_is_due(keys, now_ms))
        flush(keys);
    else if (now_ms - keys->heard_ms >= PING_MS)
        ask(keys, sql_keys_ping, NULL, on_pong);
}

static void on_session(void *arg, const struct pg_result *result, const struct err *err)
{
    (void)result;
    if (err)
        lose(arg, err);
    else
        load(arg);
}

/* Listened to before it is read, so that no change falls in between. */
static void on_open(void *arg)
{
    struct keys *keys = arg;

    ask(keys, sql_keys_session, NULL, on_session);
}

static void connect_now(struct keys *keys)
{
    static const struct pg_conn_events events = {on_open, on_lost, on_notify};
    const struct pg_conn_options options = {.database_url = keys->config->database_url,
                                            .application_name = "pgherald keys",
                                            .connect_timeout_ms = CONNECT_TIMEOUT_MS};

    move(keys, KEYS_CONNECTING);
    keys->conn = pg_conn_open(keys->loop, &options, &events, keys);
}

struct keys *keys_open(uv_loop_t *loop, const struct config *config, struct keyring *ring,
                       struct stats *stats)
{
    struct keys *keys = mem_alloc(sizeof(*keys));

    keys->loop = loop;
    keys->config = config;
    keys->ring = ring;
    keys->stats = stats;
    keys->backoff_ms = BACKOFF_FIRST_MS;
    keys->flushed_ms = clock_monotonic_ms();
    keys->changed = mem_array(MAX_CHANGED, sizeof(*keys->changed));
    keys->flushing = mem_array(MAX_COUNTS, sizeof(*keys->flushing));
    connect_now(keys);
    return keys;
}

void keys_close(struct keys *keys)
{
    if (!keys)
        return;
    if (keys->flushing_count > 0 || !usage_is_empty(keyring_usage(keys->ring)))
        log_warn("keys", "the last uses of API keys could not be written down");
    pg_conn_close(keys->conn);
    free(keys->changed);
    free(keys->flushing);
    free(keys);
}

/* Keys that have expired are not found any more, but they take room. */
static void sweep(struct keys *keys, uint64_t now_ms, int64_t now)
{
    if (now_ms - keys->swept_ms < SWEEP_MS)
        return;
    keys->swept_ms = now_ms;
    fill_room(keys, keyring_drop_expired(keys->ring, now));
}

void keys_tick(struct keys *keys, uint64_t now_ms, int64_t now)
{
    struct err err;

    stat_set_part(&keys->stats->api_key_usage_lost_total, &keys->lost_shown,
                  keyring_usage(keys->ring)->lost);
    sweep(keys, now_ms, now);
    if (keys->state == KEYS_WAITING && now_ms >= keys->retry_ms)
        connect_now(keys);
    if (keys->state == KEYS_ASKING && now_ms - keys->asked_ms > ANSWER_MS) {
        err_set(&err, "no answer for %d s", ANSWER_MS / 1000);
        lose(keys, &err);
    }
    go_on(keys);
}

bool keys_finish(struct keys *keys)
{
    keys->finishing = true;
    go_on(keys);
    return keys->state < KEYS_IDLE ||
           (keys->state == KEYS_IDLE && usage_is_empty(keyring_usage(keys->ring)));
}
