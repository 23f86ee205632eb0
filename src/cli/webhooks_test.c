/* pgherald webhooks test: one signed sample through the sender of the dispatcher. */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stats.h"
#include "cli/exchange.h"
#include "cli/webhooks.h"
#include "dispatch/headers.h"
#include "dispatch/request.h"
#include "dispatch/schedule.h"
#include "dispatch/sender.h"
#include "embedded.h"
#include "rules/webhook_body.h"

#define MAX_BODY ((size_t)4 << 20)
#define MAX_ID 256
#define MAX_TEXT ((size_t)64 << 20)

/* The columns of sql/queries/webhooks_endpoint.sql. */
enum endpoint_column {
    EP_ID,
    EP_NAME,
    EP_URL,
    EP_SECRETS,
    EP_HEADERS,
    EP_UPDATED_AT,
    EP_TIMEOUT,
    EP_RULE
};

/* What one test works with. */
struct sample {
    struct webhooks_command *command;
    struct delivery *delivery;
    struct buf headers;
    bool good; /* the answer was 2xx */
};

/* ---------------------------------------------------------------- the request */

/* As if a row of a table pgherald.webhook_test had been inserted now, in the webhook's own shape.
 * Which columns it chose is about other tables. */
static void add_body(struct buf *out, const struct config *config, struct webhook_rule *rule,
                     const struct position *position)
{
    char when[CLOCK_ISO_TEXT];
    const struct column columns[] = {
        {STR("message"), 0, VALUE_TEXT, STR("This is a test of pgherald webhooks test.")},
        {STR("sent_at"), 0, VALUE_TEXT, str_c(clock_iso_us(position->commit_time, when))},
    };
    const struct change change = {.kind = CHANGE_INSERT,
                                  .commit_time = position->commit_time,
                                  .schema = STR("pgherald"),
                                  .table = STR("webhook_test"),
                                  .record = {columns, sizeof(columns) / sizeof(*columns)}};
    struct stats stats = {0};
    struct ruleset *rules = ruleset_new(config, &stats);
    const struct webhook_change of = {rules, ruleset_table(rules, &change), &change, position};
    struct webhook_body body;

    rule_list_fini(&rule->columns);
    webhook_body_init(&body);
    webhook_body_begin(&body, &of);
    buf_add_str(out, webhook_body_for(&body, rule));
    webhook_body_fini(&body);
    ruleset_free(rules);
}

static enum result read_rule(struct str text, struct webhook_rule **out, struct err *err)
{
    struct rule_row *row;
    enum result result = rule_row_parse(text, &row, err);

    *out = NULL;
    if (result == OK)
        result = webhook_rule_parse(row, out, err);
    rule_row_free(row);
    return result;
}

static struct delivery *make_delivery(const struct pg_rows *endpoint, struct str id,
                                      struct str body)
{
    const struct str field[DELIVERY_FIELDS] = {
        [DELIVERY_ID] = STR("0"),
        [DELIVERY_WEBHOOK_ID] = str_c(pg_rows_text(endpoint, 0, EP_ID)),
        [DELIVERY_MESSAGE_ID] = id,
        [DELIVERY_EVENT_TYPE] = STR("pgherald.webhook_test.insert"),
        [DELIVERY_PAYLOAD] = body,
        [DELIVERY_ENDPOINT_NAME] = str_c(pg_rows_text(endpoint, 0, EP_NAME)),
        [DELIVERY_URL] = str_c(pg_rows_text(endpoint, 0, EP_URL)),
        [DELIVERY_SECRETS] = str_c(pg_rows_text(endpoint, 0, EP_SECRETS)),
        [DELIVERY_HEADERS] = str_c(pg_rows_text(endpoint, 0, EP_HEADERS)),
        [DELIVERY_ORIGIN] = STR("test"),
        [DELIVERY_VERSION] = str_c(pg_rows_text(endpoint, 0, EP_UPDATED_AT)),
    };
    struct delivery *delivery = delivery_new(field);

    if (delivery)
        delivery->timeout_ms = 1000 * (unsigned)pg_rows_number(endpoint, 0, EP_TIMEOUT);
    return delivery;
}

