#include "dispatch/sender.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "dispatch/guard.h"
#include "dispatch/trace.h"
#include "dispatch/transfer.h"
#include "http/multi.h"

struct sender {
    struct multi *multi;
    struct guard *guard;
    struct sender_options options;
    sender_cb *cb;
    void *arg;
    struct transfer *busy;
};

static void join_busy(struct sender *sender, struct transfer *transfer)
{
    transfer->prev = NULL;
    transfer->next = sender->busy;
    if (transfer->next)
        transfer->next->prev = transfer;
    sender->busy = transfer;
}

static void leave_busy(struct sender *sender, struct transfer *transfer)
{
    if (transfer->prev)
        transfer->prev->next = transfer->next;
    else
        sender->busy = transfer->next;
    if (transfer->next)
        transfer->next->prev = transfer->prev;
}

static void on_done(void *arg, CURL *easy, CURLcode result)
{
    struct sender *sender = arg;
    struct sender_answer answer;
    struct transfer *transfer;
    char error[OUTCOME_ERROR_MAX];
    void *private;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    transfer = private;
    answer = outcome_of(transfer, result, error);
    if (transfer->trace)
        answer.trace = trace_read(transfer->trace, easy);
    leave_busy(sender, transfer);
    sender->cb(sender->arg, transfer->arg, &answer);
    transfer_free(transfer);
}

static enum result check_file(const char *setting, const char *file, struct err *err)
{
    if (file && file[0] && access(file, R_OK) != 0)
        return err_set(err, "%s %s cannot be read", setting, file);
    return OK;
}

static enum result check_options(const struct sender_options *options, struct guard **guard,
                                 struct err *err)
{
    const struct guard_settings settings = {options->allow_private, options->allow, options->only};

    if (check_file("webhook_ca_file", options->ca_file, err) != OK ||
        check_file("webhook_client_cert_file", options->client_cert_file, err) != OK ||
        check_file("webhook_client_key_file", options->client_key_file, err) != OK)
        return FAILED;
    return guard_new(&settings, guard, err);
}

struct sender_options sender_options_of(const struct config *config)
{
    return (struct sender_options){
        .max_requests = config->webhook_concurrency,
        .allow_private = config->webhook_allow_private,
        .allow = &config->webhook_allow,
        .only = &config->webhook_only,
        .keep_bytes = config->webhook_response_bytes,
        .ca_file = config->webhook_ca_file,
        .client_cert_file = config->webhook_client_cert_file,
        .client_key_file = config->webhook_client_key_file,
    };
}

enum result sender_new(uv_loop_t *loop, const struct sender_options *options, sender_cb *cb,
                       void *arg, struct sender **out, struct err *err)
{
    struct sender *sender = mem_alloc(sizeof(*sender));

    *out = NULL;
    *sender = (struct sender){.options = *options, .cb = cb, .arg = arg};
    if (check_options(options, &sender->guard, err) != OK)
        goto fail;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, "libcurl could not be initialised");
        goto fail;
    }
    if (multi_new(loop, (long)options->max_requests, on_done, sender, &sender->multi, err) != OK) {
        curl_global_cleanup();
        goto fail;
    }
    *out = sender;
    return OK;
fail:
    guard_free(sender->guard);
    free(sender);
    return FAILED;
}

void sender_break_off(struct sender *sender)
{
    while (sender->busy) {
        struct transfer *transfer = sender->busy;
        const struct sender_answer answer = {.broken_off = true, .error = "broken off"};

        multi_remove(sender->multi, transfer->easy);
        leave_busy(sender, transfer);
        sender->cb(sender->arg, transfer->arg, &answer);
        transfer_free(transfer);
    }
}

void sender_close(struct sender *sender)
{
    if (!sender)
        return;
    while (sender->busy) {
        struct transfer *transfer = sender->busy;

        multi_remove(sender->multi, transfer->easy);
        leave_busy(sender, transfer);
        transfer_free(transfer);
    }
    multi_close(sender->multi);
    guard_free(sender->guard);
    curl_global_cleanup();
    free(sender);
}

enum result sender_send(struct sender *sender, const struct sender_request *request,
                        void *request_arg, struct err *err)
{
    struct transfer *transfer = transfer_new(&sender->options, sender->guard, err);

    if (!transfer)
        return FAILED;
    transfer->arg = request_arg;
    if (transfer_ask(transfer, request, err) != OK ||
        multi_add(sender->multi, transfer->easy, err) != OK) {
        transfer_free(transfer);
        return FAILED;
    }
    join_busy(sender, transfer);
    return OK;
}
