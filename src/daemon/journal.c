#include "daemon/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "embedded.h"
#include "pg/conn.h"

#define MAX_RELOADS 16
#define MAX_JSON ((size_t)1 << 20)
#define HOST_MAX 256
/* An idle slot is confirmed often; what allows it is written once for so many bytes of WAL. A slot
 * that is made anew within them, after a stop that was not recorded, is not noticed. */
#define CONFIRM_AHEAD ((lsn_t)16 << 20)

struct reload {
    struct msg msg;
    struct str facts; /* owned */
};

static void free_reload(struct msg *msg)
{
    struct reload *reload = (struct reload *)msg;

    free((void *)(uintptr_t)reload->facts.data);
    free(reload);
}

void journal_init(struct journal *journal, const struct config *config,
                  const struct journal_events *events, void (*wake)(void *arg), void *arg)
{
    *journal = (struct journal){.config = config, .events = *events, .arg = arg};
    random_uuid(journal->run);
    journal->reloads = queue_new(MAX_RELOADS, MAX_RELOADS * MAX_JSON);
    queue_set_wake(journal->reloads, wake, arg);
}

void journal_fini(struct journal *journal)
{
    if (journal->reload)
        msg_unref(journal->reload);
    queue_free(journal->reloads);
}

void journal_begin_session(struct journal *journal)
{
    journal->is_asking = journal->is_started = false;
    journal->confirmable = 0;
}

bool journal_reload(struct journal *journal, struct str facts)
{
    struct reload *reload = mem_alloc(sizeof(*reload));

    msg_init(&reload->msg, facts.len, free_reload);
    reload->facts = str_from(str_dup(facts), facts.len);
    if (queue_push(journal->reloads, &reload->msg))
        return true;
    msg_unref(&reload->msg);
    return false;
}

/* What is no jsonb (a setting may be any bytes) must not keep the daemon from its work. */
static struct pg_param as_jsonb(const struct buf *json)
{
    return (struct pg_param){buf_ok(json) && json_is_jsonb(buf_str(json)) ? buf_str(json)
                                                                          : STR("{}")};
}

/* Answers. An entry that is refused is lost, and said to be; the trail itself goes on. */

static void answered(struct journal *journal, const struct err *err, const char *what)
{
    journal->is_asking = false;
    if (err)
        log_error("journal", "an entry about the daemon itself was refused", log_s("of", what),
                  log_err(err));
    journal->events.on_said(journal->arg);
}

static void on_started(void *arg, const struct err *err)
{
    struct journal *journal = arg;

    journal->is_started = true;
    answered(journal, err, "its start");
}

static void on_reloaded(void *arg, const struct err *err)
{
    struct journal *journal = arg;

    msg_unref(journal->reload);
    journal->reload = NULL;
    answered(journal, err, "a reload");
}

static void on_stopped(void *arg, const struct err *err)
{
    struct journal *journal = arg;

    journal->is_stopped = true;
    answered(journal, err, "its stop");
}

static void on_allowed(void *arg, const struct err *err)
{
    struct journal *journal = arg;
    struct err whole;

    if (err) {
        whole = *err;
        err_context(&whole, "recording how far the slot may be confirmed (was `pgherald init` "
                            "run?)");
        journal->events.on_failed(journal->arg, &whole);
        return;
    }
    journal->confirmable = journal->wanted;
    answered(journal, NULL, "");
}

/* Questions */

static bool say_start(struct journal *journal, struct store *store)
{
    char host[HOST_MAX] = "?";
    struct buf who, facts, settings;
    bool is_taken;

    (void)gethostname(host, sizeof(host) - 1);
    buf_init(&who, 4096);
    buf_init(&facts, 4096);
    buf_init(&settings, MAX_JSON);
    buf_addf(&who, "{\"run\":\"%s\",\"version\":\"" PGHERALD_VERSION "\",\"pid\":%ld,\"host\":",
             journal->run, (long)getpid());
    json_add_string(&who, str_c(host));
    buf_add_char(&who, '}');
    buf_addf(&facts, "{\"audit\":\"%s\"}", journal->config->audit ? "on" : "off");
    config_write_json(journal->config, &settings);
    {
        const struct pg_param params[] = {{str_c(journal->config->slot_name)},
                                          {str_c(journal->run)},
                                          as_jsonb(&who),
                                          as_jsonb(&facts),
                                          as_jsonb(&settings)};

        is_taken = store_ask(store, sql_journal_start, params, 5, on_started, journal);
    }
    buf_fini(&who);
    buf_fini(&facts);
    buf_fini(&settings);
    return is_taken;
}

static bool say_reload(struct journal *journal, struct store *store)
{
    const struct reload *reload = (const struct reload *)journal->reload;
    struct buf number;
    bool is_taken;

    buf_init(&number, 32);
    buf_add_u64(&number, journal->reload_number);
    {
        const struct pg_param params[] = {
            {str_c(journal->config->slot_name)},
            {str_c(journal->run)},
            {buf_str(&number)},
            {json_is_jsonb(reload->facts) ? reload->facts : STR("{}")}};

        is_taken = store_ask(store, sql_journal_reload, params, 4, on_reloaded, journal);
    }
    buf_fini(&number);
    return is_taken;
}

static bool say_stop(struct journal *journal, struct store *store, lsn_t confirmed)
{
    char lsn[LSN_TEXT];
    const struct pg_param params[] = {{str_c(journal->config->slot_name)},
                                      {str_c(journal->run)},
                                      {str_c(journal->stop_reason)},
                                      {str_c(lsn_format(confirmed, lsn))}};

    return store_ask(store, sql_journal_stop, params, 4, on_stopped, journal);
}

static bool ask_to_confirm(struct journal *journal, struct store *store, lsn_t idle)
{
    char lsn[LSN_TEXT];

    journal->wanted = idle + CONFIRM_AHEAD;
    {
        const struct pg_param params[] = {{str_c(journal->config->slot_name)},
                                          {str_c(lsn_format(journal->wanted, lsn))}};

        return store_ask(store, sql_journal_allow, params, 2, on_allowed, journal);
    }
}

static bool has_reload(struct journal *journal)
{
    if (!journal->reload) {
        journal->reload = queue_pop(journal->reloads);
        journal->reload_number += journal->reload != NULL;
    }
    return journal->reload != NULL;
}

void journal_speak(struct journal *journal, struct store *store, lsn_t idle, lsn_t confirmed)
{
    if (journal->is_asking || journal->is_stopped)
        return;
    if (!journal->is_started)
        journal->is_asking = say_start(journal, store);
    else if (has_reload(journal))
        journal->is_asking = say_reload(journal, store);
    else if (journal->stop_reason)
        journal->is_asking = say_stop(journal, store, confirmed);
    else if (idle > journal->confirmable)
        journal->is_asking = ask_to_confirm(journal, store, idle);
}