/* Its place in the stream, and so its id, is no change's: LSNs begin above 0. */
static enum result make_sample(struct sample *sample, const struct pg_rows *endpoint,
                               int64_t now_us, struct err *err)
{
    const struct position position = {.commit_time = now_us};
    struct webhook_rule *rule;
    struct buf body, id;

    if (read_rule(str_c(pg_rows_text(endpoint, 0, EP_RULE)), &rule, err) != OK)
        return FAILED;
    buf_init(&body, MAX_BODY);
    buf_init(&id, MAX_ID);
    webhook_rule_add_message_id(&id, rule, &position);
    add_body(&body, sample->command->config, rule, &position);
    sample->delivery = make_delivery(endpoint, buf_str(&id), buf_str(&body));
    buf_fini(&id);
    buf_fini(&body);
    webhook_rule_free(rule);
    if (!sample->delivery)
        return err_set(err, "no memory for a sample");
    return request_build(sample->delivery, now_us / 1000000, &sample->headers, err);
}

static enum result build(struct sample *sample, struct err *err)
{
    const char *params[] = {webhooks_id(sample->command)};
    struct pg_rows *endpoint;
    enum result result;

    if (pg_sync_run(sample->command->conn, sql_webhooks_endpoint, params, 1, &endpoint, err) != OK)
        return FAILED;
    result = pg_rows_count(endpoint) == 1 ? make_sample(sample, endpoint, clock_now_us(), err)
                                          : err_set(err, "webhook %s is gone", params[0]);
    pg_rows_free(endpoint);
    return result;
}

/* ---------------------------------------------------------------- the exchange */

static void show(const struct sample *sample, const struct sender_answer *answer)
{
    const struct cli_args *args = sample->command->args;
    const struct exchange exchange = {
        .webhook_id = webhooks_id(sample->command),
        .webhook_name = webhooks_name(sample->command),
        .url = sample->delivery->field[DELIVERY_URL].data,
        .headers = buf_str(&sample->headers),
        .body = sample->delivery->field[DELIVERY_PAYLOAD],
        .answer = answer,
        .keep_bytes = sample->command->config->webhook_response_bytes,
        .show_all = args->flags & CLI_SHOW_HEADERS,
    };
    struct buf out;

    if (args->flags & CLI_JSON) {
        json_t *root = exchange_json(&exchange);

        json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(root);
        return;
    }
    buf_init(&out, MAX_TEXT);
    exchange_write(&out, &exchange);
    fwrite(buf_str(&out).data, 1, out.len, stdout);
    buf_fini(&out);
}

static void on_answer(void *arg, void *request_arg, const struct sender_answer *answer)
{
    struct sample *sample = arg;

    (void)request_arg;
    sample->good = answer->complete && schedule_is_success(answer->status_code);
    show(sample, answer);
}

/* The sender closes its handles on the loop, which therefore runs once more. */
static enum result send_sample(struct sample *sample, uv_loop_t *loop, struct err *err)
{
    const struct config *config = sample->command->config;
    struct sender_options options = sender_options_of(config);
    const struct sender_request request = {
        .url = sample->delivery->field[DELIVERY_URL].data,
        .headers = buf_str(&sample->headers),
        .body = sample->delivery->field[DELIVERY_PAYLOAD],
        .timeout_ms = sample->delivery->timeout_ms,
    };
    struct sender *sender;
    enum result result;

    options.trace = true;
    if (sender_new(loop, &options, on_answer, sample, &sender, err) != OK)
        return FAILED;
    result = sender_send(sender, &request, NULL, err);
    if (result == OK)
        uv_run(loop, UV_RUN_DEFAULT);
    sender_close(sender);
    uv_run(loop, UV_RUN_DEFAULT);
    return result;
}

static enum result exchange_sample(struct sample *sample, struct err *err)
{
    uv_loop_t loop;
    enum result result;
    int code = uv_loop_init(&loop);

    if (code != 0)
        return err_set(err, "no loop for the request: %s", uv_strerror(code));
    signal(SIGPIPE, SIG_IGN); /* a receiver that closes its side */
    result = send_sample(sample, &loop, err);
    uv_loop_close(&loop);
    return result;
}

static int run(struct sample *sample)
{
    struct err err;

    if (build(sample, &err) != OK)
        return webhooks_fail(sample->command, &err);
    if (sample->command->args->flags & CLI_PRINT) {
        show(sample, NULL);
        return EXIT_SUCCESS;
    }
    if (exchange_sample(sample, &err) != OK)
        return webhooks_fail(sample->command, &err);
    return sample->good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cli_webhooks_test(const struct config *config, const struct cli_args *args)
{
    struct webhooks_command command;
    struct sample sample = {.command = &command};
    int code = webhooks_open(&command, config, args, args->words[0]);

    buf_init(&sample.headers, HEADERS_BYTES_MAX);
    if (code == EXIT_SUCCESS)
        code = run(&sample);
    buf_fini(&sample.headers);
    delivery_free(sample.delivery);
    webhooks_close(&command);
    return code;
}
